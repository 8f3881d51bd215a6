package persistence

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

func TestOneOpenWorkflowForASubject(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		made, existing := uuid.Nil, map[string]int{}
		for range 32 {
			wg.Go(func() {
				r := s.Create(context.Background(), createOp(def, "42"))
				mu.Lock()
				defer mu.Unlock()
				var e *domain.Error
				switch {
				case r.Err == nil && made == uuid.Nil:
					made = r.Change.Workflow.ID
				case errors.As(r.Err, &e) && e.Code == domain.CodeWorkflowExists:
					existing[e.WorkflowID]++
				default:
					t.Errorf("create: %v", r.Err)
				}
			})
		}
		wg.Wait()
		if len(existing) != 1 || existing[made.String()] != 31 {
			t.Errorf("made %s, others met %v", made, existing)
		}
	})
}

// TestCancelExistingUnderContention ends with one open workflow, whoever came last.
func TestCancelExistingUnderContention(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				op := createOp(def, "42")
				op.Conflict = domain.ConflictCancelExisting
				if r := s.Create(ctx, op); r.Err != nil {
					t.Error(r.Err)
				}
			})
		}
		wg.Wait()
		all, _, err := s.Workflows(ctx, WorkflowFilter{}, Page{Limit: 100})
		open, _, _ := s.Workflows(ctx, WorkflowFilter{States: []domain.WorkflowState{domain.WorkflowReady}}, Page{Limit: 100})
		if err != nil || len(all) != 8 || len(open) != 1 {
			t.Errorf("%d workflows, %d open, %v", len(all), len(open), err)
		}
	})
}

// TestSubjectsAreComparedExactly has names that a careless index would mix up.
func TestSubjectsAreComparedExactly(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		for _, subject := range [][3]string{
			{"A", "a-b", "c"}, {"A", "a", "b-c"}, {"A", "User", "1"}, {"A", "user", "1"}, {"a", "User", "1"},
			{"A", "User", "é"}, {"A", "User", "e"}, {"A", "User", "e\u0301"}, {"A", "User", "É"}, {"A", "User", "ß"}, {"A", "User", "ss"},
			{"A", "User", "😀"}, {"A", "User", "😁"}, {"A", "User", "0"}, {"A", "User", "00"},
		} {
			def := chain("one")
			def.Type = subject[0]
			params := domain.CreateParams{ID: newID(), ExecutionID: newID(), SubjectType: subject[1], SubjectID: subject[2]}
			op := CreateOp{Build: func(now time.Time) (domain.Change, error) { return domain.NewWorkflow(def, params, now) }}
			if r := s.Create(context.Background(), op); r.Err != nil {
				t.Errorf("%q: %v", subject, r.Err)
			}
			params.ID, params.ExecutionID = newID(), newID()
			if r := s.Create(context.Background(), op); domain.CodeOf(r.Err) != domain.CodeWorkflowExists {
				t.Errorf("%q a second time: %v", subject, r.Err)
			}
			list, _, err := s.Workflows(context.Background(), WorkflowFilter{Types: subject[:1], SubjectTypes: subject[1:2], SubjectIDs: subject[2:]}, Page{Limit: 9})
			if err != nil || len(list) != 1 {
				t.Errorf("%q is found %d times, %v", subject, len(list), err)
			}
		}
	})
}

func TestKeysExpireAfterADay(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for _, key := range []string{"old", "young"} {
			op := createOp(def, key)
			op.Key = &IdempotencyKey{Scope: "s", Key: key, Fingerprint: "f", WorkflowID: newID(), Status: 201}
			if r := s.Create(ctx, op); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		now, err := s.Now(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.NewUpdate().TableExpr(keysTable).Set("created_at = ?", now.Add(-keysKept-time.Second)).
			Where("idempotency_key = 'old'").Exec(ctx); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteExpiredIdempotencyKeys(ctx); err != nil {
			t.Fatal(err)
		}
		left, err := collect(ctx, s, s.read.NewSelect().ColumnExpr("k.idempotency_key").TableExpr(keysTable+" AS k"), 1, (*record).text)
		if err != nil || len(left) != 1 || left[0] != "young" {
			t.Errorf("left are %q, %v", left, err)
		}
	})
}
