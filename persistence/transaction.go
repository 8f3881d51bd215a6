package persistence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5/stdlib"
)

// transaction is one transaction of the write path. It begins with the first call; whoever does not commit
// rolls back. There are two: one over database/sql, and one for PostgreSQL that sends what belongs together
// in one message.
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

// transact gives run a transaction on a connection of its own.
func (s *Store) transact(ctx context.Context, run func(transaction) error) error {
	if s.dialect.pipeline {
		conn, err := s.db.DB.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		return conn.Raw(func(driverConn any) error {
			if pg, ok := driverConn.(*stdlib.Conn); ok {
				t := &pipeline{conn: pg.Conn(), fixed: s.dialect.text.fixed}
				defer t.rollback()
				return run(t)
			}
			return fmt.Errorf("the driver of PostgreSQL is %T", driverConn)
		})
	}
	t := &sqlTransaction{db: s.db.DB, prepared: s.prepared.all(ctx, s)}
	defer t.rollback()
	return run(t)
}

// sqlTransaction is a transaction over database/sql.
type sqlTransaction struct {
	db       *sql.DB
	tx       *sql.Tx
	prepared map[string]*sql.Stmt // by their text
}

// prepared are the fixed texts of the write path for the one connection that writes to SQLite.
type prepared struct {
	mu         sync.Mutex
	statements map[string]*sql.Stmt
}

// all prepares what is not yet; before the schema is there, and on other databases, there is nothing.
func (p *prepared) all(ctx context.Context, s *Store) map[string]*sql.Stmt {
	if !s.dialect.oneFile {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.statements != nil {
		return p.statements
	}
	statements := make(map[string]*sql.Stmt)
	for text := range s.dialect.text.fixed {
		st, err := s.db.DB.PrepareContext(ctx, text)
		if err != nil {
			for _, st := range statements {
				_ = st.Close()
			}
			return nil
		}
		statements[text] = st
	}
	p.statements = statements
	return statements
}

func (t *sqlTransaction) begin(ctx context.Context) error {
	if t.tx != nil {
		return nil
	}
	tx, err := t.db.BeginTx(ctx, nil)
	t.tx = tx
	return err
}

func (t *sqlTransaction) query(ctx context.Context, questions ...question) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	for _, q := range questions {
		if err := t.ask(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (t *sqlTransaction) ask(ctx context.Context, q question) error {
	var rows *sql.Rows
	var err error
	if st := t.prepared[q.query]; st != nil {
		rows, err = t.tx.StmtContext(ctx, st).QueryContext(ctx, q.args...)
	} else {
		rows, err = t.tx.QueryContext(ctx, q.query, q.args...)
	}
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := q.r.scan(rows); err != nil {
			return err
		}
		if err := q.read(q.r); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (t *sqlTransaction) exec(ctx context.Context, statements ...statement) error {
	if err := savable(statements); err != nil {
		return err
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	for _, st := range statements {
		var result sql.Result
		var err error
		if fixed := t.prepared[st.query]; fixed != nil {
			result, err = t.tx.StmtContext(ctx, fixed).ExecContext(ctx, st.args...)
		} else {
			result, err = t.tx.ExecContext(ctx, st.query, st.args...)
		}
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

func (t *sqlTransaction) commit(ctx context.Context, statements ...statement) error {
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

func (t *sqlTransaction) rollback() {
	if t.tx != nil {
		_ = t.tx.Rollback() // after a failed commit, or on a broken connection, there is nothing to roll back
		t.tx = nil
	}
}
