package persistence

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// mysqlConn is what the write path asks of a connection to MySQL.
type mysqlConn interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
}

// messages is a transaction on MySQL. It begins with the message of its first question or statement, questions that belong
// together are one message, and so are the last statements and COMMIT, since a round trip costs as much as a statement.
// That the server commits only if each statement affected its rows is therefore part of the message
// (docs/decisions/0080).
type messages struct {
	conn  mysqlConn
	begun bool
}

const startTransaction = "START TRANSACTION"

// maxMessageBytes bounds the values of the statements in one message, unless a single one has more. MariaDB refuses one of
// 16 MiB.
const maxMessageBytes = 4 << 20

// message is some statements with their arguments, on their way to the server.
type message struct {
	texts []string
	args  []any
}

// begin begins a message, with the transaction if that is yet to begin.
func (m *messages) begin() message {
	if m.begun {
		return message{}
	}
	m.begun = true
	return message{texts: []string{startTransaction}}
}

func (m *message) add(text string, args ...any) {
	m.texts, m.args = append(m.texts, text), append(m.args, args...)
}

func (m *messages) query(ctx context.Context, questions ...question) error {
	if len(questions) == 0 {
		return nil
	}
	asked := m.begin()
	for _, q := range questions {
		asked.add(q.query, q.args...)
	}
	args, err := named(asked.args)
	if err != nil {
		return err
	}
	rows, err := m.conn.QueryContext(ctx, asked.text(), args) // the driver passes over results without columns
	if err != nil {
		return recognise(err)
	}
	defer rows.Close()
	for i, q := range questions {
		if i > 0 {
			if err := rows.(driver.RowsNextResultSet).NextResultSet(); err != nil {
				return recognise(err)
			}
		}
		if err := q.takeAll(texting{rows}); err != nil {
			return err
		}
	}
	return nil
}

func (m *messages) exec(ctx context.Context, statements ...statement) error {
	if err := savable(statements); err != nil || len(statements) == 0 {
		return err
	}
	rest, err := m.allButLast(ctx, statements)
	if err != nil {
		return err
	}
	return m.send(ctx, m.guarded(rest))
}

func (m *messages) commit(ctx context.Context, statements ...statement) error {
	if err := savable(statements); err != nil || !m.begun && len(statements) == 0 {
		return err
	}
	rest, err := m.allButLast(ctx, statements)
	if err != nil {
		return err
	}
	last := m.guarded(rest)
	last.add("COMMIT")
	err = m.send(ctx, last)
	if err == nil {
		m.begun = false
		return nil
	}
	if unacknowledged(err) && !errors.Is(err, driver.ErrBadConn) { // which the driver says of what has not happened
		return &commitError{err}
	}
	return err
}

// allButLast sends what goes before the last message of the statements, and gives what is for that.
func (m *messages) allButLast(ctx context.Context, statements []statement) (last []statement, err error) {
	for {
		n := fitting(statements)
		if n == len(statements) {
			return statements, nil
		}
		if err := m.send(ctx, m.guarded(statements[:n])); err != nil {
			return nil, err
		}
		statements = statements[n:]
	}
}

// fitting is how many of the statements go into one message.
func fitting(statements []statement) (n int) {
	bytes := 0
	for n < len(statements) && (n == 0 || bytes+size(statements[n].args) <= maxMessageBytes) {
		bytes += size(statements[n].args)
		n++
	}
	return n
}

// guarded is a message that fails behind a statement which has not affected its rows. One that must affect none fails by
// itself.
func (m *messages) guarded(statements []statement) message {
	g := m.begin()
	for _, st := range statements {
		g.add(st.query, st.args...)
		if st.rows > 0 {
			g.add("SET @genevadrive = "+unless("ROW_COUNT() = ?"), st.rows)
		}
	}
	return g
}

// unless is an expression of MySQL that is out of range, which is an error in every mode, unless a condition is true.
func unless(condition string) string { return "18446744073709551615 + IF(" + condition + ", 0, 1)" }

func (m *messages) send(ctx context.Context, sent message) error {
	args, err := named(sent.args)
	if err != nil {
		return err
	}
	_, err = m.conn.ExecContext(ctx, sent.text(), args)
	return recognise(err)
}

func (m *message) text() string { return strings.Join(m.texts, "; ") }

// recognise finds the errors that messages bring with them: one that is too long for the driver, and a guard whose
// condition was not met.
func recognise(err error) error {
	var my *mysql.MySQLError
	switch {
	case errors.Is(err, driver.ErrSkip):
		return mysql.ErrPktTooLarge
	case errors.As(err, &my) && my.Number == 1690:
		return errGuard
	}
	return err
}

// rollback closes a connection on which it fails, since that may hold locks.
func (m *messages) rollback() {
	if !m.begun {
		return
	}
	m.begun = false
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	if _, err := m.conn.ExecContext(ctx, "ROLLBACK", nil); err != nil {
		_ = m.conn.Close()
	}
}

// texting are the rows of MySQL's driver with bytes of their own, which are the driver's only until the next row.
type texting struct{ driver.Rows }

// Next implements driver.Rows.
func (r texting) Next(values []driver.Value) error {
	if err := r.Rows.Next(values); err != nil {
		return err
	}
	for i, v := range values {
		if b, ok := v.([]byte); ok {
			values[i] = slices.Clone(b)
		}
	}
	return nil
}
