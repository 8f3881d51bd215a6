package persistence

import (
	"context"
	"database/sql/driver"
	"errors"
)

// writerConnector connects the one connection that writes to SQLite.
type writerConnector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c writerConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &writer{sqliteConn: conn.(sqliteConn), prepared: map[string]driver.Stmt{}}, nil
}

// sqliteConn is what database/sql asks of a connection to SQLite, and the write path too.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// writer is the connection that writes to SQLite, with the statements of the write path, which it prepares once.
type writer struct {
	sqliteConn
	prepared map[string]driver.Stmt // by their text
}

// Ping implements driver.Pinger.
func (w *writer) Ping(ctx context.Context) error {
	_, err := w.ExecContext(ctx, "SELECT 1", nil)
	return err
}

// Close implements driver.Conn.
func (w *writer) Close() error {
	errs := make([]error, 0, len(w.prepared)+1)
	for _, st := range w.prepared {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, w.sqliteConn.Close())...)
}

func (w *writer) statement(text string) (driver.Stmt, error) {
	if st, ok := w.prepared[text]; ok {
		return st, nil
	}
	st, err := w.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	w.prepared[text] = st
	return st, nil
}

// writing is a transaction of a writer. A context calls off the wait for the writer, but nothing within a transaction:
// that takes a moment, or the busy_timeout at most, and the driver would have a goroutine watch over the context of each
// call.
type writing struct {
	writer *writer
	fixed  map[string]bool
	tx     driver.Tx // nil: it has not begun
}

func (w *writing) begin(ctx context.Context) error {
	if w.tx != nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tx, err := w.writer.BeginTx(context.Background(), driver.TxOptions{})
	if err == nil {
		w.tx = tx
	}
	return err
}

func (w *writing) query(ctx context.Context, questions ...question) error {
	if err := w.begin(ctx); err != nil {
		return err
	}
	for _, q := range questions {
		if err := w.ask(q); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) ask(q question) error {
	args, err := named(q.args)
	if err != nil {
		return err
	}
	var rows driver.Rows
	if w.fixed[q.query] {
		st, err := w.writer.statement(q.query)
		if err != nil {
			return err
		}
		rows, err = st.(driver.StmtQueryContext).QueryContext(context.Background(), args)
		if err != nil {
			return err
		}
	} else if rows, err = w.writer.QueryContext(context.Background(), q.query, args); err != nil {
		return err
	}
	defer rows.Close()
	return q.takeAll(rows)
}

func (w *writing) exec(ctx context.Context, statements ...statement) error {
	if err := savable(statements); err != nil {
		return err
	}
	if err := w.begin(ctx); err != nil {
		return err
	}
	for _, st := range statements {
		args, err := named(st.args)
		if err != nil {
			return err
		}
		prepared, err := w.writer.statement(st.query)
		if err != nil {
			return err
		}
		result, err := prepared.(driver.StmtExecContext).ExecContext(context.Background(), args)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil {
			err = st.affected(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) commit(ctx context.Context, statements ...statement) error {
	if err := w.exec(ctx, statements...); err != nil {
		return err
	}
	err := w.tx.Commit()
	if err == nil {
		w.tx = nil
		return nil
	}
	if unacknowledged(err) {
		return &commitError{err}
	}
	return err
}

// rollback ends what was not committed; after a failed commit there may be nothing left to roll back.
func (w *writing) rollback() {
	if w.tx != nil {
		_ = w.tx.Rollback()
		w.tx = nil
	}
}

// named gives arguments the form in which a driver takes them.
func named(args []any) ([]driver.NamedValue, error) {
	values := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return nil, err
		}
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: value}
	}
	return values, nil
}
