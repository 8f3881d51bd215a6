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

// messages are the steps of a transaction on MySQL. The transaction begins with the message of its first step, and
// statements travel together, since a round trip costs as much as a statement; but COMMIT travels alone, once it is known
// what they have affected (docs/decisions/0080).
type messages struct {
	conn  mysqlConn
	begun bool
}

const startTransaction = "START TRANSACTION"

// maxMessageBytes bounds the values of the statements in one message, unless a single one has more. MariaDB refuses one of
// 16 MiB.
const maxMessageBytes = 4 << 20

func (m *messages) begin(context.Context) error { return nil }

// texts begins a message.
func (m *messages) texts() []string {
	if m.begun {
		return nil
	}
	m.begun = true
	return []string{startTransaction}
}

func (m *messages) ask(ctx context.Context, questions []question) error {
	if len(questions) == 0 {
		return nil
	}
	texts := m.texts()
	var all []any
	for _, q := range questions {
		texts, all = append(texts, q.query), append(all, q.args...)
	}
	args, err := named(all)
	if err != nil {
		return err
	}
	rows, err := m.conn.QueryContext(ctx, message(texts), args) // the driver passes over results without columns
	if err != nil {
		return sendable(err)
	}
	defer rows.Close()
	for i, q := range questions {
		if i > 0 {
			if err := rows.(driver.RowsNextResultSet).NextResultSet(); err != nil {
				return err
			}
		}
		if err := q.takeAll(texting{rows}); err != nil {
			return err
		}
	}
	return nil
}

func (m *messages) run(ctx context.Context, statements []statement) error {
	for len(statements) > 0 {
		n, bytes := 0, 0
		for n < len(statements) && (n == 0 || bytes+size(statements[n].args) <= maxMessageBytes) {
			bytes += size(statements[n].args)
			n++
		}
		if err := m.send(ctx, statements[:n]); err != nil {
			return err
		}
		statements = statements[n:]
	}
	return nil
}

func (m *messages) send(ctx context.Context, statements []statement) error {
	texts := m.texts()
	first := len(texts)
	var all []any
	for _, st := range statements {
		texts, all = append(texts, st.query), append(all, st.args...)
	}
	args, err := named(all)
	if err != nil {
		return err
	}
	result, err := m.conn.ExecContext(ctx, message(texts), args)
	if err != nil {
		return sendable(err)
	}
	counts := result.(mysql.Result).AllRowsAffected()
	for i, st := range statements {
		if err := st.affected(counts[first+i]); err != nil {
			return err
		}
	}
	return nil
}

func message(texts []string) string { return strings.Join(texts, "; ") }

// sendable turns what the driver says of a message that is too long for it into its error for that.
func sendable(err error) error {
	if errors.Is(err, driver.ErrSkip) {
		return mysql.ErrPktTooLarge
	}
	return err
}

func (m *messages) commit(ctx context.Context) error {
	if !m.begun {
		return nil
	}
	_, err := m.conn.ExecContext(ctx, "COMMIT", nil)
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
