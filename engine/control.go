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
func (e *Engine) Control(ctx context.Context, id uuid.UUID, cmd domain.Command, key *IdempotencyKey) (Written, error) {
	call := e.call(cmd)
	result := e.apply(ctx, persistence.Op{WorkflowID: id, Key: key.stored(id, 200), Once: e.NewID(), Decide: call.decide})
	if result.Err != nil {
		return e.replay(ctx, result.Err)
	}
	call.committed(result)
	change := result.Change
	return Written{Workflow: shown(change.Workflow, change.Current()), Status: 200}, nil
}

// PatchData applies a JSON merge patch to a workflow's data. Errors: workflow_not_found, invalid_transition for a
// terminal workflow, data_too_large.
func (e *Engine) PatchData(ctx context.Context, id uuid.UUID, patch []byte) (Workflow, error) {
	var current *domain.Execution
	result := e.apply(ctx, persistence.Op{WorkflowID: id, Once: e.NewID(),
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
