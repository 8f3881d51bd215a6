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

// eachFaulty runs a test on a store whose server stands behind a proxy; SQLite has no connection to lose.
func eachFaulty(t *testing.T, test func(t *testing.T, s *Store, p *netfault.Proxy)) {
	testenv.Each(t, func(t *testing.T, name, databaseURL string) {
		if name == "sqlite" {
			return
		}
		u, err := url.Parse(databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		p := netfault.Start(t, u.Host)
		u.Host = p.Addr
		test(t, openEmpty(t, u.String()), p)
	})
}

func openEmpty(t *testing.T, databaseURL string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Config{URL: databaseURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

var faultsOfCommit = map[string]netfault.Fault{"the request is lost": netfault.LoseRequest, "the reply is lost": netfault.LoseReply}

func chain(steps ...string) *domain.Definition {
	def := &domain.Definition{Type: "Chain", Version: 1, Format: domain.FormatVersion}
	for _, name := range steps {
		def.Steps = append(def.Steps, domain.Step{Name: name, Queue: "default", Priority: 5, Retry: domain.DefaultRetry,
			OnException: domain.OnException{Action: domain.OnExceptionPause}, Webhook: domain.Webhook{URL: "http://127.0.0.1/"}})
	}
	return def
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// createOp makes a workflow of a definition for a subject.
func createOp(def *domain.Definition, subject string) CreateOp {
	params := domain.CreateParams{ID: newID(), ExecutionID: newID(), SubjectType: "User", SubjectID: subject}
	return CreateOp{
		Type: def.Type, SubjectType: "User", SubjectID: subject,
		Build: func(now time.Time) (domain.Change, error) { return domain.NewWorkflow(def, params, now) },
		Cancel: func(now time.Time, row Row) (domain.Change, error) {
			return domain.Control(def, row.Workflow, row.Execution, domain.Command{Verb: domain.VerbCancel, Fence: "canceled"}, now)
		},
	}
}

func create(t *testing.T, s *Store, def *domain.Definition) domain.Change {
	t.Helper()
	result := s.Create(context.Background(), createOp(def, uuid.NewString()))
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	return result.Change
}

func claimOp(w domain.Workflow, fence domain.Fence) Op {
	return Op{WorkflowID: w.ID, ExecutionID: w.CurrentExecutionID, Decide: func(now time.Time, row Row) (domain.Change, error) {
		return domain.Claim(row.Workflow, *row.Execution, domain.ClaimParams{Fence: fence, Server: uuid.Max, Budget: time.Minute}, now)
	}}
}

// settleOp completes the claimed execution; calls counts the decisions.
func settleOp(def *domain.Definition, w domain.Workflow, fence domain.Fence, calls *int) Op {
	params := domain.SettleParams{Fence: fence, NextID: newID()}
	return Op{WorkflowID: w.ID, ExecutionID: w.CurrentExecutionID, Decide: func(now time.Time, row Row) (domain.Change, error) {
		*calls++
		return domain.Settle(def, row.Workflow, *row.Execution, domain.Result{Answer: &domain.Answer{Action: domain.ActionComplete}}, params, now)
	}}
}

func TestLostCommitOfASettleIsOneOutcome(t *testing.T) {
	def := chain("one", "two")
	for name, fault := range faultsOfCommit {
		t.Run(name, func(t *testing.T) {
			eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
				ctx := context.Background()
				w := create(t, s, def).Workflow
				p.Strike(fault)
				claimed := s.Apply(ctx, claimOp(w, "f1"))
				if claimed.Err != nil || claimed.Change.Execution.Attempt != 1 {
					t.Fatalf("claim: %+v", claimed)
				}
				p.Strike(fault)
				calls := 0
				settled := s.Apply(ctx, settleOp(def, w, "f1", &calls))
				if settled.Err != nil || settled.Change.Next == nil {
					t.Fatalf("settle: %+v", settled)
				}
				if want := map[netfault.Fault]int{netfault.LoseRequest: 2, netfault.LoseReply: 1}[fault]; calls != want {
					t.Errorf("decided %d times, want %d", calls, want)
				}
				if p.Struck() != 2 {
					t.Errorf("%d commits met the fault", p.Struck())
				}
				history, _, err := s.History(ctx, w.ID, Page{Limit: 10})
				if err != nil || len(history) != 2 || history[0].Outcome != domain.OutcomeCompleted || history[1].ID != settled.Change.Next.ID {
					t.Errorf("history is %+v, %v", history, err)
				}
			})
		})
	}
}

func TestLostCommitOfABatchIsOneOutcomeEach(t *testing.T) {
	def := chain("one", "two")
	for name, fault := range faultsOfCommit {
		t.Run(name, func(t *testing.T) {
			eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
				ctx := context.Background()
				const n = 8
				calls := make([]int, n)
				var ops []Op
				for i := range n {
					w := create(t, s, def).Workflow
					if claimed := s.Apply(ctx, claimOp(w, "f1")); claimed.Err != nil {
						t.Fatal(claimed.Err)
					}
					ops = append(ops, settleOp(def, w, "f1", &calls[i]))
				}
				p.Strike(fault)
				for i, r := range applyAll(s, ops) {
					if r.Err != nil || r.Change.Next == nil {
						t.Fatalf("member %d: %+v", i, r)
					}
					history, _, err := s.History(ctx, ops[i].WorkflowID, Page{Limit: 10})
					if err != nil || len(history) != 2 || history[1].ID != r.Change.Next.ID {
						t.Errorf("history of %d is %+v, %v", i, history, err)
					}
				}
				if p.Struck() != 1 {
					t.Errorf("%d commits met the fault", p.Struck())
				}
			})
		})
	}
}

