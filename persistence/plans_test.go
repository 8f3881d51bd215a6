package persistence

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// TestTheWritePathUsesPrimaryKeys has the database explain every statement of a batch and of a single change
// behind a backlog that its statistics know nothing of: an index over what is due must not tempt the planner
// (docs/decisions/0012).
func TestTheWritePathUsesPrimaryKeys(t *testing.T) {
	def := chain("one", "two")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		stale(t, s)
		var ids []Op
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
				ids = append(ids, Op{WorkflowID: params.ID, ExecutionID: params.ExecutionID})
			}
			if err := s.transact(ctx, func(t transaction) error { return t.commit(ctx, save.statements(&s.dialect)...) }); err != nil {
				t.Fatal(err)
			}
		}
		for name, st := range writePath(s, ids[:maxExplained], def) {
			if plan := explainPlan(t, s, st); plan.fault() != "" {
				t.Errorf("%s %s:\n%s\n%s", name, plan.fault(), st.query, strings.Join(plan, "\n"))
			}
		}
	})
}

// maxExplained is as large as batches get.
const maxExplained = 128

// stale gives the planner statistics of empty tables and keeps it from renewing them.
func stale(t *testing.T, s *Store) {
	t.Helper()
	analyze := map[string]string{"postgres": "ANALYZE %s", "mysql": "ANALYZE TABLE %s", "sqlite": "ANALYZE %s"}
	for _, table := range []string{workflowsTable, executionsTable} {
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
	all["the lock of one"] = statement{query: s.lockBoth("e.workflow_id = w.id AND e.id = ?", "= ?"), args: []any{one.ExecutionID, one.WorkflowID}}
	b := &batch{store: s, ops: ops}
	query, args := b.lock(b.members())
	all["the lock of a batch"] = statement{query: query, args: args}
	for _, n := range []int{1, len(ops)} {
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
	verb := map[string]string{"postgres": "EXPLAIN ", "mysql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN "}[s.Dialect()]
	rows, err := s.db.DB.Query(verb+st.query, st.args...)
	if err != nil {
		t.Fatalf("%s: %v", st.query, err)
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
