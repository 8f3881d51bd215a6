package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/google/uuid"
)

// rollbackTimeout bounds how long a transaction that failed may take to end.
const rollbackTimeout = 2 * time.Second

// pipeline is a transaction of PostgreSQL in two round trips: BEGIN travels with the first query, COMMIT with
// the last statements. That the server commits only if each statement affected its rows is therefore part of
// the statements' text (see updateOne).
type pipeline struct {
	conn  *pgx.Conn
	begun bool
}

func (t *pipeline) batch(first int) *pgx.Batch {
	b := &pgx.Batch{QueuedQueries: make([]*pgx.QueuedQuery, 0, first+1)}
	if !t.begun {
		b.Queue("BEGIN")
		t.begun = true
	}
	return b
}

func (t *pipeline) query(ctx context.Context, query string, args []any, r *record, read func(*record) error) error {
	b := t.batch(1)
	begins := b.Len() > 0
	b.Queue(query, args...)
	results := t.conn.SendBatch(ctx, b)
	defer results.Close()
	if begins {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := r.scan(rows); err != nil {
			return err
		}
		if err := read(r); err != nil {
			return err
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return err
	}
	return results.Close()
}

func (t *pipeline) exec(ctx context.Context, statements ...statement) error {
	if err := savable(statements); err != nil {
		return err
	}
	return t.send(ctx, t.batch(len(statements)), statements)
}

func (t *pipeline) commit(ctx context.Context, statements ...statement) error {
	if err := savable(statements); err != nil {
		return err
	}
	b := t.batch(len(statements) + 1)
	err := t.send(ctx, b, append(statements, statement{query: "COMMIT"}))
	if err == nil {
		t.begun = false
		return nil
	}
	if faultOf(err) == faultAway {
		return &commitError{err}
	}
	return err
}

// send sends everything in one message and reads the answers; the first error is the one that counts, since
// the server skips what follows it.
func (t *pipeline) send(ctx context.Context, b *pgx.Batch, statements []statement) error {
	begins := b.Len()
	for _, st := range statements {
		b.Queue(st.query, st.args...)
	}
	results := t.conn.SendBatch(ctx, b)
	for i := range b.Len() {
		tag, err := results.Exec()
		if err != nil {
			_ = results.Close()
			return guardFailure(err)
		}
		if i >= begins && tag.RowsAffected() != statements[i-begins].rows {
			_ = results.Close()
			return errGuard
		}
	}
	return results.Close()
}

// guardFailure recognises the division by zero of a guarded statement whose count is wrong.
func guardFailure(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "22012" {
		return errGuard
	}
	return err
}

func (t *pipeline) rollback() {
	if !t.begun || t.conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = t.conn.Close(ctx)
	}
	t.begun = false
}

// arrays turns rows of values into one array for each column, as unnest takes them.
func arrays(columns []column, rows [][]any) []any {
	all := make([]any, len(columns))
	for i, c := range columns {
		switch c.kind {
		case kindUUID:
			all[i] = array(rows, i, func(v any) pgtype.UUID { return pgtype.UUID{Bytes: v.(uuid.UUID), Valid: true} })
		case kindText:
			all[i] = array(rows, i, func(v any) pgtype.Text { return pgtype.Text{String: v.(string), Valid: true} })
		case kindInt:
			all[i] = array(rows, i, func(v any) pgtype.Int8 { return pgtype.Int8{Int64: v.(int64), Valid: true} })
		case kindBool:
			all[i] = array(rows, i, func(v any) pgtype.Bool { return pgtype.Bool{Bool: v.(bool), Valid: true} })
		case kindTime:
			all[i] = array(rows, i, func(v any) pgtype.Timestamptz { return pgtype.Timestamptz{Time: v.(time.Time), Valid: true} })
		}
	}
	return all
}

// array is column i of the rows; the zero T is NULL.
func array[T any](rows [][]any, i int, value func(any) T) []T {
	column := make([]T, len(rows))
	for r, row := range rows {
		if row[i] != nil {
			column[r] = value(row[i])
		}
	}
	return column
}

func uuidArray(ids []uuid.UUID) []pgtype.UUID {
	list := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		list[i] = pgtype.UUID{Bytes: id, Valid: true}
	}
	return list
}
