package engine_test

import (
	"context"
	"database/sql/driver"
	"log/slog"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/internal/dbfault"
	"github.com/genevadrive/genevadrive/internal/netfault"
	"github.com/genevadrive/genevadrive/persistence"
)

// line is the one connection between a store and its database, which a test can break.
type line struct {
	w      *world
	proxy  *netfault.Proxy // nil: SQLite
	armed  atomic.Int32    // SQLite: the verdict on the next commit
	away   atomic.Bool     // SQLite
	struck chan struct{}   // closed once the line has broken
	spared int             // PostgreSQL: commits that are sent along with what is refused, before the one that counts
}

// breakable gives a store with one connection, and what breaks it.
func (w *world) breakable() (*persistence.Store, *line) {
	w.t.Helper()
	l := &line{w: w, struck: make(chan struct{})}
	cfg := persistence.Config{URL: w.url, SealingKey: sealingKey, MaxConns: 1}
	if w.store.Dialect() == "sqlite" {
		cfg.Wrap = func(real driver.Connector) driver.Connector { return dbfault.New(real, false, nil, l.judge) }
	} else {
		u, err := url.Parse(w.url)
		if err != nil {
			w.t.Fatal(err)
		}
		l.proxy = netfault.Start(w.t, u.Host)
		u.Host = l.proxy.Addr
		cfg.URL = u.String()
	}
	store, err := persistence.Open(context.Background(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { store.Close() })
	return store, l
}

func (l *line) judge(call dbfault.Call) dbfault.Verdict {
	if call == dbfault.Commit {
		if v := dbfault.Verdict(l.armed.Swap(0)); v != dbfault.Pass {
			l.away.Store(true)
			close(l.struck)
			return v
		}
	}
	if l.away.Load() {
		return dbfault.Lost
	}
	return dbfault.Pass
}

// cutAt breaks the line for good at the next commit, with the reply or before the request arrives, and then
// calls broken.
func (l *line) cutAt(reply bool, broken func()) {
	verdict, fault := dbfault.Lost, netfault.LoseRequest
	if reply {
		verdict, fault = dbfault.Unknown, netfault.LoseReply
	}
	ctx := l.w.t.Context()
	if l.proxy == nil {
		l.armed.Store(int32(verdict))
	} else {
		l.proxy.Refuse(true)
		l.proxy.StrikeAfter(l.spared, fault)
		go l.watch(ctx)
	}
	go func() {
		select {
		case <-l.struck:
			broken()
		case <-ctx.Done():
		}
	}()
}

// cutForLong does so, and has commits given up at once rather than after half a minute.
func (l *line) cutForLong(s engine.Stepper, reply bool) {
	ctx, cancel := context.WithCancel(l.w.t.Context())
	s.CommitUnder(ctx)
	l.cutAt(reply, cancel)
}

// watch waits until the proxy has met the commit.
func (l *line) watch(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for l.proxy.Struck() == 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	close(l.struck)
}

// mend makes the database reachable again.
func (l *line) mend(s engine.Stepper) {
	s.CommitUnder(context.Background())
	l.restore()
}

// restore does so while a commit is waiting for it.
func (l *line) restore() {
	l.away.Store(false)
	if l.proxy != nil {
		l.proxy.Refuse(false)
	}
}

// onLog calls told with the message of each log line.
type onLog struct {
	slog.Handler
	told func(message string)
}

func (h onLog) Enabled(context.Context, slog.Level) bool { return true }

func (h onLog) Handle(_ context.Context, r slog.Record) error {
	h.told(r.Message)
	return nil
}

// fragile is an engine, stepped by hand, over a store that can be broken.
func (w *world) fragile(change ...func(*engine.Config)) (engine.Stepper, *line) {
	w.t.Helper()
	store, l := w.breakable()
	s := engine.Stepper{Engine: w.engine(append(change, func(c *engine.Config) { c.Store = store })...)}
	if err := s.Register(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	return s, l
}

// claim claims the current execution of a workflow, which must work.
func (w *world) claim(s engine.Stepper, wf engine.Workflow) *engine.Hand {
	w.t.Helper()
	h := s.Claim(context.Background(), wf.ID, wf.CurrentExecutionID)
	if h == nil {
		w.t.Fatal("the step is not claimed")
	}
	return h
}

// TestAClaimThatNobodyHeardOfIsHandedBack loses the reply to the commit of a claim, and the database with it
// for longer than anybody asks about that: the step must not stay with a server that does not know of it.
func TestAClaimThatNobodyHeardOfIsHandedBack(t *testing.T) {
	for name, committed := range map[string]bool{"committed": true, "not committed": false} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				ctx := context.Background()
				s, l := w.fragile()
				w.define(s.Engine, "type: Stray\nsteps: [{name: one}]")
				s.HandBack(w.claim(s, w.create(s.Engine, "Stray"))) // the plan is known from here on
				wf := w.create(s.Engine, "Stray")
				l.cutForLong(s, committed)
				if s.Claim(ctx, wf.ID, wf.CurrentExecutionID) != nil {
					t.Fatal("the claim is known, though its reply was lost")
				}
				if err := s.HandBackStrays(ctx); err == nil {
					t.Error("handing back fails to say that the database is away")
				}
				// The driver calls off what it gave up: the line is mended only after the server has committed.
				row := w.awaitState(wf.ID, map[bool]domain.WorkflowState{true: domain.WorkflowPerforming, false: domain.WorkflowReady}[committed])
				attempt := row.Execution.Attempt
				l.mend(s)
				if err := s.HandBackStrays(ctx); err != nil {
					t.Fatal(err)
				}
				row = w.awaitState(wf.ID, domain.WorkflowReady)
				if x := row.Execution; x.State != domain.ExecutionScheduled || x.Attempt != attempt || x.Interruptions != 0 {
					t.Errorf("handed back as %+v", x)
				}
				h := w.claim(s, wf)
				if err := s.HandBackStrays(ctx); err != nil {
					t.Fatal(err)
				}
				row = w.awaitState(wf.ID, domain.WorkflowPerforming)
				if row.Execution.Fence != h.Execution().Fence || row.Execution.Attempt != attempt+1 {
					t.Errorf("the claim after that is disturbed: %+v", row.Execution)
				}
			})
		})
	}
}

