package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/persistence"
)

// The server lease (DESIGN section 4). A server is dead for the others leaseTTL after its last heartbeat by
// the database's clock; for itself a little earlier, counted from before that heartbeat was sent.
const (
	heartbeatEvery = 5 * time.Second
	leaseTTL       = 15 * time.Second
	leaseMargin    = time.Second
	releaseTimeout = 3 * time.Second
)

// lease is this process's row among the servers.
type lease struct {
	e *Engine

	mu       sync.Mutex
	id       uuid.UUID
	renewed  time.Time // when the last successful heartbeat was sent
	since    time.Time // from when on this server has reached the database without a gap
	released bool
}

func newLease(e *Engine) *lease { return &lease{e: e} }

// server is the id under which this process has registered last.
func (l *lease) server() uuid.UUID {
	id, _ := l.claimant()
	return id
}

// live tells whether this server may claim.
func (l *lease) live() bool {
	_, live := l.claimant()
	return live
}

// claimant is the id under which this server may claim at this moment, if it may. It is asked for when a claim is
// decided: by then the server may have been declared dead, and have got a new id, since the claim was wanted.
func (l *lease) claimant() (id uuid.UUID, live bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id, !l.released && l.e.Now().Sub(l.renewed) < leaseTTL-leaseMargin
}

// register makes a new row and takes its id.
func (l *lease) register(ctx context.Context) error {
	sent := l.e.Now()
	id := l.e.NewID()
	err := l.e.Store.RegisterServer(ctx, persistence.Server{ID: id, Name: l.e.Name, Role: string(l.e.Role),
		Version: l.e.Version, Queues: l.e.Queues})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.id, l.renewed, l.since = id, sent, sent
	return nil
}

// runOnce renews the lease. A server that finds itself declared dead takes a new id: what it has in flight
// may still settle until its fences are lost, but it claims nothing under the old one.
func (l *lease) runOnce(ctx context.Context) error {
	l.mu.Lock()
	id, previous, released := l.id, l.renewed, l.released
	l.mu.Unlock()
	if released {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, heartbeatEvery)
	defer cancel()
	sent := l.e.Now()
	alive, err := l.e.Store.Heartbeat(ctx, id)
	if err != nil {
		return err
	}
	if !alive {
		l.e.Logger.Warn("this server was declared dead by another one and goes on under a new id", "server_id", id)
		return l.register(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = sent
	if sent.Sub(previous) > leaseTTL-heartbeatEvery {
		l.since = sent
	}
	return nil
}

// bury declares dead whoever has missed its heartbeats while the database was there to take them: for as long
// as this server has reached it, and before that as other servers' rows show.
func (l *lease) bury(ctx context.Context) error {
	if !l.live() {
		return nil
	}
	l.mu.Lock()
	reached := l.e.Now().Sub(l.since)
	l.mu.Unlock()
	dead, err := l.e.Store.BurySilentServers(ctx, l.server(), leaseTTL, reached)
	for _, s := range dead {
		l.e.Logger.Warn("server declared dead; its steps are taken over", "server_id", s.ID, "name", s.Name, "last_heartbeat", s.HeartbeatAt)
		l.e.Observer.Buried()
	}
	return err
}

// takeOver declares every other server dead at once. Only for a database that admits one process.
func (l *lease) takeOver(ctx context.Context) error {
	return l.e.Store.BuryOtherServers(ctx, l.server())
}

// release gives the lease up, so that others need not wait for it to run out.
func (l *lease) release(ctx context.Context) {
	l.mu.Lock()
	id := l.id
	l.released = true
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	if err := l.e.Store.ReleaseServer(ctx, id); err != nil && !errors.Is(err, context.Canceled) {
		l.e.Logger.Info("lease not released; it runs out by itself", "error", err)
	}
}
