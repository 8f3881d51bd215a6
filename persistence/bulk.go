package persistence

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// Target is a workflow as a list found it, for a decision that is taken later: by then it may have moved on.
type Target struct {
	ID                uuid.UUID
	ExecutionID       uuid.UUID // its newest
	Type              string
	DefinitionVersion int
}

// Targets gives at most limit workflows that match, in one of the states, after an id, in the order of their
// ids. Each state is read through the index by itself, so that the many that have ended are never walked over.
func (s *Store) Targets(ctx context.Context, f WorkflowFilter, states []domain.WorkflowState, after uuid.UUID, limit int) ([]Target, error) {
	end, err := s.beginSearch(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	q, err := s.targets(ctx, f, states, after, limit)
	if err != nil || q == nil {
		return nil, err
	}
	return collect(ctx, s, q, 4, func(r *record) Target {
		return Target{ID: r.uuid(), ExecutionID: r.uuid(), Type: r.text(), DefinitionVersion: r.int()}
	})
}

// targets is the query of Targets; nil if there can be none.
func (s *Store) targets(ctx context.Context, f WorkflowFilter, states []domain.WorkflowState, after uuid.UUID, limit int) (*bun.SelectQuery, error) {
	states = slices.DeleteFunc(slices.Clone(states), func(state domain.WorkflowState) bool { return !among(f.States, state) })
	if len(states) == 0 {
		return nil, nil
	}
	f.States = states
	lanes, err := s.workflowLanes(ctx, f, "w.id, w.current_execution_id, w.type, w.definition_version", "ASC", limit)
	if err != nil || len(lanes) == 0 {
		return nil, err
	}
	for _, q := range lanes {
		q.Where("w.id > ?", after)
	}
	return s.read.NewSelect().ColumnExpr("t.id, t.current_execution_id, t.type, t.definition_version").
		TableExpr("(?) AS t", s.together(lanes)).OrderExpr("t.id").Limit(int64(limit)), nil
}

// Empty tells that the filter narrows nothing.
func (f WorkflowFilter) Empty() bool {
	return len(f.Types)+len(f.States)+len(f.StepNames)+len(f.SubjectTypes)+len(f.SubjectIDs)+len(f.Outcomes)+len(f.ErrorCodes) == 0 &&
		f.CreatedAfter == nil && f.CreatedBefore == nil
}

// Matches tells whether a workflow with its newest execution is one that the filter lets through.
func (f WorkflowFilter) Matches(row Row) bool {
	w := &row.Workflow
	var outcome domain.Outcome
	var code domain.ErrorCode
	if e := row.Execution; e != nil && !w.State.Terminal() {
		outcome = e.Outcome
		if e.Error != nil {
			code = e.Error.Code
		}
	}
	return among(f.Types, w.Type) && among(f.States, w.State) && among(f.StepNames, w.CurrentStepName) &&
		among(f.SubjectTypes, w.SubjectType) && among(f.SubjectIDs, w.SubjectID) &&
		among(f.Outcomes, outcome) && among(f.ErrorCodes, code) &&
		(f.CreatedAfter == nil || !w.CreatedAt.Before(f.CreatedAfter.Truncate(time.Microsecond))) &&
		(f.CreatedBefore == nil || w.CreatedAt.Before(f.CreatedBefore.Truncate(time.Microsecond)))
}

// among is oneOf for a value that has been read.
func among[T comparable](values []T, value T) bool {
	return len(values) == 0 || slices.Contains(values, value)
}
