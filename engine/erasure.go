package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

const (
	eraseAtOnce    = 5 * time.Second // how long DeleteSubject works before it leaves the rest to the loop
	erasureEvery   = 5 * time.Second
	erasureSilence = 15 * time.Second // after this another server goes on with an erasure
)

// DeleteSubject forgets a subject: its open workflows are canceled, and whatever it had up to now is erased
// (DESIGN section 9): attributes, data, reasons, error texts, excerpts, Idempotency-Keys. The subject's id
// becomes erased-…, the same for all of its workflows. What is created from now on is untouched.
//
// nil means that all of it will happen, whatever crashes; for a subject of few workflows it has happened. It
// may be repeated, and a subject that nothing is known of is no error. Errors: invalid_query.
func (e *Engine) DeleteSubject(ctx context.Context, typ, id string) error {
	if err := domain.CheckSubject(typ, id); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	order, err := e.Store.BeginErasure(ctx, e.NewID(), typ, id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, eraseAtOnce)
	defer cancel()
	if err := e.erase(ctx, order); err != nil {
		e.Logger.Info("erasing a subject goes on in the background", "pseudonym", order.Pseudonym(), "error", err)
	}
	return nil
}

// continueErasures completes what a server that stopped has left, and what took too long to be answered.
func (e *Engine) continueErasures(ctx context.Context) error {
	for {
		order, ok, err := e.Store.NextErasure(ctx, erasureSilence)
		if err != nil || !ok {
			return err
		}
		if err := e.erase(ctx, order); err != nil {
			return err
		}
	}
}

// erase works through an erasure: first everything is canceled, then emptied. A workflow that fails does not
// stand in the way of the others; the order then stays for another time.
func (e *Engine) erase(ctx context.Context, order persistence.Erasure) error {
	canceled := e.eachToErase(ctx, order, true, func(id uuid.UUID) error { return e.cancelErased(ctx, id) })
	emptied := e.eachToErase(ctx, order, false, func(id uuid.UUID) error {
		return e.Store.EraseWorkflow(ctx, id, order.Pseudonym())
	})
	if err := errors.Join(canceled, emptied); err != nil {
		return err
	}
	return e.Store.EndErasure(ctx, order.ID)
}

// eachToErase does something to every workflow of an erasure, in batches.
func (e *Engine) eachToErase(ctx context.Context, order persistence.Erasure, onlyOpen bool, do func(uuid.UUID) error) error {
	var failed error
	for last := uuid.Nil; ; {
		if held, err := e.Store.HoldErasure(ctx, order.ID); err != nil || !held {
			return errors.Join(failed, err)
		}
		batch, err := e.Store.ToErase(ctx, order, onlyOpen, last)
		if err != nil || len(batch) == 0 {
			return errors.Join(failed, err)
		}
		for _, id := range batch {
			if err := do(id); err != nil {
				failed = err // one of them is enough to know
			}
			if ctx.Err() != nil {
				return errors.Join(failed, ctx.Err())
			}
		}
		last = batch[len(batch)-1]
	}
}

// cancelErased cancels a workflow whose subject is to be erased; one that has ended or gone meanwhile is let be.
func (e *Engine) cancelErased(ctx context.Context, id uuid.UUID) error {
	cmd := domain.Command{Verb: domain.VerbCancel, Reason: "The subject was deleted.", Fence: e.NewFence()}
	var taken domain.Fence
	result := e.Store.Apply(context.WithoutCancel(ctx), persistence.Op{WorkflowID: id, Decide: func(now time.Time, row persistence.Row) (domain.Change, error) {
		if row.Workflow.State.Terminal() {
			return domain.Change{Workflow: row.Workflow, Execution: row.Execution, Unchanged: true}, nil
		}
		if row.Execution != nil {
			taken = row.Execution.Fence
		}
		return domain.Control(nil, row.Workflow, row.Execution, cmd, now)
	}})
	if result.Err == nil && !result.Change.Unchanged {
		e.Ready.Drop(result.Change.Workflow.CurrentExecutionID)
		e.inFlight.abort(result.Change.Workflow.CurrentExecutionID, taken)
		e.moved(slog.LevelInfo, "verb", result, slog.String("verb", string(cmd.Verb)), slog.String("reason", cmd.Reason))
	}
	if domain.CodeOf(result.Err) == domain.CodeWorkflowNotFound {
		return nil // retention was quicker
	}
	return result.Err
}
