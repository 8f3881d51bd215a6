package engine

import (
	"context"
	"runtime"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

// Stepper does by hand, one thing at a time and in the caller's goroutine, what the workers and loops of an
// engine do. The engine is not started.
type Stepper struct{ *Engine }

// Hand is a claim in the hands of a worker.
type Hand struct{ c *claimed }

// Execution is the execution as it was claimed.
func (h *Hand) Execution() domain.Execution { return h.c.execution }

// Forget has the settle read the rows again, whatever is known of them.
func (h *Hand) Forget() { h.c.known = nil }

// Register takes a lease, as Start does.
func (s Stepper) Register(ctx context.Context) error { return s.lease.register(ctx) }

// Heartbeat is one run of the lease's loop.
func (s Stepper) Heartbeat(ctx context.Context) error { return s.lease.runOnce(ctx) }

// Release gives the lease up, as Stop does.
func (s Stepper) Release(ctx context.Context) { s.lease.release(ctx) }

// Sweep is one run of the sweep, with what it offers to the workers.
func (s Stepper) Sweep(ctx context.Context) ([]queue.Item, error) {
	err := s.sweep(ctx)
	return s.Offered(), err
}

// Housekeep is one run of the slow loop.
func (s Stepper) Housekeep(ctx context.Context) error { return s.housekeep(ctx) }

// HandBackStrays is one run of that loop.
func (s Stepper) HandBackStrays(ctx context.Context) error { return s.handBackStrays(ctx) }

// NoteStray notes a claim that came with its workflow, of which nobody has heard.
func (s Stepper) NoteStray(claim persistence.Lost, deadline time.Time) {
	s.strays.add(stray{claim, deadline})
}

// Strays counts the claims that are noted.
func (s Stepper) Strays() int { return len(s.strays.list()) }

// Offered takes what waits in the ready list.
func (s Stepper) Offered() []queue.Item {
	var items []queue.Item
	for s.Ready.Waiting() > 0 {
		slot, err := s.Ready.Next(context.Background())
		if err != nil {
			break
		}
		items = append(items, slot.Item)
		slot.Release()
	}
	return items
}

// Claim is the first part of a worker's perform; nil: there is nothing to do.
func (s Stepper) Claim(ctx context.Context, workflow, execution uuid.UUID) *Hand {
	return s.ClaimItem(ctx, queue.Item{WorkflowID: workflow, ExecutionID: execution, Queue: "default"})
}

// ClaimItem is Claim of what the ready list had, with what was known when that was offered.
func (s Stepper) ClaimItem(ctx context.Context, item queue.Item) *Hand {
	return hand(s.claim(ctx, item, nil))
}

// Attempt is the second part: the delivery.
func (s Stepper) Attempt(ctx context.Context, h *Hand) (domain.Result, bool) {
	return s.attempt(ctx, h.c)
}

// Settle is the third part. It may go on with the next step if that is due at once.
func (s Stepper) Settle(ctx context.Context, h *Hand, result domain.Result, goOn bool) *Hand {
	return s.SettleIf(ctx, h, result, func() bool { return goOn })
}

// SettleIf is Settle that asks, in the middle of its transaction, whether it may go on.
func (s Stepper) SettleIf(ctx context.Context, h *Hand, result domain.Result, goOn func() bool) *Hand {
	defer s.told.Wait()
	return hand(s.settle(ctx, h.c, result, func(*domain.Execution) bool { return goOn() }))
}

// HandBack gives a claim back, as at shutdown.
func (s Stepper) HandBack(h *Hand) { s.handBack(h.c) }

// Stray makes a claim one that nobody here performs or settles.
func (s Stepper) Stray(h *Hand) { s.strays.add(stray{Lost: h.c.claim()}) }

// Server is the id that this engine claims under.
func (s Stepper) Server() uuid.UUID { return s.lease.server() }

// CommitUnder makes commits end, asking what became of them included, when ctx ends.
func (s Stepper) CommitUnder(ctx context.Context) { s.commits.base, s.creates.base = ctx, ctx }

// Worker waits for a step to perform as a worker does, and gives its claim; nil once the list is closed.
func (s Stepper) Worker(ctx context.Context) <-chan *Hand {
	idle, claims := s.Ready.Stats().Idle, make(chan *Hand, 1)
	go func() {
		slot, err := s.Ready.Next(ctx)
		if err != nil {
			claims <- nil
			return
		}
		h := Claimed(slot)
		if h == nil {
			h = hand(s.claim(ctx, slot.Item, nil))
		}
		claims <- h
	}()
	for s.Ready.Stats().Idle == idle {
		runtime.Gosched()
	}
	return claims
}

// Token is what authorizes a callback.
func (s Stepper) Token(execution uuid.UUID) string { return s.callbackToken(execution) }

func hand(c *claimed) *Hand {
	if c == nil {
		return nil
	}
	return &Hand{c}
}

// Claimed is the claim that a slot was handed over with; nil: it has none.
func Claimed(slot *queue.Slot) *Hand {
	c, _ := slot.Claimed.(*claimed)
	return hand(c)
}
