package persistence

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/stdlib"
)

// transaction is one transaction of the write path. It begins with the first call; whoever does not commit
// rolls back. There are two: one for PostgreSQL that sends what belongs together in one message, and one that runs
// statements one by one, on MySQL over database/sql and on SQLite on the driver's own connection.
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

// readAll hands on each row of an answer.
func (q question) readAll(rows interface {
	scanner
	Next() bool
}) error {
	for rows.Next() {
		if err := q.r.scan(rows); err != nil {
			return err
		}
		if err := q.read(q.r); err != nil {
			return err
		}
	}
	return nil
}

// commitError is a connection that broke while a COMMIT was on its way: the change may be there or not.
type commitError struct{ cause error }

func (e *commitError) Error() string { return "the commit was not acknowledged: " + e.cause.Error() }
func (e *commitError) Unwrap() error { return e.cause }

// errGuard says that a guarded write met a row that was not as it had been read, or as it was known.
var errGuard = errors.New("a row is not as it was read: something writes past the store, or a defect of it")

// transact gives run a transaction on a connection of its own.
func (s *Store) transact(ctx context.Context, run func(transaction) error) error {
	if s.dialect.pipeline {
		return s.onConn(ctx, func(driverConn any) error {
			if pg, ok := driverConn.(*stdlib.Conn); ok {
				t := &pipeline{conn: pg.Conn(), fixed: s.dialect.text.fixed}
				defer t.rollback()
				return run(t)
			}
			return fmt.Errorf("the driver of PostgreSQL is %T", driverConn)
		})
	}
	if s.dialect.oneFile {
		return s.onConn(ctx, func(driverConn any) error {
			t := &oneByOne{steps: &writing{writer: driverConn.(*writer), fixed: s.dialect.text.fixed}}
			defer t.rollback()
			return run(t)
		})
	}
	t := &oneByOne{steps: &sqlSteps{db: s.db.DB}}
	defer t.rollback()
	return run(t)
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

// steps are what a transaction does one by one.
type steps interface {
	begin(ctx context.Context) (driver.Tx, error)
	ask(ctx context.Context, q question) error
	run(ctx context.Context, st statement) (driver.Result, error)
}

// oneByOne is a transaction whose statements are run one by one.
type oneByOne struct {
	steps steps
	tx    driver.Tx // nil: it has not begun, or it is over
}

func (t *oneByOne) begin(ctx context.Context) (err error) {
	if t.tx == nil {
		t.tx, err = t.steps.begin(ctx)
	}
	return err
}

func (t *oneByOne) query(ctx context.Context, questions ...question) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	for _, q := range questions {
		if err := t.steps.ask(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (t *oneByOne) exec(ctx context.Context, statements ...statement) error {
	if err := savable(statements); err != nil {
		return err
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	for _, st := range statements {
		result, err := t.steps.run(ctx, st)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n != st.rows {
			return fmt.Errorf("%w (%d rows of %d)", errGuard, n, st.rows)
		}
	}
	return nil
}

func (t *oneByOne) commit(ctx context.Context, statements ...statement) error {
	if err := t.exec(ctx, statements...); err != nil {
		return err
	}
	err := t.tx.Commit()
	if err == nil {
		t.tx = nil
		return nil
	}
	if faultOf(err) == faultAway {
		return &commitError{err}
	}
	return err
}

func (t *oneByOne) rollback() {
	if t.tx != nil {
		_ = t.tx.Rollback() // after a failed commit, or on a broken connection, there is nothing to roll back
		t.tx = nil
	}
}

// sqlSteps are those over database/sql.
type sqlSteps struct {
	db *sql.DB
	tx *sql.Tx
}

func (s *sqlSteps) begin(ctx context.Context) (driver.Tx, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	s.tx = tx
	return tx, nil
}

func (s *sqlSteps) ask(ctx context.Context, q question) error {
	rows, err := s.tx.QueryContext(ctx, q.query, q.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if err := q.readAll(rows); err != nil {
		return err
	}
	return rows.Err()
}

func (s *sqlSteps) run(ctx context.Context, st statement) (driver.Result, error) {
	return s.tx.ExecContext(ctx, st.query, st.args...)
}
