package persistence

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// TestListsReadWhatTheyShow has many workflows, and what is looked for at one end of them, where a planner that takes it to
// lie anywhere may come to last: each list walks along the index of its filter, and reads little more than it shows.
func TestListsReadWhatTheyShow(t *testing.T) {
	day := func(n time.Duration) *time.Time { at := time.Now().Add(n * 24 * time.Hour); return &at }
	failed, open := []domain.Outcome{domain.OutcomeFailed}, []domain.WorkflowState{domain.WorkflowReady, domain.WorkflowPaused}
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		old := inState(t, s, "Old", 2500, domain.WorkflowFinished, domain.ExecutionCompleted, domain.OutcomeCompleted)
		stopped := inState(t, s, "Old", 30, domain.WorkflowPaused, domain.ExecutionFailed, domain.OutcomeFailed)
		backlog(t, s, chain("one"))
		inState(t, s, "New", 2500, domain.WorkflowFinished, domain.ExecutionCompleted, domain.OutcomeCompleted)
		analyze(t, s, workflowsTable)
		analyze(t, s, executionsTable)
		for name, tc := range map[string]struct {
			filter WorkflowFilter
			index  string
			found  int // by a list of ten
		}{
			"a type of many":          {WorkflowFilter{Types: []string{"Chain"}}, "type_state", 10},
			"a type":                  {WorkflowFilter{Types: []string{"Old"}}, "type_state", 10},
			"types":                   {WorkflowFilter{Types: []string{"Old", "None", "Old"}}, "type_state", 10},
			"a type in a state":       {WorkflowFilter{Types: []string{"Old"}, States: []domain.WorkflowState{domain.WorkflowFinished}}, "type_state", 10},
			"a type in states":        {WorkflowFilter{Types: []string{"Old"}, States: []domain.WorkflowState{domain.WorkflowFinished, domain.WorkflowCanceled}}, "type_state", 10},
			"a state of many":         {WorkflowFilter{States: []domain.WorkflowState{domain.WorkflowReady}}, "state", 10},
			"a state":                 {WorkflowFilter{States: []domain.WorkflowState{domain.WorkflowFinished}}, "state", 10},
			"states":                  {WorkflowFilter{States: []domain.WorkflowState{domain.WorkflowFinished, domain.WorkflowCanceled}}, "state", 10},
			"an outcome":              {WorkflowFilter{Outcomes: failed}, "state", 10},
			"an outcome of a type":    {WorkflowFilter{Types: []string{"Old"}, Outcomes: failed}, "type_state", 10},
			"an outcome in no state":  {WorkflowFilter{States: []domain.WorkflowState{domain.WorkflowFinished}, Outcomes: failed}, "", 0},
			"a subject":               {WorkflowFilter{SubjectTypes: []string{"User"}, SubjectIDs: []string{stopped.SubjectID}}, "subject", 1},
			"a subject's id":          {WorkflowFilter{SubjectIDs: []string{stopped.SubjectID, old.SubjectID}}, "subject", 2},
			"a subject's id and type": {WorkflowFilter{Types: []string{"Old"}, States: open, SubjectIDs: []string{stopped.SubjectID, old.SubjectID}}, "subject", 1},
			"made later":              {WorkflowFilter{CreatedAfter: day(2)}, primary(s, workflowsTable), 0},
			"made before":             {WorkflowFilter{CreatedBefore: day(-2)}, primary(s, workflowsTable), 0},
			"in a state, made before": {WorkflowFilter{States: open, CreatedBefore: day(-2)}, "state", 0},
		} {
			for _, direction := range []string{"ASC", "DESC"} {
				lanes, err := s.workflowLanes(ctx, tc.filter, "w.id", direction, 11)
				if err != nil || (len(lanes) == 0) != (tc.index == "") {
					t.Fatalf("%s: %d lanes, %v", name, len(lanes), err)
				}
				for _, q := range lanes {
					if s.Dialect() != "postgres" { // which may choose another index for what it thinks to be little
						expectWalk(t, s, name, q, tc.index, false)
					}
				}
			}
			list, _, err := s.Workflows(ctx, tc.filter, Page{Limit: 10})
			if err != nil || len(list) != tc.found {
				t.Errorf("%s: listed are %d, %v", name, len(list), err)
			}
			q, err := s.newestWorkflows(ctx, tc.filter, uuid.Nil, 11)
			if err != nil {
				t.Fatal(err)
			}
			expectFewRead(t, s, name, q, 250)
			if q, err = s.targets(ctx, tc.filter, domain.OpenWorkflowStates, uuid.Nil, 10); err != nil {
				t.Fatal(err)
			}
			expectFewRead(t, s, "targets: "+name, q, 250)
		}
		for _, state := range []domain.ExecutionState{domain.ExecutionFailed, domain.ExecutionScheduled} {
			q := s.executionLanes(ExecutionFilter{States: []domain.ExecutionState{state}}, 10)[0]
			expectFewRead(t, s, "executions: "+string(state), q, 250)
		}
	})
}

