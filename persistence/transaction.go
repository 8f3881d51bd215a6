package persistence

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// rollbackTimeout bounds how long a transaction that failed may take to end.
const rollbackTimeout = 2 * time.Second

// transaction is one transaction of the write path, on the driver's own connection. It begins with the first call;
// whoever does not commit rolls back.
type transaction interface {
	// query asks in order, and hands each row of an answer to who reads it.
	query(ctx context.Context, questions ...question) error
	// exec runs statements in their order.
	exec(ctx context.Context, statements ...statement) error
	// commit runs the last statements and commits. A commitError means that nobody knows whether it did.
	commit(ctx context.Context, statements ...statement) error
	// rollback ends a transaction that was not committed.
	rollback()
}

// question is a query, and what becomes of the rows of its answer, each of which is in r when it is read.
type question struct {
	query string
	args  []any
	r     *record
	read  func(*record) error
}

// commitError is a connection that broke while a COMMIT was on its way: the change may be there or not.
type commitError struct{ cause error }

func (e *commitError) Error() string { return "the commit was not acknowledged: " + e.cause.Error() }
func (e *commitError) Unwrap() error { return e.cause }

// errGuard says that a guarded write met a row that was not as it had been read, or as it was known.
var errGuard = errors.New("a row is not as it was read: something writes past the store, or a defect of it")

// bounded is a transaction that ends with a context, whatever longer one it is called with.
type bounded struct {
	transaction
	ctx context.Context
}

func (b bounded) query(_ context.Context, questions ...question) error {
	return b.transaction.query(b.ctx, questions...)
}

func (b bounded) exec(_ context.Context, statements ...statement) error {
	return b.transaction.exec(b.ctx, statements...)
}

func (b bounded) commit(_ context.Context, statements ...statement) error {
	return b.transaction.commit(b.ctx, statements...)
}

// transact gives run a transaction on a connection of its own, which ends within the limit of a write.
func (s *Store) transact(ctx context.Context, run func(transaction) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.write)
	defer cancel()
	return s.onConn(ctx, func(driverConn any) error {
		var t transaction
		switch conn := driverConn.(type) {
		case *stdlib.Conn:
			t = &pipeline{conn: conn.Conn(), fixed: s.dialect.text.fixed}
		case *writer:
			t = &writing{writer: conn, fixed: s.dialect.text.fixed}
		case mysqlConn: // a writer has its methods too
			t = &messages{conn: conn}
		default:
			return fmt.Errorf("the database's driver is %T", driverConn)
		}
		defer t.rollback()
		return run(bounded{t, ctx})
	})
}

// onConn gives use the driver's connection of one of the pool.
func (s *Store) onConn(ctx context.Context, use func(driverConn any) error) error {
	conn, err := s.db.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(use)
}

// affected is an error unless these are the rows that the statement must affect.
func (st statement) affected(n int64) error {
	if n != st.rows {
		return fmt.Errorf("%w (%d rows of %d)", errGuard, n, st.rows)
	}
	return nil
}

// takeAll hands on each row of a driver's answer.
func (q question) takeAll(rows driver.Rows) error {
	values := make([]driver.Value, len(q.r.values))
	for {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		q.r.take(values)
		if err := q.read(q.r); err != nil {
			return err
		}
	}
}
