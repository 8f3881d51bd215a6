package persistence

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// heard is a connection to MySQL that notes each message.
type heard struct {
	mysqlConn
	sent []string
}

func (h *heard) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	h.sent = append(h.sent, query)
	return h.mysqlConn.ExecContext(ctx, query, args)
}

func (h *heard) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	h.sent = append(h.sent, query)
	return h.mysqlConn.QueryContext(ctx, query, args)
}

// onMySQL runs a transaction on a store of MySQL and gives what was sent.
func onMySQL(t *testing.T, s *Store, run func(transaction) error) (sent []string, err error) {
	t.Helper()
	err = s.onConn(t.Context(), func(conn any) error {
		h := &heard{mysqlConn: conn.(mysqlConn)}
		tx := &messages{conn: h}
		defer func() { sent = h.sent }()
		defer tx.rollback()
		return run(tx)
	})
	return sent, err
}

// newWorkflows are the statements that make n workflows with data of some size.
func newWorkflows(t *testing.T, s *Store, n, size int) []statement {
	t.Helper()
	var save saving
	data := []byte(`{"a":"` + strings.Repeat("x", size) + `"}`)
	for range n {
		params := domain.CreateParams{ID: newID(), ExecutionID: newID(), SubjectType: "User", SubjectID: uuid.NewString(), Data: data}
		c, err := domain.NewWorkflow(chain("one"), params, time.Now().UTC().Truncate(time.Microsecond))
		if err != nil {
			t.Fatal(err)
		}
		save.newWorkflows = append(save.newWorkflows, workflowInsert(&c.Workflow))
		save.addNew(&c)
	}
	return save.statements(&s.dialect)
}

func countWorkflows(t *testing.T, s *Store) (n int) {
	t.Helper()
	if err := s.db.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+workflowsTable).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestATransactionOnMySQLIsFewMessages(t *testing.T) {
	s := openEmpty(t, testenv.MySQL(t))
	answers := []int{}
	one := func(query string) question {
		return question{query, nil, newRecord(1), func(r *record) error { answers = append(answers, r.int()); return r.err }}
	}
	for want, questions := range [][]question{1: nil, 2: {one("SELECT 1"), one("SELECT 2 UNION SELECT 3"), one("SELECT 4")}} {
		if want == 0 {
			continue
		}
		sent, err := onMySQL(t, s, func(tx transaction) error {
			if err := tx.query(t.Context(), questions...); err != nil {
				return err
			}
			return tx.commit(t.Context(), newWorkflows(t, s, 3, 10)...)
		})
		if err != nil || len(sent) != want || !strings.HasPrefix(sent[0], startTransaction+"; ") || !strings.HasSuffix(sent[want-1], "; COMMIT") {
			t.Errorf("%v: %q", err, sent)
		}
		if n := countWorkflows(t, s); n != 3*want {
			t.Errorf("%d workflows after %d transactions", n, want)
		}
	}
	if len(answers) != 4 || answers[2] != 3 {
		t.Errorf("%v", answers)
	}
}

func TestAMessageToMySQLHasALimit(t *testing.T) {
	s := openEmpty(t, testenv.MySQL(t))
	sent, err := onMySQL(t, s, func(tx transaction) error { return tx.commit(t.Context(), newWorkflows(t, s, 40, 250<<10)...) })
	if least := 1 + 40*250<<10/maxMessageBytes; err != nil || len(sent) < least || countWorkflows(t, s) != 40 {
		t.Errorf("%v: %d messages for %d workflows", err, len(sent), countWorkflows(t, s))
	}
}

// What goes wrong in the middle of a message leaves nothing of it.
func TestAMessageToMySQLIsUndone(t *testing.T) {
	s := openEmpty(t, testenv.MySQL(t))
	for name, broken := range map[string]struct {
		change func([]statement) []statement
		is     func(error) bool
	}{
		"a statement affects other rows": {func(all []statement) []statement { all[0].rows++; return all }, func(err error) bool { return errors.Is(err, errGuard) }},
		"the last one is refused":        {func(all []statement) []statement { return append(all, all[0]) }, func(err error) bool { return faultOf(err) == faultUnique }},
	} {
		_, err := onMySQL(t, s, func(tx transaction) error { return tx.commit(t.Context(), broken.change(newWorkflows(t, s, 3, 10))...) })
		if !broken.is(err) || countWorkflows(t, s) != 0 {
			t.Errorf("%s: %v, %d workflows", name, err, countWorkflows(t, s))
		}
	}
	if _, err := onMySQL(t, s, func(tx transaction) error { return tx.commit(t.Context(), newWorkflows(t, s, 1, 10)...) }); err != nil || countWorkflows(t, s) != 1 {
		t.Errorf("afterwards: %v", err)
	}
}

// broken is a connection to MySQL whose messages end in an error.
type broken struct {
	mysqlConn
	err error
}

func (b broken) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, b.err
}

func (b broken) Close() error { return nil }

func TestACommitThatWasNotSentDidNotHappen(t *testing.T) {
	for err, unsure := range map[error]bool{driver.ErrBadConn: false, mysql.ErrInvalidConn: true, context.DeadlineExceeded: true} {
		tx := &messages{conn: broken{err: err}}
		got := tx.commit(t.Context(), statement{query: "UPDATE t SET n = 1", rows: 1})
		tx.rollback()
		if faultOf(got) != faultAway || errors.As(got, new(*commitError)) != unsure {
			t.Errorf("%v: %v", err, got)
		}
	}
}
