package persistence

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// What every query of Bun's goes through; the write path has a transaction of its own (transaction.go).

// collect reads all rows of a query of that many columns.
func collect[T any](ctx context.Context, s *Store, q *bun.SelectQuery, width int, read func(*record) T) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.read)
	defer cancel()
	rows, err := q.Rows(ctx)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var list []T
	r := newRecord(width)
	for rows.Next() {
		if err := r.scan(rows); err != nil {
			return nil, explain(err)
		}
		list = append(list, read(r))
		if r.err != nil {
			return nil, r.err
		}
	}
	return list, explain(rows.Err())
}

// beginSearch lets a list have its turn, which it gives back by end. A list may have to read much to find little, so lists
// wait for each other: however many are asked for, half of the connections are left to the steps.
func (s *Store) beginSearch(ctx context.Context) (end func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.read)
	defer cancel()
	select {
	case s.searches <- struct{}{}:
		return func() { <-s.searches }, nil
	case <-ctx.Done():
		return nil, &domain.Error{Code: domain.CodeUnavailable,
			Detail: "Too many lists are being read. Try again later, and with a filter by type, subject or state.",
			Cause:  fmt.Errorf("%w: waiting for other lists: %w", ErrUnavailable, ctx.Err())}
	}
}

// oneOf asks for a column to have one of some values; for none of them it asks nothing.
func oneOf[T any](q *bun.SelectQuery, column string, values []T) {
	switch len(values) {
	case 0:
	case 1:
		q.Where(column+" = ?", values[0])
	default:
		q.Where(column+" IN (?)", bun.List(values))
	}
}

// together is the query of all that some queries find, each in the order and up to the limit that it has.
func (s *Store) together(lanes []*bun.SelectQuery) (all *bun.SelectQuery) {
	for _, lane := range lanes {
		lane = s.read.NewSelect().ColumnExpr("lane.*").TableExpr("(?) AS lane", lane)
		if all == nil {
			all = lane
		} else {
			all = all.UnionAll(lane)
		}
	}
	return all
}

// execute runs one of Bun's queries that write, outside of a transaction.
func (s *Store) execute(ctx context.Context, q interface {
	Exec(ctx context.Context, dest ...any) (sql.Result, error)
}) (sql.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.write)
	defer cancel()
	return q.Exec(ctx)
}

// inTx runs some of Bun's queries in one transaction.
func (s *Store) inTx(ctx context.Context, run func(ctx context.Context, tx bun.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.write)
	defer cancel()
	return s.db.RunInTx(ctx, nil, run)
}

// affected gives how many rows a statement changed.
func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, explain(err)
	}
	n, err := result.RowsAffected()
	return n, explain(err)
}

// again runs what is harmless to run twice until the database neither asks for a rerun nor reports that
// somebody else inserted the same key just now.
func (s *Store) again(ctx context.Context, run func() error) error {
	for rerun := 0; ; rerun++ {
		err := run()
		if rerun >= maxReruns || !worthRerun(err) && faultOf(err) != faultUnique || !pause(ctx, rerun) {
			return explain(err)
		}
	}
}
