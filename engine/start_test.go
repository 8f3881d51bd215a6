package engine_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/internal/netfault"
)

// TestAFirstStepIsClaimedWithItsCreate has an idle worker, for which the create's own transaction claims the step.
// The answer shows the workflow as it was made.
func TestAFirstStepIsClaimedWithItsCreate(t *testing.T) {
	eachWorld(t, func(w *world) {
		counted := &commitCounter{Observer: newWatcher()}
		s := w.stepper(func(c *engine.Config) { c.Observer = counted })
		w.define(s.Engine, "type: Quick\nsteps: [{name: one}, {name: two}]")
		worker := s.Worker(w.t.Context())
		wf := w.create(s.Engine, "Quick")
		if wf.State != domain.WorkflowReady || wf.StartedAt != nil || wf.Current.State != domain.ExecutionScheduled || wf.Current.Attempt != 0 {
			w.t.Errorf("the answer shows %+v, %+v", wf, wf.Current)
		}
		h := <-worker
		x := h.Execution()
		row := w.awaitState(wf.ID, domain.WorkflowPerforming)
		if row.Execution.ID != wf.CurrentExecutionID || row.Execution.Fence != x.Fence || row.Execution.Attempt != 1 ||
			row.Execution.ClaimedBy != s.Server() || row.Workflow.StartedAt == nil || !row.Workflow.StartedAt.Equal(row.Workflow.CreatedAt) {
			w.t.Errorf("the row is %+v, %+v; the worker has %+v", row.Workflow, row.Execution, x)
		}
		if counted.n != 0 {
			w.t.Errorf("the claim took %d commits of its own", counted.n)
		}
		complete := domain.Result{Answer: &domain.Answer{Action: domain.ActionComplete}, Status: 200}
		h = s.Settle(w.t.Context(), h, complete, true)
		if second := h.Execution(); second.Fence == "" || second.Fence == x.Fence {
			w.t.Errorf("the second step is claimed under the fence %q, the first one under %q", second.Fence, x.Fence)
		}
		s.Settle(w.t.Context(), h, complete, true)
		w.awaitState(wf.ID, domain.WorkflowFinished)
		if got := w.history(wf.ID); !slices.Equal(got, []string{"one completed/completed", "two completed/completed"}) {
			w.t.Errorf("history is %q", got)
		}
	})
}

// commitCounter counts the commits of decisions, which creates are not.
type commitCounter struct {
	engine.Observer
	n int
}

func (c *commitCounter) Committed(int) { c.n++ }

// TestAFirstStepIsLeftScheduled is every reason not to claim it with the create: the worker stays free.
func TestAFirstStepIsLeftScheduled(t *testing.T) {
	eachWorld(t, func(w *world) {
		hour := time.Hour
		for name, tt := range map[string]struct {
			yaml string
			with func(*engine.Stepper, *engine.CreateRequest)
		}{
			"it is delayed by its definition": {"steps: [{name: one, wait: P1D}]", nil},
			"it is delayed by the request":    {"steps: [{name: one}]", func(_ *engine.Stepper, r *engine.CreateRequest) { r.Wait = &hour }},
			"there is no step":                {"steps: []", nil},
			"the receiver is saturated": {"steps: [{name: one}]", func(s *engine.Stepper, _ *engine.CreateRequest) {
				w.create(s.Engine, "Left")
			}},
		} {
			s := w.stepper()
			_, _, err := s.RegisterDefinition(w.t.Context(), "", []byte("type: Left\nallow_multiple: true\nwebhook: {url: \""+w.receiver.url+"\", max_in_flight: 1}\n"+tt.yaml), domain.SourceYAML)
			if err != nil {
				w.t.Fatal(err)
			}
			s.Worker(w.t.Context())
			s.Worker(w.t.Context()) // which stays idle where the first one has a step
			request := member("Left", uuid.NewString())
			if tt.with != nil {
				tt.with(&s, &request)
			}
			before := s.Ready.Stats()
			out, err := s.Create(w.t.Context(), request)
			if err != nil {
				w.t.Fatal(err)
			}
			row, err := w.store.Workflow(w.t.Context(), out.Workflow.ID)
			if err != nil || row.Workflow.State == domain.WorkflowPerforming {
				w.t.Errorf("%s: the row is %+v, %v", name, row.Workflow, err)
			}
			if after := s.Ready.Stats(); after.Running != before.Running || after.Idle != before.Idle {
				w.t.Errorf("%s: the list had %+v, has %+v", name, before, after)
			}
			s.Ready.Close()
		}
	})
}

// TestAStepThatHasMovedOnIsNotClaimedByWhatWasKnown has a step wait in the ready list of one server while another client
// changes its workflow over another server.
func TestAStepThatHasMovedOnIsNotClaimedByWhatWasKnown(t *testing.T) {
	eachWorld(t, func(w *world) {
		s, other := w.stepper(), w.stepper()
		w.define(s.Engine, "type: Waits\nsteps: [{name: one}, {name: two}]")
		for name, tt := range map[string]struct {
			move  func(wf engine.Workflow)
			claim bool
		}{
			"nothing happens": {func(engine.Workflow) {}, true},
			"its data changes": {func(wf engine.Workflow) {
				if _, err := other.PatchData(w.t.Context(), wf.ID, []byte(`{"n":1}`)); err != nil {
					w.t.Fatal(err)
				}
			}, true},
			"it is paused":   {func(wf engine.Workflow) { w.control(other.Engine, wf.ID, domain.VerbPause) }, false},
			"it is skipped":  {func(wf engine.Workflow) { w.control(other.Engine, wf.ID, domain.VerbSkip) }, false},
			"it is canceled": {func(wf engine.Workflow) { w.control(other.Engine, wf.ID, domain.VerbCancel) }, false},
			"it is claimed":  {func(wf engine.Workflow) { w.claim(other, wf) }, false},
		} {
			wf := w.create(s.Engine, "Waits")
			items := s.Offered()
			if len(items) != 1 || items[0].Known == nil {
				w.t.Fatalf("%s: the ready list has %+v", name, items)
			}
			tt.move(wf)
			before := w.state(wf.SubjectID)
			h := s.ClaimItem(w.t.Context(), items[0])
			switch after := w.state(wf.SubjectID); {
			case (h != nil) != tt.claim:
				w.t.Errorf("%s: claimed: %v", name, h != nil)
			case h == nil && !slices.Equal(before, after):
				w.t.Errorf("%s: before the claim it was\n%q, and after it\n%q", name, before, after)
			case h != nil:
				s.Settle(w.t.Context(), h, answers(domain.ActionFinish), false)
				w.awaitState(wf.ID, domain.WorkflowFinished)
			}
			s.Offered()
		}
	})
}

