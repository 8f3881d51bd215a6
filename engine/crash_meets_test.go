package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/internal/testenv"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

// ends are the results of an attempt, each of which settles it in another way.
func ends() map[string]domain.Result {
	all := map[string]domain.Result{"202": {Later: true, Status: 202}, "a retry": fails(true), "a failure for good": fails(false)}
	for _, action := range []domain.Action{domain.ActionComplete, domain.ActionSkip, domain.ActionReattempt, domain.ActionPause, domain.ActionCancel, domain.ActionFinish} {
		all[string(action)] = answers(action)
	}
	return all
}

// TestVerbsMeetSettles has a verb and the settle of the step in flight meet, each verb and each result: one of the two
// servers ends right before or after its commit, with the other one at hand in that very moment. The two have the
// effect that they have one after the other; what is accepted stays, and the workflow comes to its end.
func TestVerbsMeetSettles(t *testing.T) {
	results := ends()
	eachWorld(t, func(w *world) {
		w.define(w.engine(), "type: Crash\nsteps: [{name: one, callback_timeout: PT1H}, {name: two}]")
		for _, verb := range domain.Verbs {
			for _, name := range slices.Sorted(maps.Keys(results)) {
				what := fmt.Sprintf("%s and %s", verb, name)
				w.verbThenSettle(what+", after the verb's commit", verb, results[name])
				w.settleThenVerb(what+", before the settle's commit", verb, results[name], false)
				w.settleThenVerb(what+", after the settle's commit", verb, results[name], true)
			}
		}
	})
}

// inFlight has a server claim the first step of a new workflow, whose state verb can change. end ends the server at its
// next commit, which do makes; gone is closed then.
func (w *world) inFlight(verb domain.Verb) (c *crashed, end func(committed bool, do func()) (gone chan struct{})) {
	w.t.Helper()
	store, l := w.breakable()
	c = &crashed{world: w, Stepper: engine.Stepper{Engine: w.engine(func(c *engine.Config) { c.Store = store })}}
	if err := c.Register(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	c.wf = w.create(c.Engine, "Crash")
	c.claimed()
	if verb == domain.VerbResume {
		w.control(c.Engine, c.wf.ID, domain.VerbPause)
		c.hand.Forget() // or the first commit of a settle is one that the database refuses
	}
	return c, func(committed bool, do func()) chan struct{} {
		l.cutAt(committed, func() { store.Close() })
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			do()
		}()
		select {
		case <-l.struck:
		case <-time.After(patience):
			w.t.Fatal("nothing was committed")
		}
		return gone
	}
}

// verbThenSettle ends the server that has committed a verb; the answer of the step in flight, at another, comes next.
func (w *world) verbThenSettle(what string, verb domain.Verb, result domain.Result) {
	w.t.Helper()
	c, end := w.inFlight(verb)
	performer, before := w.stepper(), w.state(c.wf.SubjectID)
	gone := end(true, func() { _, _ = c.Control(context.Background(), c.wf.ID, domain.Command{Verb: verb}, nil) })
	w.await(c.wf.ID, "as the verb leaves it", func(persistence.Row) bool { return !slices.Equal(before, w.state(c.wf.SubjectID)) })
	claim := c.hand.Execution()
	x, _, err := w.store.Execution(context.Background(), claim.ID)
	if err != nil || (x.Fence != claim.Fence) != takesAway(verb) {
		w.t.Errorf("%s: the fence of the claim was %s, and is %s, %v", what, claim.Fence, x.Fence, err)
	}
	if valid := w.lateAnswer(what, performer, c, result); valid == takesAway(verb) {
		w.t.Errorf("%s: the claim is valid: %v", what, valid)
	}
	<-gone
	w.endOf(what, performer, c)
}

// settleThenVerb ends the server that settles before its commit, or once that is there; the verb, at another, comes next.
func (w *world) settleThenVerb(what string, verb domain.Verb, result domain.Result, committed bool) {
	w.t.Helper()
	c, end := w.inFlight(verb)
	other, before := w.stepper(), w.state(c.wf.SubjectID)
	gone := end(committed, func() { c.settles(result, false) })
	if committed {
		w.await(c.wf.ID, "as the settle leaves it", func(persistence.Row) bool { return !slices.Equal(before, w.state(c.wf.SubjectID)) })
	}
	out, err := other.Control(context.Background(), c.wf.ID, domain.Command{Verb: verb}, nil)
	switch {
	case err == nil:
		w.accepted(what, verb, out.Workflow)
	case !committed || domain.CodeOf(err) != domain.CodeInvalidTransition:
		w.t.Errorf("%s: the verb says %v", what, err)
	}
	<-gone
	if valid := w.lateAnswer(what, other, c, result); valid == (committed || takesAway(verb)) {
		w.t.Errorf("%s: the claim is valid: %v", what, valid)
	}
	w.endOf(what, other, c)
}

// takesAway tells whether a verb takes the step in flight from its server.
func takesAway(verb domain.Verb) bool { return verb != domain.VerbPause && verb != domain.VerbResume }

// accepted holds the answer to a verb against the state that it leads to.
func (w *world) accepted(what string, verb domain.Verb, shown engine.Workflow) {
	w.t.Helper()
	leads := map[domain.Verb][]domain.WorkflowState{
		domain.VerbPause: {domain.WorkflowPaused}, domain.VerbResume: {domain.WorkflowReady, domain.WorkflowPerforming},
		domain.VerbSkip:      {domain.WorkflowReady, domain.WorkflowPaused, domain.WorkflowFinished},
		domain.VerbReattempt: {domain.WorkflowReady}, domain.VerbCancel: {domain.WorkflowCanceled}, domain.VerbFinish: {domain.WorkflowFinished},
	}
	if !slices.Contains(leads[verb], shown.State) {
		w.t.Errorf("%s: the verb leaves it %s", what, shown.State)
	}
}

