package persistence

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// maxList keeps lists short enough for MariaDB, which makes a table of one of 1,000 values and scans for it.
const maxList = 500

// OpenWorkflows gives the open workflows of a type for subjects of a type, by subject id and oldest first, in
// one query. Those that exclude each other and those that may be several are in an index each.
func (s *Store) OpenWorkflows(ctx context.Context, typ, subjectType string, subjectIDs []string) (map[string][]uuid.UUID, error) {
	found := map[string][]uuid.UUID{}
	if len(subjectIDs) == 0 {
		return found, nil
	}
	lane := func(condition string) *bun.SelectQuery {
		return s.read.NewSelect().ColumnExpr("w.subject_id, w.id").TableExpr(workflowsTable+" AS w").
			Where("w.type = ?", typ).Where("w.subject_type = ?", subjectType).
			Where(s.dialect.open).Where(condition).
			WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
				for list := range slices.Chunk(subjectIDs, maxList) {
					q.WhereOr("w.subject_id IN (?)", bun.List(list))
				}
				return q
			})
	}
	q := s.read.NewSelect().ColumnExpr("p.subject_id, p.id").
		TableExpr("(?) AS p", lane("NOT w.allow_multiple").UnionAll(lane("w.allow_multiple"))).OrderExpr("p.id")
	_, err := collect(ctx, s, q, 2, func(r *record) struct{} {
		subject, id := r.text(), r.uuid()
		found[subject] = append(found[subject], id)
		return struct{}{}
	})
	return found, err
}
