package engine

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// What lists are filtered and paged by.
type (
	WorkflowFilter  = persistence.WorkflowFilter
	ExecutionFilter = persistence.ExecutionFilter
	Page            = persistence.Page
)

// Attempt is an attempt as it is shown; Error is nil for the one that succeeded.
type Attempt struct {
	Attempt    int
	StartedAt  time.Time
	DurationMS int64
	Status     int // 0: none
	Error      *domain.ExecutionError
	Excerpt    string
}

// Workflow gives one workflow. Errors: workflow_not_found.
func (e *Engine) Workflow(ctx context.Context, id uuid.UUID) (Workflow, error) {
	row, err := e.Store.Workflow(ctx, id)
	if err != nil {
		return Workflow{}, err
	}
	return shown(row.Workflow, row.Execution), nil
}

// Workflows lists workflows, newest first. Errors: invalid_cursor.
func (e *Engine) Workflows(ctx context.Context, f WorkflowFilter, page Page) ([]Workflow, string, error) {
	rows, next, err := e.Store.Workflows(ctx, f, page)
	if err != nil {
		return nil, "", err
	}
	list := make([]Workflow, len(rows))
	for i, row := range rows {
		list[i] = shown(row.Workflow, row.Execution)
	}
	return list, next, nil
}

// History lists the step executions of a workflow by seq, oldest first. Errors: workflow_not_found,
// invalid_cursor.
func (e *Engine) History(ctx context.Context, id uuid.UUID, page Page) ([]domain.Execution, string, error) {
	return e.Store.History(ctx, id, page)
}

// Executions lists step executions, newest first. Errors: invalid_cursor.
func (e *Engine) Executions(ctx context.Context, f ExecutionFilter, page Page) ([]domain.Execution, string, error) {
	return e.Store.Executions(ctx, f, page)
}

// Execution gives one step execution with its attempts, the one that succeeded included. Errors:
// step_execution_not_found.
func (e *Engine) Execution(ctx context.Context, id uuid.UUID) (domain.Execution, []Attempt, error) {
	x, recorded, err := e.Store.Execution(ctx, id)
	if err != nil {
		return x, nil, err
	}
	attempts := make([]Attempt, 0, len(recorded)+1)
	last := 0
	for _, a := range recorded {
		attempts = append(attempts, Attempt{Attempt: a.Attempt, StartedAt: a.StartedAt, DurationMS: a.DurationMS,
			Status: a.Status, Error: &a.Error, Excerpt: a.Excerpt})
		last = a.Attempt
	}
	if !x.State.Open() && x.Attempt > last && x.StartedAt != nil {
		attempts = append(attempts, Attempt{Attempt: x.Attempt, StartedAt: *x.StartedAt, DurationMS: x.DurationMS, Status: x.Status})
	}
	return x, attempts, nil
}

// Definitions lists the newest version of every definition, by type.
func (e *Engine) Definitions(ctx context.Context, page Page) ([]Definition, string, error) {
	return e.Store.Definitions(ctx, page)
}

// DefinitionVersions lists the versions of a definition, newest first. Errors: definition_not_found.
func (e *Engine) DefinitionVersions(ctx context.Context, typ string, page Page) ([]Definition, string, error) {
	return e.Store.DefinitionVersions(ctx, typ, page)
}
