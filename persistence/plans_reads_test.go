package persistence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// TestReadsWalkTheirIndexes has a backlog that statistics know nothing of, and then know: what the sweep reads, lists by
// a rare state and histories are found through their indexes, and where they may be long, in the order of those.
func TestReadsWalkTheirIndexes(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		stale(t, s)
		backlog(t, s, def)
		w := create(t, s, def).Workflow
		if r := s.Apply(ctx, claimOp(w, "f")); r.Err != nil {
			t.Fatal(r.Err)
		}
		inOrder := map[string][]*bun.SelectQuery{
			"due":    {s.laneAfter(Lane{"default", 5}, false), s.laneAfter(Lane{"default", 5}, true)},
			"claims": {s.claimantAfter(uuid.Nil)},
		}
		for _, state := range []domain.ExecutionState{"executing", "failed", "canceled", "skipped"} {
			inOrder["listed"] = append(inOrder["listed"], s.executionLanes(ExecutionFilter{States: []domain.ExecutionState{state}}, 10)[0])
		}
		inAny := map[string][]*bun.SelectQuery{
			"claims":   append(s.expired([]uuid.UUID{uuid.Max}, 10), s.claimed(), s.orphans(10)),
			"one_open": s.historyLanes(w.ID, 0, 10),
		}
		for _, known := range []bool{false, true} {
			if known {
				analyze(t, s, executionsTable)
			}
			for sorted, all := range map[bool]map[string][]*bun.SelectQuery{false: inOrder, true: inAny} {
				for index, queries := range all {
					for _, q := range queries {
						expectWalk(t, s, fmt.Sprintf("statistics %v", known), q, executionsTable+"_"+index, sorted)
					}
				}
			}
			if lanes, err := s.usedLanes(ctx); err != nil || len(lanes) != 1 {
				t.Errorf("the lanes are %v, %v", lanes, err)
			}
			if servers, err := s.claimants(ctx); err != nil || len(servers) != 1 {
				t.Errorf("the claimants are %v, %v", servers, err)
			}
		}
	})
}

// TestTheSweepPassesOverWhatHasEnded has thousands of steps that ended before one that is due. Only on MySQL are they in the
// same index.
func TestTheSweepPassesOverWhatHasEnded(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		if s.Dialect() != "mysql" {
			return
		}
		ctx := t.Context()
		var ended []statement
		for range 2000 {
			ended = append(ended, statement{query: "INSERT INTO " + executionsTable + " (id, workflow_id, seq, step_name, state, scheduled_for, held, queue, priority, created_at) " +
				"VALUES (UUID(), UUID(), 1, 'one', 'completed', UTC_TIMESTAMP(6), 0, ?, ?, UTC_TIMESTAMP(6))", args: []any{domain.DefaultQueue, int64(domain.DefaultPriority)}, rows: 1})
		}
		if err := s.transact(ctx, func(tx transaction) error { return tx.commit(ctx, ended...) }); err != nil {
			t.Fatal(err)
		}
		w := create(t, s, chain("one")).Workflow
		due, _, err := s.Due(ctx, []string{domain.DefaultQueue}, time.Minute, 10)
		if err != nil || len(due) != 1 || due[0].WorkflowID != w.ID {
			t.Errorf("due are %v, %v", due, err)
		}
		conn, err := s.db.Conn(ctx) // whose session counts
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, q := range []*bun.SelectQuery{s.laneAfter(Lane{}, false), s.laneAfter(Lane{domain.DefaultQueue, 0}, true),
			s.lane("e.id", due[0].Lane(), time.Now().UTC(), 10)} {
			rows := rowsRead(t, conn)
			if _, err := conn.ExecContext(ctx, q.String()); err != nil {
				t.Fatal(err)
			}
			if rows = rowsRead(t, conn) - rows; rows > 10 {
				t.Errorf("%d rows are read by %s\n%s", rows, q, strings.Join(runExplain(t, s, explaining["mysql"]+q.String()), "\n"))
			}
		}
	})
}

