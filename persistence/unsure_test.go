package persistence

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/netfault"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestALostCommitIsKnownByWhatItLeft loses the reply to a commit that leaves its execution open, and has another
// server claim that before anybody can ask: the decision counted, and is not made again.
func TestALostCommitIsKnownByWhatItLeft(t *testing.T) {
	def := chain("one", "two")
	settle := func(r domain.Result) func(time.Time, Row) (domain.Change, error) {
		return func(now time.Time, row Row) (domain.Change, error) {
			return domain.Settle(def, row.Workflow, *row.Execution, r, domain.SettleParams{Fence: "f1", NextID: newID()}, now)
		}
	}
	def.Steps[0].CallbackTimeout = time.Hour
	for name, tt := range map[string]struct {
		claimed bool // before
		verb    bool
		decide  func(now time.Time, row Row) (domain.Change, error)
		since   bool // it is claimed by another server
	}{
		"a retry": {claimed: true, since: true, decide: settle(domain.Result{Status: 500, Failure: &domain.Failure{Retryable: true,
			ExecutionError: domain.ExecutionError{Code: domain.ErrHTTPStatus, Status: 500}}})},
		"an answer for later": {claimed: true, decide: settle(domain.Result{Later: true, Status: 202})},
		"a step brought forward": {verb: true, since: true, decide: func(now time.Time, row Row) (domain.Change, error) {
			return domain.Control(def, row.Workflow, row.Execution, domain.Command{Verb: domain.VerbReattempt, NextID: newID(), Fence: "verb"}, now)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.Each(t, func(t *testing.T, dialect, databaseURL string) {
				if dialect == "sqlite" {
					return // where no other server is
				}
				ctx := t.Context()
				u, err := url.Parse(databaseURL)
				if err != nil {
					t.Fatal(err)
				}
				direct := openEmpty(t, databaseURL)
				p := netfault.Start(t, u.Host)
				u.Host = p.Addr
				s, err := Open(ctx, Config{URL: u.String(), MaxConns: 1})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })

				w := create(t, direct, def).Workflow
				if tt.claimed {
					if r := s.Apply(ctx, claimOp(w, "f1")); r.Err != nil {
						t.Fatal(r.Err)
					}
				}
				if _, err := s.Workflow(ctx, w.ID); err != nil { // so that there is a connection
					t.Fatal(err)
				}
				decided := 0
				op := Op{WorkflowID: w.ID, ExecutionID: w.CurrentExecutionID, Decide: func(now time.Time, row Row) (domain.Change, error) {
					decided++
					return tt.decide(now, row)
				}}
				if tt.verb {
					op.ExecutionID = uuid.Nil
				}
				before, err := direct.Workflow(ctx, w.ID)
				if err != nil {
					t.Fatal(err)
				}
				p.Refuse(true)
				p.Strike(netfault.LoseReply)
				done := make(chan Result, 1)
				go func() { done <- s.Apply(context.WithoutCancel(ctx), op) }()
				awaitVersion(t, direct, w.ID, before.Workflow.LockVersion+1)
				if tt.since {
					claimAway(t, direct, w)
				}
				p.Refuse(false)
				if r := <-done; r.Err != nil || decided != 1 {
					t.Errorf("decided %d times: %v", decided, r.Err)
				}
				history, _, err := direct.History(ctx, w.ID, Page{Limit: 10})
				if err != nil || len(history) != 1 || tt.since && history[0].Fence != "another" {
					t.Errorf("history is %+v, %v", history, err)
				}
			})
		})
	}
}

// awaitVersion waits until a workflow has been written that often.
func awaitVersion(t *testing.T, s *Store, id uuid.UUID, version int64) {
	t.Helper()
	tick, late := time.NewTicker(2*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for {
		row, err := s.Workflow(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if row.Workflow.LockVersion >= version {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("the workflow is still in version %d", row.Workflow.LockVersion)
		}
	}
}

// claimAway has another server claim the execution, whenever that is due.
func claimAway(t *testing.T, s *Store, w domain.Workflow) {
	t.Helper()
	ctx := t.Context()
	if _, err := s.db.NewUpdate().Table(workflowsTable).Set("state = 'performing', lock_version = lock_version + 1").Where("id = ?", w.ID).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.NewUpdate().Table(executionsTable).Set("fence = 'another', state = 'executing', attempt = attempt + 1, claimed_by = ?, started_at = ?", uuid.Max, w.CreatedAt).
		Where("id = ?", w.CurrentExecutionID).Exec(ctx); err != nil {
		t.Fatal(err)
	}
}
