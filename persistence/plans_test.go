package persistence

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestTheWritePathUsesPrimaryKeys has the database explain every statement of a batch and of a single change
// behind a backlog that its statistics know nothing of: an index over what is due must not tempt the planner
// (docs/decisions/0012).
func TestTheWritePathUsesPrimaryKeys(t *testing.T) {
	def := chain("one", "two")
	eachStore(t, func(t *testing.T, s *Store) {
		stale(t, s)
		ops := backlog(t, s, def)
		explainAll(t, s, writePath(s, ops[:maxExplained], def))
	})
}

// TestSQLiteWritesWithoutMakingTables looks through the programs of the write path for what SQLite makes of IN
// with more than two constants, in an index or a check: a table, filled anew for each row that is written.
func TestSQLiteWritesWithoutMakingTables(t *testing.T) {
	s := openEmpty(t, testenv.SQLite(t))
	for text := range s.dialect.text.fixed {
		for _, step := range runExplain(t, s, "EXPLAIN "+text, make([]any, strings.Count(text, "?"))...) {
			if strings.Contains(step, "OpenEphemeral") {
				t.Errorf("%s\n%s", text, step)
			}
		}
	}
	def := chain("one")
	create(t, s, def)
	for _, table := range []string{workflowsTable, executionsTable} {
		if _, err := s.db.DB.Exec("UPDATE " + table + " SET state = 'waiting'"); err == nil || !strings.Contains(err.Error(), "CHECK") {
			t.Errorf("%s takes any state: %v", table, err)
		}
	}
}

