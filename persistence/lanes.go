package persistence

import (
	"context"
	"slices"

	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// part is a part of an index: its first columns have one value each, and the rows follow in the order of their ids.
type part struct {
	index   string // "": of none, or MySQL is to choose, which is quicker where much is searched for what no index has
	columns []string
	values  []any
}

// maxParts bounds how many parts a list reads one by one.
const maxParts = 100

// walk makes a query read the part of its table in the order of the ids. Planners left to themselves sort all of a part, or
// take what is in it to lie anywhere in the table, and look for it from the newest row on though it be the oldest.
func (d *dialect) walk(q *bun.SelectQuery, table, alias string, p part, direction string) *bun.SelectQuery {
	table += " AS " + alias
	if p.index != "" {
		table += d.byIndex(p.index)
	}
	q.TableExpr(table)
	for i, column := range p.columns {
		equals := " = ?"
		if i == 0 {
			equals = d.firstOf
		}
		q.Where(column+equals, p.values[i]).OrderExpr(column + " " + direction)
	}
	return q.OrderExpr(alias + ".id " + direction)
}

// workflowLanes are the queries of the first workflows that a filter lets through, limit of each at least, in the order of
// their ids. Together they find all that there are of these.
func (s *Store) workflowLanes(ctx context.Context, f WorkflowFilter, columns, direction string, limit int) ([]*bun.SelectQuery, error) {
	if len(f.SubjectIDs) > 0 && len(f.SubjectTypes) == 0 {
		types, err := s.subjectTypes(ctx)
		if err != nil {
			return nil, err
		}
		f.SubjectTypes = types
	}
	var lanes []*bun.SelectQuery
	parts, rest := f.parts()
	for _, p := range parts {
		if len(f.StepNames)+len(f.ErrorCodes) > 0 {
			p.index = ""
		}
		q := s.dialect.walk(s.read.NewSelect().ColumnExpr(columns), workflowsTable, "w", p, direction)
		if len(f.Outcomes)+len(f.ErrorCodes) > 0 {
			q.Join(currentExecution)
		}
		lanes = append(lanes, rest.apply(q).Limit(int64(limit)))
	}
	return lanes, nil
}

// parts are the parts of one index in which there is all that a filter lets through, and what is still to be asked there.
func (f WorkflowFilter) parts() (parts []part, rest WorkflowFilter) {
	states, rest := f.states(), f
	if n := len(f.SubjectTypes) * len(f.SubjectIDs); n > 0 && n <= maxParts {
		rest.SubjectTypes, rest.SubjectIDs = nil, nil
		return product(workflowsTable+"_subject", "w.subject_type", f.SubjectTypes, "w.subject_id", f.SubjectIDs), rest
	}
	rest.States = nil
	if n := len(f.Types) * len(states); n > 0 && n <= maxParts {
		rest.Types = nil
		return product(workflowsTable+"_type_state", "w.type", f.Types, "w.state", states), rest
	}
	if len(states) == len(domain.WorkflowStates) {
		return []part{{}}, rest
	}
	for _, state := range states {
		parts = append(parts, part{workflowsTable + "_state", []string{"w.state"}, []any{state}})
	}
	return parts, rest
}

func product[A, B comparable](index, first string, as []A, second string, bs []B) (parts []part) {
	for _, a := range unique(as) {
		for _, b := range unique(bs) {
			parts = append(parts, part{index, []string{first, second}, []any{a, b}})
		}
	}
	return parts
}

// unique gives the values without those that came before.
func unique[T comparable](values []T) (once []T) {
	for _, value := range values {
		if !slices.Contains(once, value) {
			once = append(once, value)
		}
	}
	return once
}

// states are those that a workflow may have which the filter lets through. One that has ended stands at no execution, and
// one that goes on at one that is open, which has no outcome.
func (f WorkflowFilter) states() (states []domain.WorkflowState) {
	possible := domain.WorkflowStates
	switch {
	case len(f.Outcomes) > 0:
		possible = []domain.WorkflowState{domain.WorkflowPaused}
	case len(f.ErrorCodes) > 0:
		possible = domain.OpenWorkflowStates
	}
	for _, state := range possible {
		if among(f.States, state) {
			states = append(states, state)
		}
	}
	return states
}
