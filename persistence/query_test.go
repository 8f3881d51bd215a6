package persistence

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

func TestListsArePagedNewestFirst(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		var want []uuid.UUID
		for range 7 {
			want = append(want, create(t, s, def).Workflow.ID)
		}
		slices.Reverse(want)
		filter := WorkflowFilter{Types: []string{"Chain", "Other"}, States: []domain.WorkflowState{domain.WorkflowReady}}
		var got []uuid.UUID
		page := Page{Limit: 3}
		for {
			list, next, err := s.Workflows(ctx, filter, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range list {
				got = append(got, row.Workflow.ID)
			}
			if page.Cursor = next; next == "" {
				break
			}
			if _, _, err := s.Workflows(ctx, WorkflowFilter{}, page); domain.CodeOf(err) != domain.CodeInvalidCursor {
				t.Errorf("the cursor with other filters: %v", err)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("listed %v, want %v", got, want)
		}
		for _, forged := range []string{"x", "e30", "%%%", "eyJhIjoiMSIsImYiOiIxIn0"} {
			if _, _, err := s.Workflows(ctx, filter, Page{Limit: 1, Cursor: forged}); domain.CodeOf(err) != domain.CodeInvalidCursor {
				t.Errorf("forged cursor %q: %v", forged, err)
			}
		}
	})
}

// What a forged cursor goes on after reaches no database, each of which would choke on another part of it.
func TestForgedCursorsOfNames(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		for _, after := range []string{"", "a\xff", "a\\u0000", "a\\ud800", "é", "a b"} {
			for list, read := range map[string]func(Page) error{
				"definitions": func(p Page) error { _, _, err := s.Definitions(context.Background(), p); return err },
				"endpoints":   func(p Page) error { _, _, err := s.Endpoints(context.Background(), p); return err },
			} {
				cursor := base64.RawURLEncoding.EncodeToString([]byte(`{"a":"` + after + `","f":"` + hashOf(list) + `"}`))
				if err := read(Page{Limit: 1, Cursor: cursor}); domain.CodeOf(err) != domain.CodeInvalidCursor {
					t.Errorf("%s after %q: %v", list, after, err)
				}
			}
		}
	})
}

func TestFiltersOfWorkflows(t *testing.T) {
	def := chain("one", "two")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		paused := create(t, s, def).Workflow
		ready := create(t, s, def).Workflow
		s.Apply(ctx, claimOp(paused, "f"))
		failed := s.Apply(ctx, Op{WorkflowID: paused.ID, Decide: func(now time.Time, row Row) (domain.Change, error) {
			return domain.Settle(def, row.Workflow, *row.Execution, domain.Result{Failure: &domain.Failure{
				ExecutionError: domain.ExecutionError{Code: domain.ErrDNS}}}, domain.SettleParams{Fence: "f", NextID: newID()}, now)
		}})
		if failed.Err != nil {
			t.Fatal(failed.Err)
		}
		between := ready.CreatedAt
		for name, tc := range map[string]struct {
			filter WorkflowFilter
			want   []uuid.UUID
		}{
			"outcome":        {WorkflowFilter{Outcomes: []domain.Outcome{domain.OutcomeFailed}}, []uuid.UUID{paused.ID}},
			"error code":     {WorkflowFilter{ErrorCodes: []domain.ErrorCode{domain.ErrDNS, domain.ErrTLS}}, []uuid.UUID{paused.ID}},
			"step":           {WorkflowFilter{StepNames: []string{"one"}}, []uuid.UUID{ready.ID, paused.ID}},
			"no such step":   {WorkflowFilter{StepNames: []string{"two"}}, nil},
			"created after":  {WorkflowFilter{CreatedAfter: &between}, []uuid.UUID{ready.ID}},
			"created before": {WorkflowFilter{CreatedBefore: &between}, []uuid.UUID{paused.ID}},
			"subject":        {WorkflowFilter{SubjectIDs: []string{ready.SubjectID}}, []uuid.UUID{ready.ID}},
		} {
			list, _, err := s.Workflows(ctx, tc.filter, Page{Limit: 9})
			got := make([]uuid.UUID, 0, len(list))
			for _, row := range list {
				got = append(got, row.Workflow.ID)
			}
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	})
}

// TestEveryLaneIsSwept has a backlog in one lane that must hide no other, and rows that must not be found.
func TestEveryLaneIsSwept(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		want := map[uuid.UUID]bool{}
		add := func(queue string, priority int, wait time.Duration, found bool) {
			def := chain("one")
			def.Steps[0].Queue, def.Steps[0].Priority, def.Steps[0].Wait = queue, priority, wait
			if id := create(t, s, def).Workflow.CurrentExecutionID; found {
				want[id] = true
			}
		}
		for range 20 {
			add("low", 9, 0, false)
		}
		for _, queue := range []string{"critical", "default", "low"} {
			for _, priority := range []int{0, 5} {
				add(queue, priority, 0, true)
				add(queue, priority, time.Hour, false)
			}
		}
		add("default", 1, 30*time.Second, true)
		add("nobodys", 5, 0, true)
		add("theirs", 5, 0, false)
		for role, queues := range map[string][]string{"worker": {"theirs", "default"}, "api": {"nobodys"}} {
			if err := s.RegisterServer(ctx, Server{ID: newID(), Name: role, Role: role, Queues: queues}); err != nil {
				t.Fatal(err)
			}
		}
		held := create(t, s, chain("one")).Workflow
		if r := s.Apply(ctx, Op{WorkflowID: held.ID, Decide: func(now time.Time, row Row) (domain.Change, error) {
			return domain.Control(chain("one"), row.Workflow, row.Execution, domain.Command{Verb: domain.VerbPause}, now)
		}}); r.Err != nil {
			t.Fatal(r.Err)
		}

		found, _, err := s.Due(ctx, []string{"critical", "default", "low"}, time.Minute, 5)
		if err != nil {
			t.Fatal(err)
		}
		low := 0
		for _, c := range found {
			switch {
			case c.Queue == "low" && c.Priority == 9:
				low++
			case !want[c.ExecutionID]:
				t.Errorf("found %+v", c)
			}
			delete(want, c.ExecutionID)
		}
		if len(want) != 0 || low != 5 {
			t.Errorf("not found: %v; %d of the backlog", want, low)
		}
	})
}

