// Package dbfault stands between the store and a driver of database/sql, and breaks the conversation on
// purpose. Tests use it for SQLite, which has no network to cut: see netfault for the others. It knows nothing
// of what is said but where a transaction begins and ends.
package dbfault

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
)

// Call is one thing that is asked of the database.
type Call int

// The calls. Rollbacks and closing are never in the way.
const (
	Connect Call = iota
	Begin
	Statement
	Commit
)

// Verdict is what becomes of a call.
type Verdict int

// The verdicts.
const (
	Pass      Verdict = iota
	Lost              // the call never arrives: the connection breaks
	Unknown           // the call takes effect, but the reply never arrives: the connection breaks
	Conflicts         // the database refuses as it does after a deadlock
)

// DB is what a Connector connects to, with one who may break it in between.
type DB struct {
	real     driver.Connector
	conflict error
	judge    func(Call) Verdict

	keep     bool
	mu       sync.Mutex
	kept     driver.Conn            // the one real connection, if it outlives those of the pool
	prepared map[string]driver.Stmt // on that
}

// New makes a DB. Judge is asked about each call; conflict is the error of those that conflict. With keep there
// is one real connection, which outlives those that the pool knows, as a database in memory has to.
func New(real driver.Connector, keep bool, conflict error, judge func(Call) Verdict) *DB {
	return &DB{real: real, keep: keep, conflict: conflict, judge: judge, prepared: map[string]driver.Stmt{}}
}

// Close closes the real connection that was kept.
func (d *DB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept == nil {
		return nil
	}
	for _, st := range d.prepared {
		_ = st.Close()
	}
	return d.kept.Close()
}

// Driver implements driver.Connector.
func (d *DB) Driver() driver.Driver { return d.real.Driver() }

// Connect implements driver.Connector.
func (d *DB) Connect(ctx context.Context) (driver.Conn, error) {
	if d.judge(Connect) != Pass {
		return nil, driver.ErrBadConn
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept != nil {
		return &conn{db: d, real: d.kept}, nil
	}
	real, err := d.real.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if d.keep {
		d.kept = real
	}
	return &conn{db: d, real: real}, nil
}

// conn is one connection; once it has broken it stays so.
type conn struct {
	db     *DB
	real   driver.Conn
	tx     driver.Tx // open in the database
	broken bool
}

// call passes a call on as far as the judge lets it.
func (c *conn) call(what Call, do func() error) error {
	if c.broken {
		return driver.ErrBadConn
	}
	switch c.db.judge(what) {
	case Lost:
		c.sever()
		return driver.ErrBadConn
	case Conflicts:
		c.rollBack()
		return c.db.conflict
	case Unknown:
		err := do()
		c.sever()
		return errors.Join(driver.ErrBadConn, err)
	}
	return do()
}

// sever breaks the connection; the database rolls back what was open on it.
func (c *conn) sever() {
	c.broken = true
	c.rollBack()
}

func (c *conn) rollBack() {
	if c.tx != nil {
		_ = c.tx.Rollback()
		c.tx = nil
	}
}

func (c *conn) IsValid() bool { return !c.broken }

func (c *conn) ResetSession(ctx context.Context) error {
	if c.broken {
		return driver.ErrBadConn
	}
	return c.real.(driver.SessionResetter).ResetSession(ctx)
}

func (c *conn) Close() error {
	c.sever()
	if c.db.keep {
		return nil
	}
	return c.real.Close()
}

func (c *conn) Begin() (driver.Tx, error) { return c.BeginTx(context.Background(), driver.TxOptions{}) }

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	err := c.call(Begin, func() error {
		begun, err := c.real.(driver.ConnBeginTx).BeginTx(c.context(ctx), opts)
		if err == nil {
			c.tx = begun
		}
		return err
	})
	return (*tx)(c), err
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if c.broken {
		return nil, driver.ErrBadConn
	}
	if !c.db.keep {
		real, err := c.real.(driver.ConnPrepareContext).PrepareContext(ctx, query)
		return &stmt{Stmt: real, conn: c}, err
	}
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	if kept, ok := c.db.prepared[query]; ok {
		return &stmt{Stmt: kept, conn: c}, nil
	}
	real, err := c.real.(driver.ConnPrepareContext).PrepareContext(context.Background(), query)
	if err == nil {
		c.db.prepared[query] = real
	}
	return &stmt{Stmt: real, conn: c}, err
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (result driver.Result, err error) {
	err = c.call(Statement, func() (err error) {
		result, err = c.real.(driver.ExecerContext).ExecContext(c.context(ctx), query, args)
		return err
	})
	return result, err
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.call(Statement, func() (err error) {
		rows, err = c.real.(driver.QueryerContext).QueryContext(c.context(ctx), query, args)
		return err
	})
	return answered(rows, err)
}

// answered is the answer to a query, which is not kept if nobody gets it.
func answered(rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil && rows != nil {
		_ = rows.Close()
		rows = nil
	}
	return rows, err
}

// context spares a database in memory, which never makes anybody wait, the watching over a context.
func (c *conn) context(ctx context.Context) context.Context {
	if c.db.keep {
		return context.Background()
	}
	return ctx
}

// tx is the transaction of a conn.
type tx conn

func (t *tx) Commit() error {
	return (*conn)(t).call(Commit, func() error {
		open := t.tx
		t.tx = nil
		return open.Commit()
	})
}

func (t *tx) Rollback() error {
	(*conn)(t).rollBack() // a connection that is broken has done so before
	return nil
}

// stmt is a prepared statement of a conn. It lasts as long as the real connection.
type stmt struct {
	driver.Stmt
	conn *conn
}

func (s *stmt) Close() error {
	if s.conn.db.keep {
		return nil
	}
	return s.Stmt.Close()
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (result driver.Result, err error) {
	err = s.conn.call(Statement, func() (err error) {
		result, err = s.Stmt.(driver.StmtExecContext).ExecContext(s.conn.context(ctx), args)
		return err
	})
	return result, err
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = s.conn.call(Statement, func() (err error) {
		rows, err = s.Stmt.(driver.StmtQueryContext).QueryContext(s.conn.context(ctx), args)
		return err
	})
	return answered(rows, err)
}
