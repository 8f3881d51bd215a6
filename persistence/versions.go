package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// minVersionAge is how long a version has to be superseded before it may go, however short retention is: a
// request that read it as the newest one must have ended by then.
const minVersionAge = time.Hour

// Version names a version of a definition.
type Version struct {
	Type    string
	Version int
}

// VersionSearch looks for old versions among all workflows, a slice at a time. Those that none has may go.
type VersionSearch struct {
	began  time.Time
	unseen map[Version]bool
	after  uuid.UUID // all workflows up to this one have been looked at
}

// workflowsLookedAt is how many workflows a slice of a search has.
const workflowsLookedAt = 2000

// OldVersions begins a search for the versions that were superseded longer than age ago, an hour at least; nil: there are
// none.
func (s *Store) OldVersions(ctx context.Context, age time.Duration) (*VersionSearch, error) {
	search := &VersionSearch{began: s.clockNow(), unseen: map[Version]bool{}}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	old, err := collect(ctx, s, s.supersededBefore(now.Add(-max(age, minVersionAge))), 2, (*record).version)
	if err != nil || len(old) == 0 {
		return nil, err
	}
	for _, v := range old {
		search.unseen[v] = true
	}
	return search, nil
}

// supersededBefore is the query of the versions that had a newer one at a time. The newest there was then tells that of all
// versions of a type at once: to look for a newer one of each would be to look through them all for each.
func (s *Store) supersededBefore(at time.Time) *bun.SelectQuery {
	newest := s.read.NewSelect().ColumnExpr("n.type, MAX(n.version) AS version").TableExpr(definitionsTable+" AS n").
		Where("n.created_at < ?", at).GroupExpr("n.type")
	return s.read.NewSelect().ColumnExpr("d.type, d.version").TableExpr(definitionsTable+" AS d").
		Join("JOIN (?) AS newest ON newest.type = d.type AND newest.version > d.version", newest)
}

// Look looks at the next slice of workflows. more tells whether there are any behind it, and any version to look for. No
// index has versions in it, since each workflow would pay for that: the search walks along the ids, which change with no
// state, and takes as many slices as there are workflows unless it sees all versions before.
func (s *Store) Look(ctx context.Context, search *VersionSearch) (more bool, err error) {
	last, err := collect(ctx, s, s.endOfSlice(search.after), 1, (*record).uuid)
	if err != nil {
		return false, err
	}
	upTo := uuid.Max
	if len(last) > 0 {
		upTo = last[0]
	}
	seen, err := collect(ctx, s, s.versionsOfSlice(search.after, upTo), 2, (*record).version)
	if err != nil {
		return false, err
	}
	for _, v := range seen {
		delete(search.unseen, v)
	}
	search.after = upTo
	return len(last) > 0 && len(search.unseen) > 0, nil
}

func (s *Store) endOfSlice(after uuid.UUID) *bun.SelectQuery {
	return s.read.NewSelect().ColumnExpr("w.id").TableExpr(workflowsTable+" AS w").Where("w.id > ?", after).
		OrderExpr("w.id").Limit(1).Offset(workflowsLookedAt - 1)
}

// versionsOfSlice is the query of the versions of a slice. SQLite would skip through another index, from type to type and
// state to state, if it were not told which one to walk.
func (s *Store) versionsOfSlice(after, upTo uuid.UUID) *bun.SelectQuery {
	table := workflowsTable + " AS w"
	if s.dialect.oneFile {
		table += " INDEXED BY sqlite_autoindex_" + workflowsTable + "_1"
	}
	return s.read.NewSelect().Distinct().ColumnExpr("w.type, w.definition_version").TableExpr(table).
		Where("w.id > ?", after).Where("w.id <= ?", upTo)
}

func (r *record) version() Version { return Version{r.text(), r.int()} }

// DeleteUnseen deletes the versions that a search which is over has not seen, and gives those it deleted.
func (s *Store) DeleteUnseen(ctx context.Context, search *VersionSearch) (gone []Version, err error) {
	for v := range search.unseen {
		deleted := false
		err := s.again(ctx, func() (err error) {
			deleted, err = s.deleteVersion(ctx, v, search.began.Add(-minVersionAge))
			return err
		})
		if err != nil {
			return gone, err
		}
		if deleted {
			gone = append(gone, v)
		}
	}
	return gone, nil
}

// deleteVersion deletes a version, and looks for workflows whose ids were made after a time, which is earlier than the
// search by more than clocks differ by: a create that names a version locks it first (see CreateOp.Version).
func (s *Store) deleteVersion(ctx context.Context, v Version, after time.Time) (bool, error) {
	deleted := false
	err := s.transact(ctx, func(t transaction) error {
		d := &s.dialect
		err := t.exec(ctx, statement{rows: 1, args: []any{v.Type, int64(v.Version)},
			query: d.bind("DELETE FROM " + definitionsTable + " WHERE type = ? AND version = ?")})
		if err != nil {
			return err
		}
		late := 0
		look := s.lateWorkflow(v, after)
		err = t.query(ctx, question{look.query, look.args, newRecord(1), func(*record) error { late++; return nil }})
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

// lateWorkflow asks for a workflow of a version whose id was made after a time. The planner must not walk through all
// that there are of the type.
func (s *Store) lateWorkflow(v Version, after time.Time) statement {
	return statement{args: []any{firstIDAt(after), v.Type, int64(v.Version)},
		query: s.dialect.bind("SELECT w.id FROM " + workflowsTable + " AS w WHERE w.id > ? AND " + s.dialect.guard("w.type") +
			" = ? AND w.definition_version = ? LIMIT 1")}
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
	ms := uint64(max(at.UnixMilli(), 0))
	id := uuid.UUID{6: 0x70, 8: 0x80}
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}