func TestLeaseOfAServer(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		ids := []uuid.UUID{newID(), newID(), newID()}
		for i, id := range ids {
			if err := s.RegisterServer(ctx, Server{ID: id, Name: fmt.Sprint(i), Role: "all", Queues: []string{"default"}, Version: "1"}); err != nil {
				t.Fatal(err)
			}
		}
		if dead, err := s.BurySilentServers(ctx, ids[0], time.Minute, time.Minute); err != nil || len(dead) != 0 {
			t.Errorf("buried %v, %v", dead, err)
		}
		if alive, err := s.Heartbeat(ctx, ids[1]); err != nil || !alive {
			t.Errorf("heartbeat: %t, %v", alive, err)
		}
		if _, err := s.db.NewUpdate().TableExpr(serversTable).Set("heartbeat_at = ?", time.Now().UTC().Add(time.Hour)).Where("id = ?", ids[2]).Exec(ctx); err != nil {
			t.Fatal(err)
		}
		if dead, err := s.BurySilentServers(ctx, ids[0], 0, 0); err != nil || len(dead) != 1 || dead[0].ID != ids[1] {
			t.Errorf("buried %v, %v", dead, err)
		}
		if err := s.BuryOtherServers(ctx, ids[0]); err != nil {
			t.Error(err)
		}
		for _, dead := range ids[1:] {
			if alive, err := s.Heartbeat(ctx, dead); err != nil || alive {
				t.Errorf("heartbeat of a dead server: %t, %v", alive, err)
			}
		}
		if alive, err := s.Heartbeat(ctx, ids[0]); err != nil || !alive {
			t.Errorf("heartbeat of the one that asked: %t, %v", alive, err)
		}
	})
}

func TestDefinitionsAreVersioned(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		save := func(anyVersion bool, steps ...string) (int, bool) {
			t.Helper()
			stored, created, err := s.SaveDefinition(ctx, chain(steps...), anyVersion)
			if err != nil {
				t.Fatal(err)
			}
			return stored.Version, created
		}
		for i, tc := range []struct {
			anyVersion bool
			step       string
			version    int
			created    bool
		}{{false, "a", 1, true}, {false, "a", 1, false}, {false, "b", 2, true}, {true, "a", 1, false}, {false, "a", 3, true}} {
			if version, created := save(tc.anyVersion, tc.step); version != tc.version || created != tc.created {
				t.Errorf("save %d: version %d, created %t", i+1, version, created)
			}
		}
		if d, err := s.Definition(ctx, "Chain", 2); err != nil || d.Steps[0].Name != "b" || d.Version != 2 {
			t.Errorf("version 2 is %+v, %v", d, err)
		}
		if list, next, err := s.DefinitionVersions(ctx, "Chain", Page{Limit: 2}); err != nil || len(list) != 2 || list[0].Version != 3 || next == "" {
			t.Errorf("versions: %v, %q, %v", list, next, err)
		}
		if list, _, err := s.Definitions(ctx, Page{Limit: 2}); err != nil || len(list) != 1 || list[0].Version != 3 {
			t.Errorf("definitions: %v, %v", list, err)
		}
	})
}

// TestListsLeaveConnections has as many lists being read as there may be: others wait and are told so in the end, and
// what steps and single reads ask goes on.
func TestListsLeaveConnections(t *testing.T) {
	testenv.Each(t, func(t *testing.T, _, url string) {
		w := create(t, openEmpty(t, url), chain("one")).Workflow
		s, err := Open(t.Context(), Config{URL: url, limits: limits{read: time.Second, write: writeWithin, lease: leaseWithin}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		lists := map[string]func() error{
			"workflows":       func() error { _, _, err := s.Workflows(t.Context(), WorkflowFilter{}, Page{Limit: 1}); return err },
			"step executions": func() error { _, _, err := s.Executions(t.Context(), ExecutionFilter{}, Page{Limit: 1}); return err },
			"bulk": func() error {
				_, err := s.Targets(t.Context(), WorkflowFilter{}, domain.OpenWorkflowStates, uuid.Nil, 1)
				return err
			},
		}
		for name, list := range lists {
			for range 2 * cap(s.searches) {
				if err := list(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if all := s.read.Stats().MaxOpenConnections; 2*cap(s.searches) > all {
			t.Errorf("lists may have %d of %d connections", cap(s.searches), all)
		}
		for range cap(s.searches) {
			s.searches <- struct{}{}
		}
		for name, list := range lists {
			var told *domain.Error
			if err := list(); !errors.Is(err, ErrUnavailable) || !errors.As(err, &told) || !strings.Contains(told.Detail, "Too many lists") {
				t.Errorf("%s beside as many as there may be: %v", name, err)
			}
		}
		if _, err := s.Workflow(t.Context(), w.ID); err != nil {
			t.Error(err)
		}
		if result := s.Apply(t.Context(), claimOp(w, "f1")); result.Err != nil {
			t.Error(result.Err)
		}
	})
}