// lateAnswer settles the claim of the server that is gone, as if it were only slow. That has an effect if, and only if,
// the claim is valid still.
func (w *world) lateAnswer(what string, by engine.Stepper, c *crashed, result domain.Result) (valid bool) {
	w.t.Helper()
	claim := c.hand.Execution()
	x, _, err := w.store.Execution(context.Background(), claim.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	valid = x.State == domain.ExecutionExecuting && x.Fence == claim.Fence && x.ClaimedBy == claim.ClaimedBy
	before := w.state(c.wf.SubjectID)
	by.Settle(context.Background(), c.hand, result, false)
	if after := w.state(c.wf.SubjectID); slices.Equal(before, after) == valid {
		w.t.Errorf("%s: before the late answer it was\n%q, and after it\n%q", what, before, after)
	}
	return valid
}

// endOf brings the workflow to its end, with nothing left to the server that is gone.
func (w *world) endOf(what string, s engine.Stepper, c *crashed) {
	w.t.Helper()
	w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at WHERE id = ?", c.Server())
	w.bringToEnd(what, s, c.wf.ID)
	if n := w.claimedBy(c.Server()); n != 0 {
		w.t.Errorf("%s: %d steps stay with the server that died", what, n)
	}
}

// TestADeathAfterTheAnswer ends a server between the receiver's answer and the settle: the step is delivered again under
// its webhook-id, and the answer that was never saved changes nothing.
func TestADeathAfterTheAnswer(t *testing.T) {
	eachWorld(t, func(w *world) {
		first := w.stepper()
		w.define(first.Engine, "type: Twice\nsteps: [{name: one}, {name: two}]")
		wf := w.create(first.Engine, "Twice")
		h := w.claim(first, wf)
		result, aborted := first.Attempt(w.t.Context(), h)
		if aborted || result.Status != 200 {
			w.t.Fatalf("the attempt ends as %+v, aborted %v", result, aborted)
		}
		lost := w.receiver.next(w.t)
		w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at WHERE id = ?", first.Server())
		second := w.stepper()
		if _, err := second.Sweep(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		h2 := w.claim(second, wf)
		again, _ := second.Attempt(w.t.Context(), h2)
		if d := w.receiver.next(w.t); d.ID != lost.ID || d.Attempt != "2" {
			w.t.Errorf("delivered again as %s attempt %s, first as %s", d.ID, d.Attempt, lost.ID)
		}
		second.Settle(w.t.Context(), h, result, true) // as the first, if it were only slow
		w.awaitState(wf.ID, domain.WorkflowPerforming)
		second.Settle(w.t.Context(), h2, again, false)
		second.Settle(w.t.Context(), h, result, true)
		w.awaitState(wf.ID, domain.WorkflowReady)
		if got := w.history(wf.ID); !slices.Equal(got, []string{"one completed/completed", "two scheduled/"}) {
			w.t.Errorf("history is %q", got)
		}
		x, attempts, err := w.store.Execution(w.t.Context(), h.Execution().ID)
		if err != nil || x.Attempt != 2 || x.Interruptions != 1 || x.Failures != 0 || len(attempts) != 1 || attempts[0].Error.Code != domain.ErrInterrupted {
			w.t.Errorf("the execution is %+v with attempts %+v, %v", x, attempts, err)
		}
	})
}

// deaf is a doorbell that is never rung, by a server that ends between its commits and the rings.
type deaf struct{ queue.Doorbell }

func (deaf) Ring(queue.Bell) {}

// TestADeathBeforeTheRing ends a server after each commit that leaves a step due and before the ring, with Redis up and
// healthy: what waits for nobody's ring the others begin all the same.
func TestADeathBeforeTheRing(t *testing.T) {
	eachWorld(t, func(w *world) {
		shared := func(rings bool) func(*engine.Config) {
			asynq, err := queue.NewAsynq(queue.AsynqConfig{URL: testenv.Redis(w.t), Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				w.t.Fatal(err)
			}
			w.t.Cleanup(func() { _ = asynq.Close(context.Background()) })
			return func(c *engine.Config) {
				c.SharedDoorbell, c.Doorbell, c.Horizon = true, asynq, 2*time.Second
				if !rings {
					c.Doorbell, c.Role = deaf{asynq}, engine.RoleAPI
				}
			}
		}
		first := w.stepper(shared(false))
		w.define(first.Engine, "type: Chain\nsteps: [{name: one}, {name: two, wait: PT0.2S}]")
		created, settled := w.create(first.Engine, "Chain"), w.create(first.Engine, "Chain")
		first.Settle(w.t.Context(), w.claim(first, settled), answers(domain.ActionComplete), false)
		resumed := w.create(first.Engine, "Chain")
		w.control(first.Engine, resumed.ID, domain.VerbPause)
		w.control(first.Engine, resumed.ID, domain.VerbResume)
		w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at WHERE id = ?", first.Server())

		w.start(shared(true))
		for _, id := range []uuid.UUID{created.ID, settled.ID, resumed.ID} {
			w.awaitState(id, domain.WorkflowFinished)
			if got := w.history(id); !slices.Equal(got, []string{"one completed/completed", "two completed/completed"}) {
				w.t.Errorf("history is %q", got)
			}
		}
	})
}
