package persistence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// eachStore runs a test on an empty store of every database.
func eachStore(t *testing.T, test func(t *testing.T, s *Store)) {
	testenv.Each(t, func(t *testing.T, _, url string) { test(t, openEmpty(t, url)) })
}

func TestConcurrentClaimsHaveOneWinner(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		w := create(t, s, def).Workflow
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 32 {
			wg.Go(func() {
				r := s.Apply(context.Background(), claimOp(w, domain.Fence(fmt.Sprint("f", i))))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case r.Err == nil:
					won++
				case !errors.Is(r.Err, domain.ErrNotClaimable):
					t.Error(r.Err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d claims won", won)
		}
	})
}

// TestBadMembersCostTheirNeighboursNothing has a batch with a member whose row is locked, one that is stale,
// one that shares a workflow, one that the database cannot hold, and good ones.
func TestBadMembersCostTheirNeighboursNothing(t *testing.T) {
	def := chain("one", "two")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		const n = 8
		calls := make([]int, n)
		ops := make([]Op, n)
		for i := range n {
			w := create(t, s, def).Workflow
			if r := s.Apply(ctx, claimOp(w, "f1")); r.Err != nil {
				t.Fatal(r.Err)
			}
			ops[i] = settleOp(def, w, "f1", &calls[i])
		}
		stale := ops[2].Decide
		ops[2].Decide = func(now time.Time, row Row) (domain.Change, error) {
			row.Execution.Fence = "somebody else's"
			return stale(now, row)
		}
		ops[3] = Op{WorkflowID: ops[4].WorkflowID, ExecutionID: ops[4].ExecutionID, Decide: ops[4].Decide}
		good := ops[5].Decide
		ops[5].Decide = func(now time.Time, row Row) (domain.Change, error) {
			c, err := good(now, row)
			c.Execution.State = domain.ExecutionState(strings.Repeat("x", 100)) // against the table's check
			return c, err
		}
		// A transaction of somebody else's holds the first member for as long as the batch needs.
		release := make(chan struct{})
		if s.Dialect() != "sqlite" {
			hold(t, s, ops[0].WorkflowID, release)
		}
		results := make([]Result, n)
		var finished sync.WaitGroup
		finished.Add(n)
		var others sync.WaitGroup
		others.Add(n - 1)
		s.ApplyBatch(ctx, ops, func(i int, r Result) {
			results[i] = r
			if i > 0 {
				others.Done()
			}
			finished.Done()
		})
		others.Wait() // though the first is still held
		close(release)
		finished.Wait()

		for i, r := range results {
			switch i {
			case 2:
				if !errors.Is(r.Err, domain.ErrFenced) {
					t.Errorf("the stale member: %v", r.Err)
				}
			case 3, 4:
				if r.Err != nil && !errors.Is(r.Err, domain.ErrSettled) {
					t.Errorf("member %d of two for one workflow: %v", i, r.Err)
				}
			case 5:
				if !errors.Is(r.Err, ErrUnsavable) {
					t.Errorf("the unsavable member: %v", r.Err)
				}
			default:
				if r.Err != nil || r.Change.Next == nil {
					t.Errorf("member %d: %v", i, r.Err)
				}
			}
		}
		if (results[3].Err == nil) == (results[4].Err == nil) {
			t.Errorf("two for one workflow: %v and %v", results[3].Err, results[4].Err)
		}
	})
}

// hold locks a workflow's row until release is closed.
func hold(t *testing.T, s *Store, id uuid.UUID, release chan struct{}) {
	t.Helper()
	holdBy(t, s, release, "UPDATE "+workflowsTable+" SET updated_at = updated_at WHERE id = ?", id.String())
}

// holdBy holds what a statement locks until release is closed, and then takes back what it did.
func holdBy(t *testing.T, s *Store, release chan struct{}, query string, args ...any) {
	t.Helper()
	tx, err := s.db.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(s.dialect.bind(query), args...); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-release
		_ = tx.Rollback()
	}()
}

func TestChangesAreReadBackAsTheyWereSaved(t *testing.T) {
	def := chain("one", "two")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		created := create(t, s, def)
		w := created.Workflow
		row, err := s.Workflow(ctx, w.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "created workflow", row.Workflow, w)
		same(t, "created execution", *row.Execution, *created.Next)

		r := s.Apply(ctx, claimOp(w, "f1"))
		row, _ = s.Workflow(ctx, w.ID)
		same(t, "claimed workflow", row.Workflow, r.Change.Workflow)
		same(t, "claimed execution", *row.Execution, *r.Change.Execution)

		failed := Op{WorkflowID: w.ID, ExecutionID: row.Execution.ID, Decide: func(now time.Time, row Row) (domain.Change, error) {
			return domain.Settle(def, row.Workflow, *row.Execution, domain.Result{Status: 500, DurationMS: 12, Excerpt: "ü\n'\\", Failure: &domain.Failure{
				ExecutionError: domain.ExecutionError{Code: domain.ErrHTTPStatus, Message: "it's \"broken\" ?", Backtrace: "a\nb", Status: 500}}},
				domain.SettleParams{Fence: "f1", NextID: newID()}, now)
		}}
		r = s.Apply(ctx, failed)
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		row, _ = s.Workflow(ctx, w.ID)
		same(t, "paused workflow", row.Workflow, r.Change.Workflow)
		same(t, "failed execution", *row.Execution, *r.Change.Execution)
		_, attempts, err := s.Execution(ctx, row.Execution.ID)
		if err != nil || len(attempts) != 1 {
			t.Fatalf("attempts: %v, %v", attempts, err)
		}
		same(t, "attempt", attempts[0], *r.Change.Attempt)
	})
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", deref(got)), fmt.Sprintf("%+v", deref(want)); g != w {
		t.Errorf("%s is\n%s, want\n%s", what, g, w)
	}
}

// deref shows what the pointers of a row point to.
func deref(v any) any {
	at := func(t *time.Time) string {
		if t == nil {
			return "never"
		}
		return t.String()
	}
	switch v := v.(type) {
	case domain.Workflow:
		pause := domain.Pause{}
		if v.Pause != nil {
			pause = *v.Pause
		}
		times := []string{at(v.StartedAt), at(v.FinishedAt), at(v.CanceledAt)}
		v.Pause, v.StartedAt, v.FinishedAt, v.CanceledAt = nil, nil, nil, nil
		return []any{v, pause, times}
	case domain.Execution:
		fault := domain.ExecutionError{}
		if v.Error != nil {
			fault = *v.Error
		}
		times := []string{at(v.Deadline), at(v.StartedAt), at(v.CompletedAt), at(v.FailedAt), at(v.CanceledAt), at(v.SkippedAt)}
		v.Error, v.Deadline, v.StartedAt, v.CompletedAt, v.FailedAt, v.CanceledAt, v.SkippedAt = nil, nil, nil, nil, nil, nil, nil
		return []any{v, fault, times}
	}
	return v
}
