package queue

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// EmbeddedHorizon is how far ahead the embedded doorbell looks, unless told otherwise.
const EmbeddedHorizon = time.Minute

const embeddedBuffer = 4096

// Embedded is the doorbell of a server without Redis. A bell for the near future
// arrives at once, for the ready list to hold until it is due; one for later is left to
// the sweep, which looks ahead, so that sleeping workflows cost no memory.
type Embedded struct {
	horizon time.Duration
	now     func() time.Time
	bells   chan uuid.UUID

	closing chan struct{}
	close   sync.Once
	rung    atomic.Uint64
	dropped atomic.Uint64
	arrived atomic.Uint64
}

// NewEmbedded returns the embedded doorbell; now and horizon may be zero.
func NewEmbedded(now func() time.Time, horizon time.Duration) *Embedded {
	if now == nil {
		now = time.Now
	}
	return &Embedded{
		horizon: positive(horizon, EmbeddedHorizon),
		now:     now,
		bells:   make(chan uuid.UUID, embeddedBuffer),
		closing: make(chan struct{}),
	}
}

// Ring implements Doorbell.
func (e *Embedded) Ring(b Bell) {
	if b.at().Sub(e.now()) > e.horizon {
		return
	}
	select {
	case <-e.closing:
		e.dropped.Add(1)
		return
	default:
	}
	select {
	case e.bells <- b.ExecutionID:
		e.rung.Add(1)
	default:
		e.dropped.Add(1)
	}
}

// Run implements Doorbell.
func (e *Embedded) Run(ctx context.Context, arrive func(uuid.UUID) (busy bool)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.closing:
			return nil
		case id := <-e.bells:
			e.arrived.Add(1)
			arrive(id)
		}
	}
}

// Healthy implements Doorbell. There is nothing that could be down.
func (e *Embedded) Healthy() bool { return true }

// Stats implements Doorbell.
func (e *Embedded) Stats() BellStats {
	return BellStats{Rung: e.rung.Load(), Dropped: e.dropped.Load(), Arrived: e.arrived.Load()}
}

// Close implements Doorbell.
func (e *Embedded) Close(context.Context) error {
	e.close.Do(func() { close(e.closing) })
	return nil
}
