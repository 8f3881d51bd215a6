package persistence

import (
	"context"
	"math"
	"slices"
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
	attempts, err := collect(ctx, s, q, attemptWidth, (*record).attempt)
	return found[0], attempts, err
}

// Executions lists step executions, newest first, and gives the cursor of the next page. Errors:
// invalid_cursor.
func (s *Store) Executions(ctx context.Context, f ExecutionFilter, p Page) ([]domain.Execution, string, error) {
	after, err := p.after(f)
	if err != nil {
		return nil, "", err
	}
	var last uuid.UUID
	if after != "" {
		if last, err = uuid.Parse(after); err != nil {
			return nil, "", invalidCursor()
		}
	}
	end, err := s.beginSearch(ctx)
	if err != nil {
		return nil, "", err
	}
	defer end()
	lanes := s.executionLanes(f, p.Limit+1)
	for _, q := range lanes {
		f.apply(q)
		if after != "" {
			q.Where("e.id < ?", last)
		}
	}
	rows, err := s.executionRows(ctx, s.executionsOf(lanes).OrderExpr("e.id DESC").Limit(int64(p.Limit)+1))
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
	last := 0
	if after != "" {
		if last, err = strconv.Atoi(after); err != nil {
			return nil, "", invalidCursor()
		}
	}
	lanes := s.historyLanes(workflow, last, p.Limit+1)
	rows, err := s.executionRows(ctx, s.executionsOf(lanes).OrderExpr("e.seq").Limit(int64(p.Limit)+1))
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

// historyLanes are the queries of what has ended and what is open of a workflow after seq, limit of each at least.
func (s *Store) historyLanes(workflow uuid.UUID, seq, limit int) []*bun.SelectQuery {
	slot := s.dialect.slotColumn
	of := func() *bun.SelectQuery { return s.selectExecutions().Where("e.workflow_id = ?", workflow) }
	return []*bun.SelectQuery{
		of().Where(slot+" > ?", seq).OrderExpr("e.workflow_id, " + slot).Limit(int64(limit)),
		of().Where(slot+" = 0").Where("e.seq > ?", seq),
	}
}

// executionLanes are the queries that find the newest executions in the states of a filter, limit of each at least.
// Those of one workflow are few. The index for lists is without what servers execute, which is little at any time and
// read through its own, and without what is completed, which is most of what there ever was and met on a walk from the
// newest.
func (s *Store) executionLanes(f ExecutionFilter, limit int) []*bun.SelectQuery {
	newest := func() *bun.SelectQuery { return s.selectExecutions().OrderExpr("e.id DESC").Limit(int64(limit)) }
	if len(f.WorkflowIDs) > 0 || len(f.States) == 0 {
		q := newest()
		oneOf(q, "e.state", f.States)
		return []*bun.SelectQuery{q}
	}
	var lanes []*bun.SelectQuery
	for _, state := range slices.Compact(slices.Sorted(slices.Values(f.States))) {
		if state == domain.ExecutionCompleted {
			lanes = append(lanes, newest().Where("e.state = ?", state))
			continue
		}
		listed := part{executionsTable + "_listed", []string{s.dialect.listedColumn}, []any{state}}
		if len(f.StepNames) > 0 || f.DueAfter != nil || f.DueBefore != nil {
			listed.index = ""
		}
		q := s.dialect.walk(s.read.NewSelect().ColumnExpr(executionColumns), executionsTable, "e", listed, "DESC").Limit(int64(limit))
		lanes = append(lanes, q.Where("e.claimed_by IS NULL").Where("e.state <> 'completed'"))
		if state == domain.ExecutionExecuting {
			lanes = append(lanes, s.claimed())
		}
	}
	return lanes
}

// claimed is the query of all that servers execute. The order and the limit, which is none, leave the planner no index
// but the one over that.
func (s *Store) claimed() *bun.SelectQuery {
	return s.selectExecutions().Where("e.claimed_by IS NOT NULL").OrderExpr("e.claimed_by, e.deadline").Limit(math.MaxInt32)
}

func (f ExecutionFilter) apply(q *bun.SelectQuery) {
	oneOf(q, "e.step_name", f.StepNames)
	oneOf(q, "e.workflow_id", f.WorkflowIDs)
	if f.DueAfter != nil {
		q.Where("e.scheduled_for >= ?", *f.DueAfter)
	}
	if f.DueBefore != nil {
		q.Where("e.scheduled_for < ?", *f.DueBefore)
	}
}

func (s *Store) selectExecutions() *bun.SelectQuery {
	return s.read.NewSelect().ColumnExpr(executionColumns).TableExpr(executionsTable + " AS e")
}

// executionsOf is the query of all that some queries of executions find.
func (s *Store) executionsOf(lanes []*bun.SelectQuery) *bun.SelectQuery {
	return s.read.NewSelect().ColumnExpr(executionColumns).TableExpr("(?) AS e", s.together(lanes))
}

func (s *Store) executionRows(ctx context.Context, q *bun.SelectQuery) ([]domain.Execution, error) {
	return collect(ctx, s, q, executionWidth, (*record).execution)
}
