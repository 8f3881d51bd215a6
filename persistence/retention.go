package persistence

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// A slice of retention is one short transaction: it must not be in anybody's way.
const (
	endedPerSlice      = 100
	executionsPerSlice = maxList
)

// DeleteEnded deletes a slice of the workflows that ended longer than age ago, first those that ended first,
// with their executions and attempts. It gives how many workflows are gone and whether more may be left. What
// another transaction has locked, another server's slice for one, it leaves alone. A workflow that has ended
// never opens again, so one that was found here needs no second look.
func (s *Store) DeleteEnded(ctx context.Context, age time.Duration) (deleted int, more bool, err error) {
	now, err := s.Now(ctx)
	if err != nil {
		return 0, false, err
	}
	ended := s.dialect.endedColumn
	q := s.read.NewSelect().ColumnExpr("w.id").TableExpr(workflowsTable+" AS w").
		Where(ended+" < ?", now.Add(-age)).OrderExpr(ended).Limit(endedPerSlice)
	ids, err := collect(ctx, s, q, 1, (*record).uuid)
	if err != nil || len(ids) == 0 {
		return 0, false, err
	}
	err = s.again(ctx, func() error {
		deleted, more, err = s.deleteSlice(ctx, ids)
		return err
	})
	return deleted, more || deleted == endedPerSlice, err
}

// deleteSlice deletes what can be locked of the workflows; children first, and if there are too many of them,
// only children.
func (s *Store) deleteSlice(ctx context.Context, ids []uuid.UUID) (deleted int, more bool, err error) {
	err = s.transact(ctx, func(t transaction) error {
		d := &s.dialect
		locked, err := s.ids(ctx, t, "SELECT w.id FROM "+workflowsTable+" AS w WHERE w.id", ids, "ORDER BY w.id "+d.forUpdateW+" "+d.skipLocked)
		if err != nil || len(locked) == 0 {
			return err
		}
		executions, err := s.ids(ctx, t, "SELECT e.id FROM "+executionsTable+" AS e WHERE e.workflow_id", locked,
			"LIMIT "+strconv.Itoa(executionsPerSlice+1))
		if err != nil {
			return err
		}
		var statements []statement
		if more = len(executions) > executionsPerSlice; more {
			executions = executions[:executionsPerSlice]
		}
		if len(executions) > 0 {
			attempts, err := s.ids(ctx, t, "SELECT a.execution_id FROM "+attemptsTable+" AS a WHERE a.execution_id", executions, "")
			if err != nil {
				return err
			}
			statements = append(statements, d.deleteOf(attemptsTable, "execution_id", executions, len(attempts)),
				d.deleteOf(executionsTable, "id", executions, len(executions)))
		}
		if !more {
			deleted = len(locked)
			statements = append(statements, d.deleteOf(workflowsTable, "id", locked, len(locked)))
		}
		return t.commit(ctx, statements...)
	})
	if err != nil {
		return 0, false, err
	}
	return deleted, more, nil
}

// ids runs a query of one column of ids, which compares its last column with a list.
func (s *Store) ids(ctx context.Context, t transaction, query string, in []uuid.UUID, rest string) (found []uuid.UUID, err error) {
	list, args := inList(in)
	err = t.query(ctx, question{s.dialect.bind(query + list + " " + rest), args, newRecord(1), func(r *record) error {
		found = append(found, r.uuid())
		return r.err
	}})
	return found, err
}

func (d *dialect) deleteOf(table, column string, ids []uuid.UUID, rows int) statement {
	list, args := inList(ids)
	return statement{query: d.bind("DELETE FROM " + table + " WHERE " + column + list), args: args, rows: int64(rows)}
}

func inList(ids []uuid.UUID) (text string, args []any) {
	return " IN (" + marks(len(ids)) + ")", idArgs(ids)
}
