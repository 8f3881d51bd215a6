package engine

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// Control performs a control verb on a workflow (DESIGN section 3). Errors: workflow_not_found,
// invalid_transition, stale_execution, unknown_step, idempotency_key_reused, idempotency_in_progress.
func (e *Engine) Control(ctx context.Context, id uuid.UUID, cmd domain.Command, key *IdempotencyKey) (Outcome, error) {
	cmd.NextID, cmd.Fence = e.NewID(), e.NewFence()
	var p *plan
	var before domain.Execution
	result := e.apply(ctx, persistence.Op{WorkflowID: id, Key: key.stored(id, 200),
		Decide: func(now time.Time, row persistence.Row) (domain.Change, error) {
			var ok bool
			if p, ok = e.plans.cached(row.Workflow.Type, row.Workflow.DefinitionVersion); !ok {
				return domain.Change{}, planMissing{planKey{row.Workflow.Type, row.Workflow.DefinitionVersion}}
			}
			if row.Execution != nil {
				before = *row.Execution
			}
			change, err := domain.Control(p.Definition, row.Workflow, row.Execution, cmd, now)
			return e.stamp(change, now), err
		}})
	if result.Err != nil {
		return e.replay(ctx, result.Err)
	}
	change := result.Change
	if x := change.Execution; !change.Unchanged && x != nil {
		if x.Fence != before.Fence {
			e.inFlight.abort(x.ID) // its late answer would be refused anyway
		}
		if x.State != domain.ExecutionScheduled || x.Held {
			e.Ready.Drop(x.ID)
		}
	}
	e.announce(p, change, result.Now)
	return Outcome{Workflow: shown(change.Workflow, change.Current()), Status: 200}, nil
}

// PatchData applies a JSON merge patch to a workflow's data. Errors: workflow_not_found, data_too_large.
func (e *Engine) PatchData(ctx context.Context, id uuid.UUID, patch []byte) (Workflow, error) {
	var current *domain.Execution
	result := e.apply(ctx, persistence.Op{WorkflowID: id,
		Decide: func(now time.Time, row persistence.Row) (domain.Change, error) {
			current = row.Execution
			return domain.PatchData(row.Workflow, patch, now)
		}})
	if result.Err != nil {
		return Workflow{}, result.Err
	}
	return shown(result.Change.Workflow, current), nil
}

// apply makes a decision that a client waits for: alone, and waiting for the workflow's lock.
func (e *Engine) apply(ctx context.Context, op persistence.Op) persistence.Result {
	for {
		result := e.Store.Apply(context.WithoutCancel(ctx), op)
		if retry, err := e.plans.load(ctx, result.Err); !retry {
			result.Err = err
			return result
		}
	}
}