// TestAContinuationThatNobodyHeardOfIsHandedBack is the same for the claim that travels with a settle, of which
// nobody asks any more since the runs of the server are over. The answer itself counts once.
func TestAContinuationThatNobodyHeardOfIsHandedBack(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := context.Background()
		runs, over := context.WithCancel(ctx)
		defer over()
		var mend func()
		s, l := w.fragile(func(c *engine.Config) {
			c.Logger = slog.New(onLog{told: func(message string) {
				if message == "the database is away; the answer is kept and saved later" {
					mend()
				}
			}})
		})
		var wf engine.Workflow
		mend = func() {
			w.await(wf.ID, "at its second step", func(r persistence.Row) bool { return r.Execution.StepName == "two" })
			over()
			l.mend(s)
		}
		w.define(s.Engine, "type: Stray\nsteps: [{name: one}, {name: two}]")
		wf = w.create(s.Engine, "Stray")
		h := w.claim(s, wf)
		l.cutForLong(s, true)
		if s.Settle(runs, h, domain.Result{Answer: &domain.Answer{Action: domain.ActionComplete}, Status: 200}, true) != nil {
			w.t.Fatal("the continuation is known, though its reply was lost")
		}
		if row := w.awaitState(wf.ID, domain.WorkflowPerforming); row.Execution.StepName != "two" {
			w.t.Fatalf("the settle left %+v", row.Execution)
		}
		if err := s.HandBackStrays(ctx); err != nil {
			w.t.Fatal(err)
		}
		w.awaitState(wf.ID, domain.WorkflowReady)
		if got := w.history(wf.ID); !slices.Equal(got, []string{"one completed/completed", "two scheduled/"}) {
			w.t.Errorf("history is %q", got)
		}
	})
}

// TestAClaimThatIsCommittedLateIsHandedBack looks for a claim that travelled with its create while the commit of both is
// still held up, by a standby that is away, say: there is no such workflow yet, whose lock would tell.
func TestAClaimThatIsCommittedLateIsHandedBack(t *testing.T) {
	for name, late := range map[string]bool{"committed in the end": true, "never committed": false} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				ctx := t.Context()
				var ahead atomic.Int64
				s := w.stepper(func(c *engine.Config) {
					c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				})
				w.define(s.Engine, "type: Stray\nsteps: [{name: one}]")
				s.HandBack(w.claim(s, w.create(s.Engine, "Stray"))) // the plan is known from here on
				s.Offered()
				stored, err := w.store.Definition(ctx, "Stray", 1)
				if err != nil {
					t.Fatal(err)
				}
				params := domain.CreateParams{ID: s.NewID(), ExecutionID: s.NewID(), SubjectType: "User", SubjectID: "late"}
				claim := domain.ClaimParams{Fence: "late", Server: s.Server(), Budget: time.Minute}
				s.NoteStray(persistence.Lost{WorkflowID: params.ID, ExecutionID: params.ExecutionID, Fence: claim.Fence}, time.Now().Add(time.Hour))
				handBack := func(left int) {
					t.Helper()
					if err := s.HandBackStrays(ctx); err != nil || s.Strays() != left {
						t.Fatalf("%d claims are noted, %v", s.Strays(), err)
					}
				}
				handBack(1)
				if !late {
					ahead.Store(int64(time.Hour + time.Second))
					handBack(0)
					return
				}
				made := w.store.Create(ctx, persistence.CreateOp{Type: "Stray", SubjectType: "User", SubjectID: "late",
					Build: func(now time.Time) (domain.Change, error) {
						change, err := domain.NewWorkflow(stored.Definition, params, now)
						if err != nil {
							return change, err
						}
						change, _ = change.ThenClaim(claim, now)
						return change, nil
					}})
				if made.Err != nil {
					t.Fatal(made.Err)
				}
				handBack(0)
				if row := w.awaitState(params.ID, domain.WorkflowReady); row.Execution.State != domain.ExecutionScheduled || row.Execution.Interruptions != 0 {
					t.Errorf("handed back as %+v", row.Execution)
				}
			})
		})
	}
}
