package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

const (
	// MaxBulk is how many workflows one bulk call changes at most.
	MaxBulk = 1000
	// bulkSlice is how many of them share a transaction: their rows are locked for milliseconds.
	bulkSlice = 100
)

// BulkRequest performs a control verb on every workflow that a filter lets through.
type BulkRequest struct {
	Verb   domain.Verb
	Filter WorkflowFilter // not empty
	Reason string
	DryRun bool // count, change nothing
	Limit  int  // of workflows changed, at most MaxBulk; 0: MaxBulk
}

// BulkResult is what came of it. Matched workflows that were neither changed nor refused had moved on by the
// time they were locked.
type BulkResult struct {
	Matched, Changed int
	Errors           []BulkError // in the order of the workflows' ids
}

// BulkError is a workflow that refused the verb.
type BulkError struct {
	WorkflowID uuid.UUID
	Code       domain.Code
	Detail     string
}

// bulkStates are the states that a verb moves a workflow out of, or on in.
var bulkStates = map[domain.Verb][]domain.WorkflowState{
	domain.VerbPause:     {domain.WorkflowReady, domain.WorkflowPerforming},
	domain.VerbResume:    {domain.WorkflowPaused},
	domain.VerbSkip:      domain.OpenWorkflowStates,
	domain.VerbReattempt: domain.OpenWorkflowStates,
	domain.VerbCancel:    domain.OpenWorkflowStates,
	domain.VerbFinish:    domain.OpenWorkflowStates,
}

// Bulk performs a verb on workflows, oldest first, until the limit or none is left. It only looks at those
// the verb can move, so that the same call, made again, goes on where this one stopped; skip and reattempt
// need a filter for that which the workflow leaves with its step. Each workflow is decided under its lock,
// where the filter is asked again: what others have moved on meanwhile is left alone. Workflows that refuse
// are told and passed over. If the database goes away in the middle, the result says how far it came. Errors:
// empty_filter, invalid_request, unavailable.
func (e *Engine) Bulk(ctx context.Context, r BulkRequest) (BulkResult, error) {
	result := BulkResult{Errors: []BulkError{}}
	r.Limit = cmp.Or(r.Limit, MaxBulk)
	if err := r.check(); err != nil {
		return result, err
	}
	var after uuid.UUID
	for {
		targets, err := e.Store.Targets(ctx, r.Filter, bulkStates[r.Verb], after, r.Limit-result.Changed)
		if err != nil {
			return result, err
		}
		result.Matched += len(targets)
		if r.DryRun || len(targets) == 0 {
			break
		}
		for slice := range slices.Chunk(targets, bulkSlice) {
			if err = e.bulkSlice(ctx, r, slice, &result); err != nil {
				break
			}
		}
		if err != nil && result.Changed == 0 {
			return result, err
		}
		if err != nil || result.Changed >= r.Limit || len(result.Errors) >= MaxBulk {
			break
		}
		after = targets[len(targets)-1].ID
	}
	e.Logger.Info("bulk", "verb", r.Verb, "dry_run", r.DryRun, "matched", result.Matched, "changed", result.Changed,
		"errors", len(result.Errors), "reason", r.Reason)
	return result, nil
}

func (r BulkRequest) check() error {
	var problems []domain.Problem
	if _, known := bulkStates[r.Verb]; !known {
		problems = append(problems, domain.Problem{Pointer: "#/verb", Detail: fmt.Sprintf("There is no verb %q; use one of %v.", r.Verb, domain.Verbs)})
	}
	if r.Limit < 1 || r.Limit > MaxBulk {
		problems = append(problems, domain.Problem{Pointer: "#/limit", Detail: fmt.Sprintf("The limit must be from 1 to %d.", MaxBulk)})
	}
	if len(problems) > 0 {
		return domain.WithProblems(domain.CodeInvalidRequest, problems)
	}
	if r.Filter.Empty() {
		return domain.Errorf(domain.CodeEmptyFilter, "A bulk call needs at least one filter, so that it cannot move every workflow there is by mistake.")
	}
	return nil
}

// errMovedOn says that the workflow has a newer execution than the one that was locked with it.
var errMovedOn = errors.New("the workflow has moved on to another step execution")

// bulkSlice performs the verb on some workflows and adds to the result. The error, that of a client or a
// database which is gone, says that going on is no use.
func (e *Engine) bulkSlice(ctx context.Context, r BulkRequest, targets []persistence.Target, result *BulkResult) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.loadPlans(ctx, targets)
	ctx = context.WithoutCancel(ctx)
	calls := make([]*verbCall, len(targets))
	ops := make([]persistence.Op, len(targets))
	for i, target := range targets {
		call := e.call(domain.Command{Verb: r.Verb, Reason: r.Reason})
		calls[i] = call
		ops[i] = persistence.Op{WorkflowID: target.ID, ExecutionID: target.ExecutionID, Once: e.NewID(),
			Decide: func(now time.Time, row persistence.Row) (domain.Change, error) {
				if row.Execution != nil && row.Execution.ID != row.Workflow.CurrentExecutionID {
					return domain.Change{}, errMovedOn
				}
				if !slices.Contains(bulkStates[r.Verb], row.Workflow.State) || !r.Filter.Matches(row) {
					return domain.Change{Workflow: row.Workflow, Unchanged: true}, nil
				}
				return call.decide(now, row)
			}}
	}
	var gone error
	for i, applied := range e.applyAll(ctx, ops) {
		if errors.Is(applied.Err, errMovedOn) || errors.As(applied.Err, new(planMissing)) {
			ops[i].ExecutionID = uuid.Nil
			applied = e.apply(ctx, ops[i])
		}
		if errors.Is(applied.Err, persistence.ErrUnavailable) {
			gone = applied.Err
		}
		code := domain.CodeOf(applied.Err)
		switch {
		case code == domain.CodeWorkflowNotFound, code == domain.CodeExecutionNotFound: // deleted meanwhile
		case applied.Err != nil:
			result.Errors = append(result.Errors, e.bulkError(ops[i].WorkflowID, applied.Err))
		case !applied.Change.Unchanged:
			calls[i].committed(applied)
			result.Changed++
		}
	}
	return gone
}

// applyAll takes decisions together and waits for all of them.
func (e *Engine) applyAll(ctx context.Context, ops []persistence.Op) []persistence.Result {
	results := make([]persistence.Result, len(ops))
	var open sync.WaitGroup
	open.Add(len(ops))
	e.Store.ApplyBatch(ctx, ops, func(i int, result persistence.Result) {
		results[i] = result
		open.Done()
	})
	open.Wait()
	return results
}

// loadPlans brings in the plans that decisions will ask for. One that cannot be read fails its own workflows.
func (e *Engine) loadPlans(ctx context.Context, targets []persistence.Target) {
	for _, t := range targets {
		_, _ = e.plans.get(ctx, t.Type, t.DefinitionVersion)
	}
}

// bulkError shows of an error what a client may see.
func (e *Engine) bulkError(id uuid.UUID, err error) BulkError {
	var known *domain.Error
	if errors.As(err, &known) {
		return BulkError{WorkflowID: id, Code: known.Code, Detail: known.Detail}
	}
	e.Logger.Error("bulk: a workflow failed", "workflow_id", id, "error", err)
	return BulkError{WorkflowID: id, Code: domain.CodeInternal, Detail: domain.KindOf(domain.CodeInternal).Title + "."}
}
