package persistence

import (
	"context"
	"errors"
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
	args = make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return " IN (" + marks(len(ids)) + ")", args
}

// minVersionAge is how long a version has to be superseded before it may go, however short retention is: a
// request that read it as the newest one must have ended by then.
const minVersionAge = time.Hour

// Version names a version of a definition.
type Version struct {
	Type    string
	Version int
}

// DeleteUnusedVersions removes the versions that were superseded longer than age ago, an hour at least, and
// that no workflow has. It gives those it removed. It reads through a type's workflows until it finds one of
// the version, so it is not for every minute.
func (s *Store) DeleteUnusedVersions(ctx context.Context, age time.Duration) ([]Version, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	newer := s.read.NewSelect().ColumnExpr("1").TableExpr(definitionsTable+" AS n").Where("n.type = d.type").
		Where("n.version > d.version").Where("n.created_at < ?", now.Add(-max(age, minVersionAge)))
	q := s.read.NewSelect().ColumnExpr("d.type, d.version").TableExpr(definitionsTable+" AS d").Where("EXISTS (?)", newer).OrderExpr("d.type, d.version")
	old, err := collect(ctx, s, q, 2, func(r *record) Version { return Version{r.text(), r.int()} })
	if err != nil {
		return nil, err
	}
	var gone []Version
	for _, v := range old {
		deleted := false
		err := s.again(ctx, func() (err error) { deleted, err = s.deleteVersion(ctx, v); return err })
		if err != nil {
			return gone, err
		}
		if deleted {
			gone = append(gone, v)
		}
	}
	return gone, nil
}

// deleteVersion looks for a workflow of the version without holding anything, deletes the version, and looks
// again for what has come meanwhile: a create that names a version locks it first (see CreateOp.Version).
func (s *Store) deleteVersion(ctx context.Context, v Version) (bool, error) {
	before := s.clockNow().Add(-minVersionAge) // more than clocks differ by; it bounds the second look
	used := s.read.NewSelect().ColumnExpr("w.id").TableExpr(workflowsTable+" AS w").
		Where("w.type = ?", v.Type).Where("w.definition_version = ?", v.Version).Limit(1)
	found, err := collect(ctx, s, used, 1, (*record).uuid)
	if err != nil || len(found) > 0 {
		return false, err
	}
	deleted := false
	err = s.transact(ctx, func(t transaction) error {
		d := &s.dialect
		err := t.exec(ctx, statement{rows: 1, args: []any{v.Type, int64(v.Version)},
			query: d.bind("DELETE FROM " + definitionsTable + " WHERE type = ? AND version = ?")})
		if err != nil {
			return err
		}
		late := 0
		query := d.bind("SELECT w.id FROM " + workflowsTable + " AS w WHERE w.id > ? AND w.type = ? AND w.definition_version = ? LIMIT 1")
		err = t.query(ctx, question{query, []any{firstIDAt(before), v.Type, int64(v.Version)}, newRecord(1), func(*record) error { late++; return nil }})
		if err != nil || late > 0 {
			return err
		}
		deleted = true
		return t.commit(ctx)
	})
	if errors.Is(err, errGuard) { // another server was quicker
		return false, nil
	}
	return deleted && err == nil, err
}

// holdVersion keeps a version from being deleted until the transaction ends; nil: there is none to hold.
func (s *Store) holdVersion(ctx context.Context, t transaction, v *Version) error {
	if v == nil {
		return nil
	}
	found := false
	query := s.dialect.bind("SELECT d.version FROM " + definitionsTable + " AS d WHERE d.type = ? AND d.version = ? " + s.dialect.forShare)
	err := t.query(ctx, question{query, []any{v.Type, int64(v.Version)}, newRecord(1), func(*record) error { found = true; return nil }})
	if err == nil && !found {
		return decided{versionNotFound(v.Type, v.Version)}
	}
	return err
}

// firstIDAt is the smallest UUIDv7 of a moment.
func firstIDAt(at time.Time) uuid.UUID {
	ms := uint64(at.UnixMilli())
	id := uuid.UUID{6: 0x70, 8: 0x80}
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}
