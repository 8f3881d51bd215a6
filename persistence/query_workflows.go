package persistence

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// WorkflowFilter narrows a list of workflows; an empty field does not. The values of one field are
// alternatives. Outcomes and ErrorCodes are those of the current execution, which ended workflows have not.
type WorkflowFilter struct {
	Types         []string
	States        []domain.WorkflowState
	StepNames     []string
	SubjectTypes  []string
	SubjectIDs    []string
	Outcomes      []domain.Outcome
	ErrorCodes    []domain.ErrorCode
	CreatedAfter  *time.Time // at this time or later
	CreatedBefore *time.Time
}

// Workflow gives a workflow with its newest execution. Errors: workflow_not_found.
func (s *Store) Workflow(ctx context.Context, id uuid.UUID) (Row, error) {
	rows, err := s.workflowRows(ctx, s.selectWorkflows().Where("w.id = ?", id))
	if err != nil {
		return Row{}, err
	}
	if len(rows) == 0 {
		return Row{}, workflowNotFound(id)
	}
	return rows[0], nil
}

// Workflows lists workflows with their newest executions, newest first, and gives the cursor of the next
// page. Errors: invalid_cursor.
func (s *Store) Workflows(ctx context.Context, f WorkflowFilter, p Page) ([]Row, string, error) {
	after, err := p.after(f)
	if err != nil {
		return nil, "", err
	}
	last := uuid.Nil
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
	q, err := s.newestWorkflows(ctx, f, last, p.Limit+1)
	if err != nil || q == nil {
		return nil, "", err
	}
	rows, err := s.workflowRows(ctx, q)
	if err != nil {
		return nil, "", err
	}
	list, next := paged(rows, p, f, func(r Row) string { return r.Workflow.ID.String() })
	return list, next, nil
}

// newestWorkflows is the query of the newest workflows that a filter lets through, at most limit, before the one with an id;
// uuid.Nil: of all. It is nil if there can be none.
func (s *Store) newestWorkflows(ctx context.Context, f WorkflowFilter, before uuid.UUID, limit int) (*bun.SelectQuery, error) {
	lanes, err := s.workflowLanes(ctx, f, "w.id", "DESC", limit)
	if err != nil || len(lanes) == 0 {
		return nil, err
	}
	for _, q := range lanes {
		if before != uuid.Nil {
			q.Where("w.id < ?", before)
		}
	}
	found := s.read.NewSelect().ColumnExpr("f.id").TableExpr("(?) AS f", s.together(lanes)).OrderExpr("f.id DESC").Limit(int64(limit))
	return s.read.NewSelect().ColumnExpr(workflowColumns).ColumnExpr(executionColumns).TableExpr("(?) AS found", found).
		Join("JOIN " + workflowsTable + " AS w ON w.id = found.id").Join(currentExecution).OrderExpr("w.id DESC"), nil
}

// maxSubjectTypes is how many types of subjects a search by the id alone looks through one by one.
const maxSubjectTypes = 100

// subjectTypes gives the types of subjects that workflows have, none if there are very many. The index of subjects begins
// with the type: it is walked from one to the next, and answers a search by the id once they are known.
func (s *Store) subjectTypes(ctx context.Context) (types []string, err error) {
	for last := ""; len(types) <= maxSubjectTypes; {
		q := s.read.NewSelect().ColumnExpr("w.subject_type").TableExpr(workflowsTable+" AS w").
			Where("w.subject_type > ?", last).OrderExpr("w.subject_type").Limit(1)
		next, err := collect(ctx, s, q, 1, (*record).text)
		if err != nil || len(next) == 0 {
			return types, err
		}
		last, types = next[0], append(types, next[0])
	}
	return nil, nil
}

func (s *Store) selectWorkflows() *bun.SelectQuery {
	return s.read.NewSelect().ColumnExpr(workflowColumns).ColumnExpr(executionColumns).
		TableExpr(workflowsTable + " AS w").
		Join(currentExecution)
}

const currentExecution = "LEFT JOIN " + executionsTable + " AS e ON e.id = w.current_execution_id"

// clocksAgree is within what a workflow's id, which has the time of the server that made it, and its created_at, which is
// the database's, agree, however badly clocks are set.
const clocksAgree = 24 * time.Hour

func (f WorkflowFilter) apply(q *bun.SelectQuery) *bun.SelectQuery {
	oneOf(q, "w.type", f.Types)
	oneOf(q, "w.state", f.States)
	oneOf(q, "w.current_step_name", f.StepNames)
	oneOf(q, "w.subject_type", f.SubjectTypes)
	oneOf(q, "w.subject_id", f.SubjectIDs)
	oneOf(q, "e.outcome", f.Outcomes)
	oneOf(q, "e.error_code", f.ErrorCodes)
	if f.CreatedAfter != nil {
		q.Where("w.created_at >= ?", *f.CreatedAfter).Where("w.id >= ?", firstIDAt(f.CreatedAfter.Add(-clocksAgree)))
	}
	if f.CreatedBefore != nil {
		q.Where("w.created_at < ?", *f.CreatedBefore).Where("w.id < ?", firstIDAt(f.CreatedBefore.Add(clocksAgree)))
	}
	return q
}

func (s *Store) workflowRows(ctx context.Context, q *bun.SelectQuery) ([]Row, error) {
	return collect(ctx, s, q, workflowWidth+executionWidth, func(r *record) Row {
		row := Row{Workflow: r.workflow()}
		if r.values[r.at] != nil {
			e := r.execution()
			row.Execution = &e
		}
		return row
	})
}

func workflowNotFound(id uuid.UUID) error {
	return domain.Errorf(domain.CodeWorkflowNotFound, "There is no workflow %s.", id)
}
