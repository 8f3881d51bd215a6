package persistence

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// TestExecutionsAreListedByState has two executions of each state, those that execute both a server's and none's.
func TestExecutionsAreListedByState(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		all := map[domain.ExecutionState][]uuid.UUID{}
		states := []domain.ExecutionState{domain.ExecutionScheduled, domain.ExecutionExecuting, domain.ExecutionCompleted,
			domain.ExecutionFailed, domain.ExecutionCanceled, domain.ExecutionSkipped}
		for round := range 2 {
			for _, state := range states {
				w := create(t, s, def).Workflow
				q := s.db.NewUpdate().Table(executionsTable).Set("state = ?", state).Set("step_name = ?", fmt.Sprint("step", round)).
					Where("id = ?", w.CurrentExecutionID)
				if state == domain.ExecutionExecuting {
					q.Set("deadline = scheduled_for")
					if round == 0 {
						q.Set("claimed_by = ?", newID())
					}
				}
				if _, err := q.Exec(ctx); err != nil {
					t.Fatal(err)
				}
				all[state] = append(all[state], w.CurrentExecutionID)
			}
		}
		list := func(f ExecutionFilter, limit int) (ids []uuid.UUID) {
			t.Helper()
			for page := (Page{Limit: limit}); ; {
				found, next, err := s.Executions(ctx, f, page)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range found {
					ids = append(ids, e.ID)
				}
				if page.Cursor = next; next == "" {
					return ids
				}
			}
		}
		newestFirst := func(states ...domain.ExecutionState) (ids []uuid.UUID) {
			for _, state := range states {
				ids = append(ids, all[state]...)
			}
			slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(b[:], a[:]) })
			return ids
		}
		for _, wanted := range append([][]domain.ExecutionState{states, states[:3], {"executing", "failed", "executing"}},
			slices.Collect(slices.Chunk(states, 1))...) {
			want := newestFirst(slices.Compact(slices.Sorted(slices.Values(wanted)))...)
			for _, limit := range []int{1, 3, 100} {
				if got := list(ExecutionFilter{States: wanted}, limit); !slices.Equal(got, want) {
					t.Errorf("%v by %d: %v, want %v", wanted, limit, got, want)
				}
			}
			first := slices.DeleteFunc(slices.Clone(want), func(id uuid.UUID) bool {
				return !slices.ContainsFunc(states, func(state domain.ExecutionState) bool { return all[state][0] == id })
			})
			if got := list(ExecutionFilter{States: wanted, StepNames: []string{"step0"}}, 2); !slices.Equal(got, first) {
				t.Errorf("%v of a step: %v, want %v", wanted, got, first)
			}
		}
		if got, want := list(ExecutionFilter{}, 5), newestFirst(states...); !slices.Equal(got, want) {
			t.Errorf("any state: %v, want %v", got, want)
		}
		one := all[domain.ExecutionFailed][1]
		e, _, err := s.Execution(ctx, one)
		if err != nil {
			t.Fatal(err)
		}
		of := ExecutionFilter{WorkflowIDs: []uuid.UUID{e.WorkflowID}, States: []domain.ExecutionState{"failed", "executing"}}
		if got := list(of, 5); !slices.Equal(got, []uuid.UUID{one}) {
			t.Errorf("of a workflow: %v", got)
		}
	})
}

// TestHistoryIsPaged reads that of a workflow that goes on, and that of one that has ended.
func TestHistoryIsPaged(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		w := create(t, s, def).Workflow
		claimed := s.Apply(ctx, claimOp(w, "f"))
		if claimed.Err != nil {
			t.Fatal(claimed.Err)
		}
		const executions = 7
		c := claimed.Change
		for range executions - 1 {
			r := s.Apply(ctx, againOp(def, c))
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			c = domain.Change{Workflow: r.Change.Workflow, Execution: r.Change.Next}
		}
		for _, ended := range []bool{false, true} {
			if ended {
				calls := 0
				if r := s.Apply(ctx, settleOp(def, c.Workflow, c.Execution.Fence, &calls)); r.Err != nil {
					t.Fatal(r.Err)
				}
			}
			for _, limit := range []int{1, 3, executions - 1, executions} {
				var seqs []int
				for page := (Page{Limit: limit}); ; {
					list, next, err := s.History(ctx, w.ID, page)
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range list {
						seqs = append(seqs, e.Seq)
					}
					if page.Cursor = next; next == "" {
						break
					}
				}
				if !slices.Equal(seqs, []int{1, 2, 3, 4, 5, 6, 7}) {
					t.Errorf("ended %v, by %d: %v", ended, limit, seqs)
				}
			}
		}
	})
}

// TestAWorkflowHasOneOpenExecution looks to the index for it, and for the seq of those that have ended.
func TestAWorkflowHasOneOpenExecution(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		w := create(t, s, chain("one")).Workflow
		add := func(seq int, state domain.ExecutionState) error {
			e := domain.Execution{ID: newID(), WorkflowID: w.ID, Seq: seq, StepName: "one", State: state, ScheduledFor: w.CreatedAt,
				Queue: "default", CreatedAt: w.CreatedAt}
			st := statement{query: s.dialect.text.insertOne[insertExecution], args: executionInsert(&e), rows: 1}
			return s.transact(context.Background(), func(t transaction) error { return t.commit(context.Background(), st) })
		}
		for _, state := range []domain.ExecutionState{domain.ExecutionScheduled, domain.ExecutionExecuting} {
			if err := add(2, state); faultOf(err) != faultUnique {
				t.Errorf("another that is %s: %v", state, err)
			}
		}
		if err := add(3, domain.ExecutionCompleted); err != nil {
			t.Error(err)
		}
		if err := add(3, domain.ExecutionFailed); faultOf(err) != faultUnique {
			t.Errorf("another of the same seq: %v", err)
		}
	})
}