// TestACreatePassesOverWhatHasEnded has hundreds of workflows of one subject that ended. Only on MySQL are they in the same
// index as the open one.
func TestACreatePassesOverWhatHasEnded(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		if s.Dialect() != "mysql" {
			return
		}
		ctx := t.Context()
		var save saving
		for range 500 {
			c, err := domain.NewWorkflow(chain("one"), domain.CreateParams{ID: newID(), ExecutionID: newID(), SubjectType: "User", SubjectID: "busy"}, time.Now().UTC())
			if err != nil {
				t.Fatal(err)
			}
			c.Workflow.State = domain.WorkflowFinished
			save.newWorkflows = append(save.newWorkflows, workflowInsert(&c.Workflow))
		}
		if err := s.transact(ctx, func(tx transaction) error { return tx.commit(ctx, save.statements(&s.dialect)...) }); err != nil {
			t.Fatal(err)
		}
		conn, err := s.db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		q := s.openOf([]oneActive{{"Chain", "User", "busy"}}, nil)[0]
		before := rowsRead(t, conn)
		if _, err := conn.ExecContext(ctx, q.query, q.args...); err != nil {
			t.Fatal(err)
		}
		if n := rowsRead(t, conn) - before; n > 10 {
			t.Errorf("%d rows are read by %s", n, q.query)
		}
	})
}

// TestASubjectIsFoundByItsIDAlone has many workflows: a list by the id of a subject goes through the index that begins with
// its type.
func TestASubjectIsFoundByItsIDAlone(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		backlog(t, s, chain("one"))
		other, err := domain.NewWorkflow(chain("one"), domain.CreateParams{ID: newID(), ExecutionID: newID(), SubjectType: "Order", SubjectID: "42"}, time.Now().UTC())
		if err != nil {
			t.Fatal(err)
		}
		save := saving{newWorkflows: [][]any{workflowInsert(&other.Workflow)}}
		if err := s.transact(ctx, func(tx transaction) error { return tx.commit(ctx, save.statements(&s.dialect)...) }); err != nil {
			t.Fatal(err)
		}
		if types, err := s.subjectTypes(ctx); err != nil || !slices.Equal(types, []string{"Order", "User"}) {
			t.Errorf("the types are %q, %v", types, err)
		}
		for _, known := range []bool{false, true} {
			if known {
				analyze(t, s, workflowsTable)
			}
			q, err := s.newestWorkflows(ctx, WorkflowFilter{SubjectIDs: []string{"42"}}, uuid.Nil, 51)
			if err != nil {
				t.Fatal(err)
			}
			expectWalk(t, s, fmt.Sprintf("statistics %v", known), q, workflowsTable+"_subject", true)
		}
		list, _, err := s.Workflows(ctx, WorkflowFilter{SubjectIDs: []string{"42"}}, Page{Limit: 9})
		if err != nil || len(list) != 1 || list[0].Workflow.ID != other.Workflow.ID {
			t.Errorf("listed are %v, %v", list, err)
		}
	})
}

// rowsRead is how many rows a session of MySQL has read.
func rowsRead(t *testing.T, conn bun.Conn) (sum int) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), "SHOW SESSION STATUS WHERE variable_name IN ('Handler_read_first', 'Handler_read_last', "+
		"'Handler_read_key', 'Handler_read_next', 'Handler_read_prev')")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestTheSweepReadsWhatExpiredAtOnce has very many waits for a callback end together: they are read in the order of the index.
func TestTheSweepReadsWhatExpiredAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		backlog(t, s, chain("one"))
		_, err := s.db.NewUpdate().Table(executionsTable).Set("state = 'executing'").Set("deadline = scheduled_for").Where("seq = 1").Exec(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		analyze(t, s, executionsTable)
		expectWalk(t, s, "all are past their deadline", s.expired(nil, 10)[0], executionsTable+"_claims", false)
	})
}