// onChange does something when a change has been committed.
type onChange struct {
	*watcher
	do func()
}

func (o onChange) Changed(*domain.Change, time.Time) { o.do() }

// TestAFirstStepOfAServerThatStopsIsHandedBack closes the list between the commit and the hand-over.
func TestAFirstStepOfAServerThatStopsIsHandedBack(t *testing.T) {
	eachWorld(t, func(w *world) {
		var s engine.Stepper
		s.Engine = w.engine(func(c *engine.Config) {
			c.Observer = onChange{newWatcher(), func() { s.Ready.Close() }}
		})
		if err := s.Register(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		w.define(s.Engine, "type: Late\nsteps: [{name: one}]")
		worker := s.Worker(w.t.Context())
		wf := w.create(s.Engine, "Late")
		if h := <-worker; h != nil {
			w.t.Errorf("a worker that has gone performs %+v", h.Execution())
		}
		if row := w.awaitState(wf.ID, domain.WorkflowReady); row.Execution.State != domain.ExecutionScheduled || row.Execution.Interruptions != 0 {
			w.t.Errorf("handed back as %+v", row.Execution)
		}
	})
}

// TestACreateThatNobodyHeardOfLeavesNoClaim loses the reply to the commit of a create, and the database with it.
func TestACreateThatNobodyHeardOfLeavesNoClaim(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := context.Background()
		s, l := w.fragile()
		w.define(s.Engine, "type: Stray\nsteps: [{name: one}]")
		s.HandBack(w.claim(s, w.create(s.Engine, "Stray"))) // the plan is known from here on
		s.Offered()
		present, leave := context.WithCancel(ctx)
		worker := s.Worker(present)
		l.cutForLong(s, true)
		if out, err := s.Create(ctx, member("Stray", "lost")); domain.CodeOf(err) != domain.CodeUnavailable {
			w.t.Fatalf("the create gives %+v, %v", out, err)
		}
		if stats := s.Ready.Stats(); stats.Running != 0 || stats.Idle != 1 {
			w.t.Errorf("the slot is still reserved: %+v", stats)
		}
		leave() // or it would claim what is handed back
		<-worker
		id := w.awaitSubject("lost") // the database may still be at its commit
		w.awaitState(id, domain.WorkflowPerforming)
		l.mend(s)
		if err := s.HandBackStrays(ctx); err != nil {
			w.t.Fatal(err)
		}
		if row := w.awaitState(id, domain.WorkflowReady); row.Execution.State != domain.ExecutionScheduled || row.Execution.Interruptions != 0 {
			w.t.Errorf("handed back as %+v", row.Execution)
		}
	})
}

// TestACreateGoesByTheTryThatWasCommitted loses the reply to the commit of a create, which is tried again, in vain as well
// where there is a network, and found to be there: what the client is told and what the worker claims is as it is stored,
// and as old. That there is a newer version meanwhile changes nothing.
func TestACreateGoesByTheTryThatWasCommitted(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := context.Background()
		var ahead atomic.Int64
		s, l := w.fragile(func(c *engine.Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		})
		w.define(s.Engine, "type: Heard\nsteps: [{name: one}]")
		s.HandBack(w.claim(s, w.create(s.Engine, "Heard"))) // the plan is known from here on
		s.Offered()
		worker := s.Worker(ctx)
		other := w.engine()
		l.cutAt(true, func() {
			w.awaitSubject("late")
			w.define(other, "type: Heard\nsteps: [{name: one}, {name: two}]")
			ahead.Store(int64(domain.DeadlineMargin/2 + time.Second))
			if l.proxy != nil {
				l.proxy.Strike(netfault.LoseRequest)
			}
			l.restore()
		})
		out, err := s.Create(ctx, member("Heard", "late"))
		if err != nil {
			w.t.Fatal(err)
		}
		row, err := w.store.Workflow(ctx, out.Workflow.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		if !out.Workflow.CreatedAt.Equal(row.Workflow.CreatedAt) {
			w.t.Errorf("the client is told of %s, stored is %s", out.Workflow.CreatedAt, row.Workflow.CreatedAt)
		}
		h := <-worker
		if x := h.Execution(); !x.StartedAt.Equal(*row.Execution.StartedAt) || !x.Deadline.Equal(*row.Execution.Deadline) {
			w.t.Errorf("claimed is\n%+v, stored is\n%+v", x, *row.Execution)
		}
		if _, aborted := s.Attempt(ctx, h); !aborted || len(w.receiver.deliveries) > 0 {
			w.t.Errorf("a claim that was heard of too late is performed: aborted %t, %d deliveries", aborted, len(w.receiver.deliveries))
		}
	})
}