// applyAll applies a batch and waits for all of its results.
func applyAll(s *Store, ops []Op) []Result {
	results := make([]Result, len(ops))
	done := make(chan struct{}, len(ops))
	s.ApplyBatch(context.Background(), ops, func(i int, r Result) {
		results[i] = r
		done <- struct{}{}
	})
	for range ops {
		<-done
	}
	return results
}

func TestLostCommitOfACreateIsOneWorkflow(t *testing.T) {
	def := chain("one")
	for name, fault := range faultsOfCommit {
		for _, keyed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
					ctx := context.Background()
					op := createOp(def, "1")
					if keyed {
						change, _ := op.Build(time.Now())
						op.Key = &IdempotencyKey{Scope: "s", Key: "k", Fingerprint: "f", WorkflowID: change.Workflow.ID, Status: 201}
					}
					p.Strike(fault)
					result := s.Create(ctx, op)
					if result.Err != nil || result.Existing != nil {
						t.Fatalf("create: %+v", result)
					}
					list, _, err := s.Workflows(ctx, WorkflowFilter{}, Page{Limit: 10})
					if err != nil || len(list) != 1 || list[0].Workflow.ID != result.Change.Workflow.ID {
						t.Errorf("workflows are %+v, %v", list, err)
					}
				})
			})
		}
	}
}

func TestAnAbsentDatabaseIsUnavailable(t *testing.T) {
	def := chain("one")
	eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
		ctx := context.Background()
		w := create(t, s, def).Workflow
		p.Refuse(true)
		p.Cut()
		if r := s.Apply(ctx, claimOp(w, "f1")); domain.CodeOf(r.Err) != domain.CodeUnavailable {
			t.Errorf("claim: %v", r.Err)
		}
		if r := s.Create(ctx, createOp(def, "2")); domain.CodeOf(r.Err) != domain.CodeUnavailable {
			t.Errorf("create: %v", r.Err)
		}
		if _, err := s.Workflow(ctx, w.ID); domain.CodeOf(err) != domain.CodeUnavailable {
			t.Errorf("read: %v", err)
		}
		p.Refuse(false)
		if r := s.Apply(ctx, claimOp(w, "f1")); r.Err != nil {
			t.Errorf("claim after the outage: %v", r.Err)
		}
	})
}

// TestAQueryWhoseConnectionBreaksIsUnavailable breaks the connection in the middle of a query that is no transaction of the
// write path. One that changes rows is run again. The proxy knows the queries by the subject's id.
func TestAQueryWhoseConnectionBreaksIsUnavailable(t *testing.T) {
	eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
		ctx := context.Background()
		for name, fault := range faultsOfCommit {
			p.Strike(fault)
			if _, err := s.Subject(ctx, "User", "COMMIT"); domain.CodeOf(err) != domain.CodeUnavailable {
				t.Errorf("a read, %s: %v", name, err)
			}
			p.Strike(fault)
			if _, _, err := s.PutSubject(ctx, "User", "COMMIT", []byte("{}")); err != nil {
				t.Errorf("a write, %s: %v", name, err)
			}
		}
		if p.Struck() != 4 {
			t.Errorf("%d queries met the fault", p.Struck())
		}
	})
}