func analyze(t *testing.T, s *Store, table string) {
	t.Helper()
	named := map[string]string{"mysql": "TABLE "}[s.Dialect()] + table
	if _, err := s.db.DB.Exec("ANALYZE " + named); err != nil {
		t.Fatal(err)
	}
}

// expectWalk looks for an index in the plan of a query, which sorts what it finds only if it may.
func expectWalk(t *testing.T, s *Store, what string, q *bun.SelectQuery, index string, sorted bool) {
	t.Helper()
	text := strings.Join(runExplain(t, s, explaining[s.Dialect()]+q.String()), "\n")
	sorts := strings.Contains(text, "TEMP B-TREE") || strings.Contains(text, "Sort") || strings.Contains(text, "filesort")
	if !strings.Contains(text, index) || sorts && !sorted {
		t.Errorf("%s: the plan is\n%s\nof %s, without a walk along %s", what, text, q, index)
	}
}

// TestWhatCreatesAskIsIndexed has many versions of definitions and many open workflows that statistics know nothing of:
// what creates read of them, or check with their commit, is found by the indexes that keep both unique.
func TestWhatCreatesAskIsIndexed(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		stale(t, s)
		backlog(t, s, chain("one"))
		types := manyVersions(t, s)
		named := map[string]string{"mysql": "key="}[s.Dialect()]
		for _, n := range []int{1, len(types)} {
			newest, subjects := newestVersions{}, []oneActive{}
			for _, typ := range types[:n] {
				newest[typ] = manyPerType
				subjects = append(subjects, oneActive{"Chain", "User", typ})
			}
			query, args := s.newestOf(types[:n])
			expectIndex(t, s, statement{query: query, args: args}, primary(s, definitionsTable))
			if !s.dialect.oneFile {
				expectIndex(t, s, s.dialect.asExpected(time.Now(), newest), primary(s, definitionsTable), "Select tables optimized away")
			}
			for _, q := range s.openOf(subjects, nil) {
				expectIndex(t, s, statement{query: q.query, args: q.args}, named+workflowsTable+"_one_active", "reading const tables")
			}
		}
	})
}

const manyPerType = 50

// manyVersions makes many versions of each of some types.
func manyVersions(t *testing.T, s *Store) (types []string) {
	t.Helper()
	insert := s.dialect.bind("INSERT INTO " + definitionsTable + " (type, version, format, content, source, hash, created_at) VALUES (?, ?, 1, '', '', '', ?)")
	var rows []statement
	for i := range 60 {
		types = append(types, fmt.Sprintf("Type%d", i))
		for version := range manyPerType {
			rows = append(rows, statement{query: insert, args: []any{types[i], version + 1, time.Now()}, rows: 1})
		}
	}
	ctx := context.Background()
	if err := s.transact(ctx, func(tx transaction) error { return tx.commit(ctx, rows...) }); err != nil {
		t.Fatal(err)
	}
	return types
}

func primary(s *Store, table string) string {
	return map[string]string{"postgres": table + "_pkey", "mysql": "key=PRIMARY", "sqlite": "sqlite_autoindex_" + table}[s.Dialect()]
}

// expectIndex looks in the plan of a statement for one of the indexes, or for what MySQL says when it has asked it while it
// planned, and for nothing that walks through a table.
func expectIndex(t *testing.T, s *Store, st statement, indexes ...string) {
	t.Helper()
	text := strings.Join(explainPlan(t, s, st), "\n")
	contains := func(part string) bool { return strings.Contains(text, part) }
	walks := []string{"Seq Scan on geneva", "detail=SCAN", "type=ALL", "type=index "}
	if !slices.ContainsFunc(indexes, contains) || slices.ContainsFunc(walks, contains) {
		t.Errorf("the plan is\n%s\nof %s, without a look into one of %q", text, st.query, indexes)
	}
}