// inState makes workflows of a type in a state, each with one execution, and gives the last.
func inState(t *testing.T, s *Store, typ string, n int, state domain.WorkflowState, its domain.ExecutionState, outcome domain.Outcome) (last domain.Workflow) {
	t.Helper()
	def := chain("one")
	def.Type = typ
	for left := n; left > 0; left -= 250 {
		var save saving
		for range min(left, 250) {
			params := domain.CreateParams{ID: newID(), ExecutionID: newID(), SubjectType: "User", SubjectID: uuid.NewString()}
			c, err := domain.NewWorkflow(def, params, time.Now().UTC().Truncate(time.Microsecond))
			if err != nil {
				t.Fatal(err)
			}
			c.Workflow.State, c.Next.State = state, its
			save.newWorkflows = append(save.newWorkflows, workflowInsert(&c.Workflow))
			save.addNew(&c)
			last = c.Workflow
		}
		if err := s.transact(t.Context(), func(tx transaction) error { return tx.commit(t.Context(), save.statements(&s.dialect)...) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.db.NewUpdate().Table(executionsTable).Set("outcome = ?", outcome).Where("state = ?", its).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	return last
}

// expectFewRead runs a query that is to read no more than so many rows. SQLite does not count what it reads.
func expectFewRead(t *testing.T, s *Store, what string, q *bun.SelectQuery, atMost int) {
	t.Helper()
	if q == nil {
		return
	}
	read := 0
	switch s.Dialect() {
	case "mysql":
		conn, err := s.db.Conn(t.Context()) // whose session counts
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		before := rowsRead(t, conn)
		if _, err := conn.ExecContext(t.Context(), q.String()); err != nil {
			t.Fatal(err)
		}
		read = rowsRead(t, conn) - before
	case "postgres":
		read = rowsScanned(t, runExplain(t, s, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "+q.String()))
	}
	if read > atMost {
		t.Errorf("%s: %d rows are read by %s\n%s", what, read, q, strings.Join(runExplain(t, s, explaining[s.Dialect()]+q.String()), "\n"))
	}
}

var scanned = regexp.MustCompile(`Scan .*rows=(\d+) loops=(\d+)|Rows Removed by Filter: (\d+)`)

// rowsScanned is how many rows PostgreSQL has read for a plan.
func rowsScanned(t *testing.T, p plan) (sum int) {
	t.Helper()
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(fmt.Errorf("the plan\n%s: %w", strings.Join(p, "\n"), err))
		}
		return n
	}
	for _, step := range p {
		switch found := scanned.FindStringSubmatch(step); {
		case found == nil:
		case found[3] != "":
			sum += number(found[3])
		default:
			sum += number(found[1]) * number(found[2])
		}
	}
	return sum
}
