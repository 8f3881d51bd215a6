package persistence

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// ExecutionFilter narrows a list of step executions; an empty field does not. The values of one field are
// alternatives.
type ExecutionFilter struct {
	States      []domain.ExecutionState
	StepNames   []string
	WorkflowIDs []uuid.UUID
	DueAfter    *time.Time // scheduled for this time or later
	DueBefore   *time.Time
}

// Execution gives a step execution and its recorded attempts, oldest first. Errors:
// step_execution_not_found.
func (s *Store) Execution(ctx context.Context, id uuid.UUID) (domain.Execution, []domain.Attempt, error) {
	found, err := s.executionRows(ctx, s.selectExecutions().Where("e.id = ?", id))
	if err != nil {
		return domain.Execution{}, nil, err
	}
	if len(found) == 0 {
		return domain.Execution{}, nil, domain.Errorf(domain.CodeExecutionNotFound, "There is no step execution %s.", id)
	}
	q := s.read.NewSelect().ColumnExpr(attemptColumns).TableExpr(attemptsTable+" AS a").
		Where("a.execution_id = ?", id).OrderExpr("a.attempt")
	attempts, err := collect(ctx, q, attemptWidth, (*record).attempt)
	return found[0], attempts, err
}

// Executions lists step executions, newest first, and gives the cursor of the next page. Errors:
// invalid_cursor.
func (s *Store) Executions(ctx context.Context, f ExecutionFilter, p Page) ([]domain.Execution, string, error) {
	after, err := p.after(f)
	if err != nil {
		return nil, "", err
	}
	q := s.selectExecutions().OrderExpr("e.id DESC").Limit(int64(p.Limit) + 1)
	oneOf(q, "e.state", f.States)
	oneOf(q, "e.step_name", f.StepNames)
	oneOf(q, "e.workflow_id", f.WorkflowIDs)
	if f.DueAfter != nil {
		q.Where("e.scheduled_for >= ?", *f.DueAfter)
	}
	if f.DueBefore != nil {
		q.Where("e.scheduled_for < ?", *f.DueBefore)
	}
	if after != "" {
		last, err := uuid.Parse(after)
		if err != nil {
			return nil, "", invalidCursor()
		}
		q.Where("e.id < ?", last)
	}
	rows, err := s.executionRows(ctx, q)
	if err != nil {
		return nil, "", err
	}
	list, next := paged(rows, p, f, func(x domain.Execution) string { return x.ID.String() })
	return list, next, nil
}

// History lists the step executions of a workflow by seq, oldest first. Errors: workflow_not_found,
// invalid_cursor.
func (s *Store) History(ctx context.Context, workflow uuid.UUID, p Page) ([]domain.Execution, string, error) {
	after, err := p.after(workflow)
	if err != nil {
		return nil, "", err
	}
	q := s.selectExecutions().Where("e.workflow_id = ?", workflow).OrderExpr("e.seq").Limit(int64(p.Limit) + 1)
	if after != "" {
		last, err := strconv.Atoi(after)
		if err != nil {
			return nil, "", invalidCursor()
		}
		q.Where("e.seq > ?", last)
	}
	rows, err := s.executionRows(ctx, q)
	if err != nil {
		return nil, "", err
	}
	if len(rows) == 0 {
		if _, err := s.Workflow(ctx, workflow); err != nil {
			return nil, "", err
		}
	}
	list, next := paged(rows, p, workflow, func(x domain.Execution) string { return strconv.Itoa(x.Seq) })
	return list, next, nil
}

func (s *Store) selectExecutions() *bun.SelectQuery {
	return s.read.NewSelect().ColumnExpr(executionColumns).TableExpr(executionsTable + " AS e")
}

func (s *Store) executionRows(ctx context.Context, q *bun.SelectQuery) ([]domain.Execution, error) {
	return collect(ctx, q, executionWidth, (*record).execution)
}
