package persistence

import (
	"context"
	"database/sql/driver"
	"errors"
	"net/url"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/dbfault"
	"github.com/genevadrive/genevadrive/internal/netfault"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// line is what a store of these tests reaches its database by.
type line struct {
	lose func() // the next commit happens, its reply is lost, and the database is away
	drop func() // the next commit is lost on its way, and the database is away
	mend func()
}

// openOnALine opens a database whose schema is there.
func openOnALine(t *testing.T, dialect, databaseURL string) (*Store, line) {
	t.Helper()
	var l line
	cfg := Config{URL: databaseURL, MaxConns: 1}
	if dialect == "sqlite" {
		var armed, away atomic.Bool
		var verdict dbfault.Verdict
		cfg.Wrap = func(real driver.Connector) driver.Connector {
			return dbfault.New(real, false, nil, func(call dbfault.Call) dbfault.Verdict {
				switch {
				case away.Load():
					return dbfault.Lost
				case call == dbfault.Commit && armed.CompareAndSwap(true, false):
					away.Store(true)
					return verdict
				}
				return dbfault.Pass
			})
		}
		arm := func(v dbfault.Verdict) func() {
			return func() {
				verdict = v
				armed.Store(true)
			}
		}
		l = line{lose: arm(dbfault.Unknown), drop: arm(dbfault.Lost), mend: func() { away.Store(false) }}
	} else {
		u, err := url.Parse(databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		p := netfault.Start(t, u.Host)
		u.Host = p.Addr
		cfg.URL = u.String()
		arm := func(f netfault.Fault) func() {
			return func() {
				p.Refuse(true)
				p.Strike(f)
			}
		}
		l = line{lose: arm(netfault.LoseReply), drop: arm(netfault.LoseRequest), mend: func() { p.Refuse(false) }}
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, l
}

// decision is what an Op decides, the same each time.
type decision = func(now time.Time, row Row) (domain.Change, error)

// unsureDef is what the workflows of these tests run.
func unsureDef() *domain.Definition {
	def := chain("one", "two")
	def.Steps[0].CallbackTimeout = time.Hour
	return def
}

var serverError = domain.Result{Status: 500, Failure: &domain.Failure{Retryable: true,
	ExecutionError: domain.ExecutionError{Code: domain.ErrHTTPStatus, Status: 500}}}

func settled(fence domain.Fence, r domain.Result) decision {
	params := domain.SettleParams{Fence: fence, NextID: newID()}
	return func(now time.Time, row Row) (domain.Change, error) {
		return domain.Settle(unsureDef(), row.Workflow, *row.Execution, r, params, now)
	}
}

func verb(verb domain.Verb, wait time.Duration) decision {
	cmd := domain.Command{Verb: verb, NextID: newID(), Fence: domain.Fence(uuid.NewString())}
	if verb == domain.VerbReattempt {
		cmd.Wait = &wait
	}
	return func(now time.Time, row Row) (domain.Change, error) {
		return domain.Control(unsureDef(), row.Workflow, row.Execution, cmd, now)
	}
}

func late(a domain.Answer) decision {
	params := domain.CallbackParams{NextID: newID(), Fence: domain.Fence(uuid.NewString())}
	return func(now time.Time, row Row) (domain.Change, error) {
		return domain.Callback(unsureDef(), row.Workflow, *row.Execution, &a, params, now)
	}
}

func patch(patch string) decision {
	return func(now time.Time, row Row) (domain.Change, error) {
		return domain.PatchData(row.Workflow, []byte(patch), now)
	}
}

// TestALostCommitIsKnownByWhatItLeft loses the reply to a commit, and has others do something to the workflow before
// anybody can ask: the decision counted, it is not made again, and what the others did stands.
func TestALostCommitIsKnownByWhatItLeft(t *testing.T) {
	type others func(t *testing.T, s *Store, w domain.Workflow)
	do := func(d decision) others {
		return func(t *testing.T, s *Store, w domain.Workflow) {
			t.Helper()
			if r := s.Apply(t.Context(), Op{WorkflowID: w.ID, Decide: d}); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
	claimed := func(t *testing.T, s *Store, w domain.Workflow) {
		t.Helper()
		if r := s.Apply(t.Context(), claimOp(w, "f1")); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	all := func(list ...others) others {
		return func(t *testing.T, s *Store, w domain.Workflow) {
			t.Helper()
			for _, each := range list {
				each(t, s, w)
			}
		}
	}
	failure := domain.Answer{Action: domain.ActionFail, Retryable: true}
	retried := settled("another", serverError)
	for name, tt := range map[string]struct {
		before others
		op     decision
		client bool // it is a client's, which has no fence
		named  bool // the execution is
		since  others
		mark   bool
	}{
		"a retry":             {before: claimed, named: true, op: settled("f1", serverError), since: claimAway},
		"an answer for later": {before: claimed, named: true, op: settled("f1", domain.Result{Later: true, Status: 202})},

		"a step brought forward": {client: true, op: verb(domain.VerbReattempt, 0), since: claimAway, mark: true},
		"a step brought forward, and put off since": {client: true, op: verb(domain.VerbReattempt, 0),
			since: do(verb(domain.VerbReattempt, time.Hour)), mark: true},
		"a pause, and resumed since": {client: true, op: verb(domain.VerbPause, 0), since: do(verb(domain.VerbResume, 0)), mark: true},
		"a pause of a step in flight, and resumed since": {before: claimed, client: true, op: verb(domain.VerbPause, 0),
			since: do(verb(domain.VerbResume, 0)), mark: true},
		"a resume, and paused since": {before: do(verb(domain.VerbPause, 0)), client: true, op: verb(domain.VerbResume, 0),
			since: do(verb(domain.VerbPause, 0)), mark: true},
		"a patch, and another since": {client: true, op: patch(`{"a": 1}`), since: do(patch(`{"a": 2}`)), mark: true},
		"a skip, and skipped since":  {client: true, op: verb(domain.VerbSkip, 0), since: do(verb(domain.VerbSkip, 0))},
		"a step superseded, and skipped since": {before: claimed, client: true, op: verb(domain.VerbReattempt, 0),
			since: do(verb(domain.VerbSkip, 0))},
		"a late failure of a step that is scheduled, and claimed since": {before: all(claimed, do(settled("f1", serverError))),
			client: true, named: true, op: late(failure), since: claimAway, mark: true},
		"a late failure, and claimed and retried since": {before: claimed, client: true, named: true, op: late(failure),
			since: all(claimAway, do(retried)), mark: true},
		"a late answer that pauses, and resumed since": {before: claimed, client: true, named: true,
			op: late(domain.Answer{Action: domain.ActionPause}), since: do(verb(domain.VerbResume, 0)), mark: true},
		"a late answer that completes, and skipped since": {before: claimed, client: true, named: true,
			op: late(domain.Answer{Action: domain.ActionComplete}), since: do(verb(domain.VerbSkip, 0))},
		"a cancel": {before: claimed, client: true, op: verb(domain.VerbCancel, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.Each(t, func(t *testing.T, dialect, databaseURL string) {
				direct := openEmpty(t, databaseURL)
				s, line := openOnALine(t, dialect, databaseURL)
				w := create(t, direct, unsureDef()).Workflow
				if tt.before != nil {
					tt.before(t, direct, w)
				}
				decided := 0
				op := Op{WorkflowID: w.ID, Decide: func(now time.Time, row Row) (domain.Change, error) {
					decided++
					return tt.op(now, row)
				}}
				if tt.client {
					op.Once = newID()
				}
				if tt.named {
					op.ExecutionID = w.CurrentExecutionID
				}
				before := look(t, direct, w.ID)
				line.lose()
				done := make(chan Result, 1)
				go func() { done <- s.Apply(context.WithoutCancel(t.Context()), op) }()
				awaitVersion(t, direct, w.ID, before.Workflow.LockVersion+1)
				if tt.since != nil {
					tt.since(t, direct, w)
				}
				stands := look(t, direct, w.ID)
				line.mend()
				r := <-done
				if r.Err != nil || decided != 1 || r.Change.Workflow.LockVersion != before.Workflow.LockVersion+1 {
					t.Errorf("decided %d times: %+v, %v", decided, r.Change, r.Err)
				}
				if is := look(t, direct, w.ID); !reflect.DeepEqual(is, stands) {
					t.Errorf("it was\n%+v, and is\n%+v", stands, is)
				}
				if marks := marksOf(t, direct, w.ID); marks != map[bool]int{true: 1}[tt.mark] {
					t.Errorf("%d marks are left", marks)
				}
			})
		})
	}
}

// seen is a workflow with all of its executions.
type seen struct {
	Workflow   domain.Workflow
	Executions []domain.Execution
}

func look(t *testing.T, s *Store, id uuid.UUID) seen {
	t.Helper()
	row, err := s.Workflow(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	history, _, err := s.History(t.Context(), id, Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return seen{row.Workflow, history}
}

// marksOf is how many decisions have left their mark.
func marksOf(t *testing.T, s *Store, id uuid.UUID) (n int) {
	t.Helper()
	if err := s.db.NewSelect().Table(keysTable).ColumnExpr("COUNT(*)").Where("scope = ?", markScope).Where("workflow_id = ?", id).Scan(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestALostBatchOfVerbsIsKnown does so with a batch, to one of whose members something is done since.
func TestALostBatchOfVerbsIsKnown(t *testing.T) {
	testenv.Each(t, func(t *testing.T, dialect, databaseURL string) {
		direct := openEmpty(t, databaseURL)
		s, line := openOnALine(t, dialect, databaseURL)
		var ops [3]Op
		var workflows [len(ops)]domain.Workflow
		var decided atomic.Int32
		for i := range ops {
			pause := verb(domain.VerbPause, 0)
			workflows[i] = create(t, direct, unsureDef()).Workflow
			ops[i] = Op{WorkflowID: workflows[i].ID, ExecutionID: workflows[i].CurrentExecutionID, Once: newID(),
				Decide: func(now time.Time, row Row) (domain.Change, error) {
					decided.Add(1)
					return pause(now, row)
				}}
		}
		line.lose()
		done := make(chan Result, len(ops))
		go s.ApplyBatch(context.WithoutCancel(t.Context()), ops[:], func(_ int, r Result) { done <- r })
		for _, w := range workflows {
			awaitVersion(t, direct, w.ID, w.LockVersion+1)
		}
		if r := direct.Apply(t.Context(), Op{WorkflowID: workflows[1].ID, Decide: verb(domain.VerbResume, 0)}); r.Err != nil {
			t.Fatal(r.Err)
		}
		line.mend()
		for range ops {
			if r := <-done; r.Err != nil || r.Change.Unchanged || r.Change.Workflow.State != domain.WorkflowPaused {
				t.Errorf("a member has %+v, %v", r.Change, r.Err)
			}
		}
		for i, w := range workflows {
			want := map[bool]domain.WorkflowState{true: domain.WorkflowReady, false: domain.WorkflowPaused}[i == 1]
			if is := look(t, direct, w.ID).Workflow; is.State != want || marksOf(t, direct, w.ID) != 1 {
				t.Errorf("workflow %d is %s, want %s", i, is.State, want)
			}
		}
		if n := decided.Load(); n != int32(len(ops)) {
			t.Errorf("decided %d times", n)
		}
	})
}

// TestALostRequestIsMadeAgain loses a commit on its way: that a decision has a name does not make it count.
func TestALostRequestIsMadeAgain(t *testing.T) {
	eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
		w := create(t, s, unsureDef()).Workflow
		for i, d := range []decision{patch(`{"a": 1}`), verb(domain.VerbPause, 0), verb(domain.VerbResume, 0), verb(domain.VerbReattempt, time.Hour)} {
			decided := 0
			p.Strike(netfault.LoseRequest)
			r := s.Apply(t.Context(), Op{WorkflowID: w.ID, Once: newID(), Decide: func(now time.Time, row Row) (domain.Change, error) {
				decided++
				return d(now, row)
			}})
			is := look(t, s, w.ID).Workflow.LockVersion
			if r.Err != nil || decided != 2 || is != w.LockVersion+int64(i)+1 || marksOf(t, s, w.ID) != i+1 {
				t.Errorf("decision %d: decided %d times, version %d, %v", i, decided, is, r.Err)
			}
		}
	})
}

// TestALostRequestWithAKeyMayHaveBeenMadeElsewhere loses the commit of a request that has an Idempotency-Key, and has the
// same request served by another server before anybody can ask. Which of the two the key stands for is told by what they
// left: the one whose commit did not happen repeats what the other one was answered.
func TestALostRequestWithAKeyMayHaveBeenMadeElsewhere(t *testing.T) {
	for _, v := range []domain.Verb{domain.VerbPause, domain.VerbSkip, domain.VerbReattempt, domain.VerbCancel} {
		t.Run(string(v), func(t *testing.T) {
			testenv.Each(t, func(t *testing.T, dialect, databaseURL string) {
				direct := openEmpty(t, databaseURL)
				s, line := openOnALine(t, dialect, databaseURL)
				for _, happens := range []bool{true, false} {
					w := create(t, direct, unsureDef()).Workflow
					key := &IdempotencyKey{Scope: "s", Key: w.ID.String(), Fingerprint: "f", WorkflowID: w.ID, Status: 200}
					decided, done := make(chan struct{}, 3), make(chan Result, 1)
					mine := verb(v, 0)
					if happens {
						line.lose()
					} else {
						line.drop()
					}
					go func() {
						done <- s.Apply(context.WithoutCancel(t.Context()), Op{WorkflowID: w.ID, Key: key, Once: newID(),
							Decide: func(now time.Time, row Row) (domain.Change, error) {
								decided <- struct{}{}
								return mine(now, row)
							}})
					}()
					<-decided
					if happens {
						awaitVersion(t, direct, w.ID, w.LockVersion+1)
					}
					other := direct.Apply(t.Context(), Op{WorkflowID: w.ID, Key: key, Once: newID(), Decide: verb(v, 0)})
					line.mend()
					r := <-done
					if happens {
						r, other = other, r
					}
					var replay *Replay
					if other.Err != nil || !errors.As(r.Err, &replay) || replay.WorkflowID != w.ID {
						t.Errorf("happens %t: the one that was served has the error %v, the other one %v", happens, other.Err, r.Err)
					}
					if is := look(t, direct, w.ID).Workflow; is.LockVersion != w.LockVersion+1 || is.CurrentExecutionID != other.Change.Workflow.CurrentExecutionID {
						t.Errorf("happens %t: it is %+v, want %+v", happens, is, other.Change.Workflow)
					}
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
