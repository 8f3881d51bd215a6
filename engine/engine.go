// Package engine runs workflows: it joins the pure rules of domain with the database, the doorbell and the
// webhook client. One file per use case. It knows nothing of HTTP requests to the service itself: handlers
// call it with values and get values or a *domain.Error back.
package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
	"github.com/genevadrive/genevadrive/webhook"
)

// Role says what a server does (DESIGN section 10).
type Role string

// The roles.
const (
	RoleAll    Role = "all"
	RoleAPI    Role = "api"
	RoleWorker Role = "worker"
)

func (r Role) works() bool { return r != RoleAPI }

// Config is what an engine is made of. Now, NewID, NewFence and Jitter are injected, so that a test decides
// time and chance.
type Config struct {
	Store    *persistence.Store
	Ready    *queue.ReadyList
	Doorbell queue.Doorbell
	Webhooks *webhook.Client
	Secrets  []webhook.Secret // all sign, newest first

	PublicURL   string // base of callback URLs, without a slash at its end; "": no late answers
	CallbackKey []byte // signs their tokens, the same on every server

	Role        Role
	Name        string // of this server, for people: host and process
	Version     string
	Concurrency int      // steps performed at once
	Queues      []string // names that definitions and answers may use

	Horizon        time.Duration // how far ahead due steps are held in this process
	SharedDoorbell bool          // other servers hear the doorbell too
	TestMode       bool          // Speedrun may be called; never in production
	Exclusive      bool          // no other server uses the database: what a predecessor left is taken over at once
	Retention      time.Duration // how long workflows are kept after they ended; 0: forever

	Now      func() time.Time
	NewID    func() uuid.UUID
	NewFence func() domain.Fence
	Jitter   func() float64 // [0,1)
	Logger   *slog.Logger

	Observer Observer // nil: nobody is told
	Tracer   Tracer   // nil: no spans
}

// Engine runs workflows. Its exported methods are the operations of the API and may be called at once from
// many goroutines, before Start and after Stop too; only between the two does it perform steps.
type Engine struct {
	Config
	plans     *planCache
	endpoints *endpointCache
	commits   *committer[persistence.Op, persistence.Result]
	creates   *committer[persistence.CreateOp, persistence.CreateResult]
	lease     *lease
	inFlight  *inFlight
	strays    strays
	arrivals  chan uuid.UUID // what the doorbell rang for
	backlog   chan struct{}  // holds one: the last sweep did not see all that is due
	stuck     stuckLanes
	tried     tried
	warned    sync.Map // the planKeys of those that were logged

	workers  sync.WaitGroup
	told     sync.WaitGroup // of attempts, beside the ones that follow
	loops    sync.WaitGroup
	runs     context.Context    // of the deliveries in flight; nil: not started
	stopRuns context.CancelFunc // aborts them
	stopping context.CancelFunc // ends the loops
}

// New makes an engine that does not perform steps yet.
func New(cfg Config) *Engine {
	if cfg.Observer == nil {
		cfg.Observer = unobserved{}
	}
	if cfg.Tracer == nil {
		cfg.Tracer = untraced("")
	}
	e := &Engine{Config: cfg, plans: newPlanCache(cfg.Store), endpoints: newEndpointCache(cfg.Store, cfg.Now), inFlight: newInFlight(),
		arrivals: make(chan uuid.UUID, maxArrivals), backlog: make(chan struct{}, 1)}
	e.commits = newCommitter(cfg.Store.ApplyBatch, func(op persistence.Op) int { return op.Bytes }, cfg.Observer.Committed, decisionCrowd)
	e.creates = newCommitter(cfg.Store.CreateTogether, func(op persistence.CreateOp) int { return op.Bytes }, func(int) {}, createCrowd)
	e.lease = newLease(e)
	return e
}

// Start registers this server, and starts its workers and loops unless the role is api. It returns once the
// server's lease is live.
func (e *Engine) Start(ctx context.Context) error {
	if err := e.lease.register(ctx); err != nil {
		return err
	}
	if e.Exclusive {
		if err := e.lease.takeOver(ctx); err != nil {
			return err
		}
	}
	background := context.WithoutCancel(ctx)
	loops, stopping := context.WithCancel(background)
	runs, stopRuns := context.WithCancel(background)
	e.stopping, e.runs, e.stopRuns = stopping, runs, stopRuns

	e.loop(runs, heartbeatEvery, e.lease.runOnce) // until the last delivery has ended, or others would take it over
	e.loop(loops, sweepEvery, e.handBackStrays)
	e.loop(loops, housekeepingEvery, e.housekeep)
	e.loop(loops, erasureEvery, e.continueErasures)
	e.loop(loops, retentionEvery, (&retention{e: e}).runOnce)
	if !e.Role.works() {
		return nil
	}
	e.loop(loops, sweepEvery, e.sweep)
	e.loops.Go(func() { e.refill(loops) })
	e.loops.Go(func() { e.listen(loops) })
	e.loops.Go(func() {
		if err := e.Doorbell.Run(loops, e.arrive); err != nil {
			e.Logger.Error("the doorbell cannot be heard; delayed steps start by the sweep alone", "error", err)
		}
	})
	for range e.Concurrency {
		e.workers.Go(func() { e.work(loops, runs) })
	}
	return nil
}

// Stop ends the engine: nothing new is claimed, deliveries in flight may finish until ctx ends, those that
// have not are aborted and handed back, and the lease is given up.
func (e *Engine) Stop(ctx context.Context) {
	e.stopping()
	e.Ready.Close()
	done := make(chan struct{})
	go func() { e.workers.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		e.stopRuns()
		<-done // an aborted delivery only has its hand-back left, and that is bounded
	}
	e.stopRuns()
	e.told.Wait()
	e.loops.Wait()
	e.lease.release(context.WithoutCancel(ctx))
}

// loop runs once about every interval, with jitter, until ctx ends. An error is logged and never ends it.
func (e *Engine) loop(ctx context.Context, every time.Duration, once func(context.Context) error) {
	e.loops.Go(func() {
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			if err := once(ctx); err != nil && ctx.Err() == nil {
				e.Logger.Warn("background loop failed, will run again", "error", err)
			}
			timer.Reset(pauseOf(every, e.Jitter()))
		}
	})
}

// pauseOf is the pause of a loop: a tenth more or less than its interval, so that servers which were started together do
// not keep asking the database together.
func pauseOf(every time.Duration, jitter float64) time.Duration {
	return every*9/10 + time.Duration(float64(every/5)*jitter)
}