// TestPlansGrowOld has PostgreSQL plan the write path while its tables are empty, which must not last.
func TestPlansGrowOld(t *testing.T) {
	def := chain("one", "two")
	eachStore(t, func(t *testing.T, s *Store) {
		if s.Dialect() != "postgres" {
			return
		}
		stale(t, s)
		s.db.SetMaxOpenConns(1)
		claim := func() {
			w := create(t, s, def).Workflow
			if r := s.Apply(context.Background(), claimOp(w, "f1")); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		explain := func() plan {
			query := "EXPLAIN EXECUTE " + preparedName(t, s, s.dialect.text.lockOne) + "(NULL, NULL)"
			return runExplain(t, s, query)
		}
		claim()
		if p := explain(); p.fault() == "" {
			t.Logf("the plan for empty tables is a good one already:\n%s", strings.Join(p, "\n"))
		}
		backlog(t, s, def)
		age(t, s)
		claim()
		if p := explain(); p.fault() != "" {
			t.Errorf("the plan %s:\n%s", p.fault(), strings.Join(p, "\n"))
		}
	})
}

// preparedName is the name of a statement that the only connection has prepared.
func preparedName(t *testing.T, s *Store, text string) (name string) {
	t.Helper()
	err := s.db.DB.QueryRow("SELECT quote_ident(name) FROM pg_prepared_statements WHERE statement = $1", text).Scan(&name)
	if err != nil {
		t.Fatalf("%q is not prepared: %v", text, err)
	}
	return name
}

// age makes the plans of the only connection as old as they may get.
func age(t *testing.T, s *Store) {
	t.Helper()
	conn, err := s.db.DB.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.Raw(func(driverConn any) error {
		driverConn.(*stdlib.Conn).Conn().PgConn().CustomData()[plannedAt] = time.Time{}
		return nil
	})
}

// backlog makes thousands of workflows that are due, and gives a decision about each.
func backlog(t *testing.T, s *Store, def *domain.Definition) (ops []Op) {
	t.Helper()
	ctx := context.Background()
	for range 20 {
		var save saving
		for range 250 {
			params := domain.CreateParams{ID: newID(), ExecutionID: newID(), SubjectType: "User", SubjectID: uuid.NewString()}
			c, err := domain.NewWorkflow(def, params, time.Now().UTC().Truncate(time.Microsecond))
			if err != nil {
				t.Fatal(err)
			}
			save.newWorkflows = append(save.newWorkflows, workflowInsert(&c.Workflow))
			save.addNew(&c)
			ops = append(ops, Op{WorkflowID: params.ID, ExecutionID: params.ExecutionID})
		}
		if err := s.transact(ctx, func(t transaction) error { return t.commit(ctx, save.statements(&s.dialect)...) }); err != nil {
			t.Fatal(err)
		}
	}
	return ops
}

func explainAll(t *testing.T, s *Store, statements map[string]statement) {
	t.Helper()
	for name, st := range statements {
		if plan := explainPlan(t, s, st); plan.fault() != "" {
			t.Errorf("%s %s:\n%s\n%s", name, plan.fault(), st.query, strings.Join(plan, "\n"))
		}
	}
}

// maxExplained is as large as batches get.
const maxExplained = 128

// stale gives the planner statistics of empty tables and keeps it from renewing them.
func stale(t *testing.T, s *Store) {
	t.Helper()
	analyze := map[string]string{"postgres": "ANALYZE %s", "mysql": "ANALYZE TABLE %s", "sqlite": "ANALYZE %s"}
	for _, table := range []string{definitionsTable, workflowsTable, executionsTable} {
		queries := []string{fmt.Sprintf(analyze[s.Dialect()], table)}
		switch s.Dialect() {
		case "postgres":
			queries = append(queries, "ALTER TABLE "+table+" SET (autovacuum_enabled = off)")
		case "mysql":
			queries = append(queries, "ALTER TABLE "+table+" STATS_AUTO_RECALC = 0")
		}
		for _, query := range queries {
			if _, err := s.db.DB.Exec(query); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// writePath gives the statements of a settle of the ops, one by one and together.
func writePath(s *Store, ops []Op, def *domain.Definition) map[string]statement {
	all := map[string]statement{}
	one := ops[0]
	all["the lock of one"] = statement{query: s.dialect.text.lockOne, args: []any{one.ExecutionID, one.WorkflowID}}
	b := &batch{store: s, ops: ops}
	all["the lock of a batch"] = b.lock(b.members())[0]
	for _, n := range []int{1, len(ops)} {
		if !s.dialect.oneFile {
			var ids []uuid.UUID
			for _, op := range ops[:n] {
				ids = append(ids, op.WorkflowID)
			}
			all[fmt.Sprintf("the locks of %d that are known", n)] = s.dialect.stillKnown(ids, time.Now())
		}
		var save saving
		for _, op := range ops[:n] {
			c, _ := domain.NewWorkflow(def, domain.CreateParams{ID: op.WorkflowID, ExecutionID: op.ExecutionID, SubjectType: "User", SubjectID: "1"}, time.Now())
			save.add(Row{Workflow: c.Workflow, Execution: c.Next}, &domain.Change{Workflow: c.Workflow, Execution: c.Next})
		}
		for i, st := range save.statements(&s.dialect) {
			all[fmt.Sprintf("write %d of %d", i, n)] = st
		}
	}
	return all
}

// plan is what the database says about a statement, a line for each step.
type plan []string

func explainPlan(t *testing.T, s *Store, st statement) plan {
	t.Helper()
	if s.Dialect() == "postgres" { // as it plans what is prepared, for any values
		name := "explained"
		s.db.SetMaxOpenConns(1)
		if _, err := s.db.DB.Exec("PREPARE " + name + " AS " + st.query); err != nil {
			t.Fatalf("%s: %v", st.query, err)
		}
		defer s.db.DB.Exec("DEALLOCATE " + name)
		if n := len(st.args); n > 0 {
			name += "(" + strings.Repeat("NULL, ", n-1) + "NULL)"
		}
		return runExplain(t, s, "EXPLAIN EXECUTE "+name)
	}
	return runExplain(t, s, explaining[s.Dialect()]+st.query, st.args...)
}

// explaining goes before a query for the plan of it. MySQL's own default is a tree that MariaDB has not.
var explaining = map[string]string{"postgres": "EXPLAIN ", "mysql": "EXPLAIN FORMAT=TRADITIONAL ", "sqlite": "EXPLAIN QUERY PLAN "}

func runExplain(t *testing.T, s *Store, query string, args ...any) plan {
	t.Helper()
	rows, err := s.db.DB.Query(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var p plan
	for r := newRecord(len(columns)); rows.Next(); {
		if err := r.scan(rows); err != nil {
			t.Fatal(err)
		}
		var line []string
		for i, v := range r.values {
			if columns[i] == "possible_keys" { // on MySQL and MariaDB; what counts is the key that was chosen
				continue
			}
			if text, ok := v.([]byte); ok {
				v = string(text)
			}
			line = append(line, fmt.Sprintf("%s=%v", columns[i], v))
		}
		p = append(p, strings.Join(line, " "))
	}
	return p
}

// fault names what is wrong with a plan: a walk through a table, or any index but the primary key.
func (p plan) fault() string {
	touched := false
	for _, step := range p {
		switch {
		case strings.Contains(step, "Seq Scan on geneva"), strings.Contains(step, "Bitmap Heap Scan on geneva") && !strings.Contains(strings.Join(p, " "), "_pkey"),
			strings.Contains(step, "detail=SCAN t"), strings.Contains(step, "detail=SCAN w"), strings.Contains(step, "detail=SCAN e"):
			return "walks through a table"
		case strings.Contains(step, "Scan using") && !strings.Contains(step, "_pkey"),
			strings.Contains(step, "USING") && strings.Contains(step, "INDEX") && !strings.Contains(step, "sqlite_autoindex"):
			return "uses another index"
		case strings.Contains(step, "_pkey"), strings.Contains(step, "sqlite_autoindex"), strings.Contains(step, "key=PRIMARY"):
			touched = true
		case strings.Contains(step, " table=t "), strings.Contains(step, " table=w "), strings.Contains(step, " table=e "):
			return "does not use the primary key"
		}
	}
	if !touched {
		return "does not show the primary key"
	}
	return ""
}
