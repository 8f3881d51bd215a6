package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

// crashPoint is something that a server does to a workflow, in one transaction. What it needs before is done
// by ready.
type crashPoint struct {
	typ   string // of the workflow; "": Crash
	ready func(*crashed)
	do    func(*crashed)
}

// crashed is a server that ends in the middle of what it does, and its workflow.
type crashed struct {
	*world
	engine.Stepper
	wf   engine.Workflow
	hand *engine.Hand
}

func (c *crashed) claimed() { c.hand = c.claim(c.Stepper, c.wf) }

func (c *crashed) settles(result domain.Result, goOn bool) {
	c.Settle(context.Background(), c.hand, result, goOn)
}

// crashPoints are all transactions of a workflow's life, by name: each result of an attempt, each verb.
func crashPoints() map[string]crashPoint {
	claimed := (*crashed).claimed
	points := map[string]crashPoint{
		"create": {do: func(c *crashed) {
			_, _ = c.Create(context.Background(), engine.CreateRequest{Type: "Crash", SubjectType: "User", SubjectID: c.wf.SubjectID})
		}},
		"claim":     {do: func(c *crashed) { c.Claim(context.Background(), c.wf.ID, c.wf.CurrentExecutionID) }},
		"continue":  {ready: claimed, do: func(c *crashed) { c.settles(answers(domain.ActionComplete), true) }},
		"hand back": {ready: claimed, do: func(c *crashed) { c.HandBack(c.hand) }},
		"interrupt": {
			ready: func(c *crashed) {
				c.claimed()
				c.exec("UPDATE geneva_drive_step_executions SET deadline = created_at WHERE workflow_id = ?", c.wf.ID)
			},
			do: func(c *crashed) { _, _ = c.Sweep(context.Background()) },
		},
		"callback": {
			ready: func(c *crashed) { c.claimed(); c.settles(domain.Result{Later: true, Status: 202}, false) },
			do: func(c *crashed) {
				id := c.wf.CurrentExecutionID
				_, _ = c.Complete(context.Background(), id, c.Token(id), []byte(`{"action": "complete"}`))
			},
		},
		"settle 202":     {ready: claimed, do: func(c *crashed) { c.settles(domain.Result{Later: true, Status: 202}, false) }},
		"settle a retry": {ready: claimed, do: func(c *crashed) { c.settles(fails(true), false) }},
	}
	for _, action := range []domain.Action{domain.ActionComplete, domain.ActionSkip, domain.ActionReattempt, domain.ActionPause, domain.ActionCancel, domain.ActionFinish} {
		points["settle "+string(action)] = crashPoint{ready: claimed, do: func(c *crashed) { c.settles(answers(action), false) }}
	}
	for _, policy := range []string{"Pause", "Cancel", "Skip", "Reattempt"} {
		points["settle a failure, on_exception "+policy] = crashPoint{typ: policy, ready: claimed, do: func(c *crashed) { c.settles(fails(false), false) }}
	}
	for _, verb := range domain.Verbs {
		points["verb "+string(verb)] = crashPoint{
			ready: func(c *crashed) {
				if verb == domain.VerbResume {
					c.control(c.Engine, c.wf.ID, domain.VerbPause)
				} else {
					c.claimed()
				}
			},
			do: func(c *crashed) {
				_, _ = c.Control(context.Background(), c.wf.ID, domain.Command{Verb: verb}, nil)
			},
		}
	}
	return points
}

func answers(action domain.Action) domain.Result {
	return domain.Result{Answer: &domain.Answer{Action: action}, Status: 200}
}

func fails(retryable bool) domain.Result {
	return domain.Result{Status: 500, Failure: &domain.Failure{Retryable: retryable,
		ExecutionError: domain.ExecutionError{Code: domain.ErrHTTPStatus, Message: "500", Status: 500}}}
}

// TestCrashPoints ends a server right before and right after each commit, which is before whatever would have
// followed it: the ring, the answer to a client, the delivery, the continuation. What was committed is there,
// and nothing else; another server brings the workflow to its end, each execution with one outcome.
func TestCrashPoints(t *testing.T) {
	points := crashPoints()
	eachWorld(t, func(w *world) {
		definer := w.engine()
		w.define(definer, "type: Crash\nsteps: [{name: one, callback_timeout: PT1H}, {name: two}]")
		for _, policy := range []string{"pause", "cancel", "skip", "reattempt"} {
			w.define(definer, fmt.Sprintf("type: %s%s\non_exception: %s\nsteps: [{name: one}, {name: two}]", string(policy[0]-'a'+'A'), policy[1:], policy))
		}
		for _, name := range slices.Sorted(maps.Keys(points)) {
			for _, committed := range []bool{false, true} {
				what := name + map[bool]string{false: ", before its commit", true: ", after its commit"}[committed]
				w.crash(what, points[name], committed)
			}
		}
	})
}

func (w *world) crash(what string, point crashPoint, committed bool) {
	w.t.Helper()
	store, l := w.breakable()
	c := &crashed{world: w, Stepper: engine.Stepper{Engine: w.engine(func(c *engine.Config) { c.Store = store })}}
	if err := c.Register(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	typ := point.typ
	if typ == "" {
		typ = "Crash"
	}
	c.wf = w.create(c.Engine, typ)
	if what[:6] == "create" {
		w.control(c.Engine, c.wf.ID, domain.VerbCancel)
	}
	if point.ready != nil {
		point.ready(c)
	}
	before := w.state(c.wf.SubjectID)
	l.cutAt(committed, func() { store.Close() })
	point.do(c)
	select {
	case <-l.struck:
	case <-time.After(patience):
		w.t.Fatalf("%s: nothing was committed", what)
	}
	store.Close()
	after := w.state(c.wf.SubjectID)
	if changed := !slices.Equal(before, after); changed != committed {
		w.t.Errorf("%s: it was\n%q, and is\n%q", what, before, after)
	}
	w.survive(what, c)
}

// state is every workflow of a subject, with its version.
func (w *world) state(subject string) (lines []string) {
	w.t.Helper()
	rows, _, err := w.store.Workflows(w.t.Context(), persistence.WorkflowFilter{SubjectIDs: []string{subject}}, persistence.Page{Limit: 9})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("%s %s %d", r.Workflow.ID, r.Workflow.State, r.Workflow.LockVersion))
	}
	return lines
}

// survive has another server find the one that crashed dead, and bring its workflows to their end.
func (w *world) survive(what string, c *crashed) {
	w.t.Helper()
	w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at WHERE id = ?", c.Server())
	s := engine.Stepper{Engine: w.engine()}
	if err := s.Register(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	rows, _, err := w.store.Workflows(w.t.Context(), persistence.WorkflowFilter{SubjectIDs: []string{c.wf.SubjectID}}, persistence.Page{Limit: 9})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, row := range rows {
		w.bringToEnd(what, s, row.Workflow.ID)
	}
}

func (w *world) bringToEnd(what string, s engine.Stepper, id uuid.UUID) {
	w.t.Helper()
	ctx := w.t.Context()
	for range 20 {
		row, err := w.store.Workflow(ctx, id)
		if err != nil {
			w.t.Fatal(err)
		}
		switch x := row.Execution; {
		case row.Workflow.State.Terminal():
			w.checkHistory(what, id)
			return
		case row.Workflow.State == domain.WorkflowPaused && x.State != domain.ExecutionExecuting:
			w.control(s.Engine, id, domain.VerbResume)
		case x.AwaitsCallback():
			if _, err := s.Complete(ctx, x.ID, s.Token(x.ID), []byte(`{}`)); err != nil {
				w.t.Fatalf("%s: callback: %v", what, err)
			}
		case x.State == domain.ExecutionExecuting:
			if _, err := s.Sweep(ctx); err != nil {
				w.t.Fatalf("%s: sweep: %v", what, err)
			}
		default:
			w.exec("UPDATE geneva_drive_step_executions SET scheduled_for = created_at WHERE workflow_id = ? AND state = 'scheduled'", id)
			if h := s.Claim(ctx, id, x.ID); h != nil {
				s.Settle(ctx, h, answers(domain.ActionComplete), false)
			}
		}
	}
	w.t.Errorf("%s: the workflow does not come to its end: %q", what, w.history(id))
}

// checkHistory wants one outcome for each execution, and each step completed at most once.
func (w *world) checkHistory(what string, id uuid.UUID) {
	w.t.Helper()
	list, _, err := w.store.History(w.t.Context(), id, persistence.Page{Limit: 200})
	if err != nil {
		w.t.Fatal(err)
	}
	completed := map[string]int{}
	for i, x := range list {
		if x.Seq != i+1 || x.State.Open() || x.Outcome == "" {
			w.t.Errorf("%s: execution %d is %+v", what, i+1, x)
		}
		if x.Outcome == domain.OutcomeCompleted {
			completed[x.StepName]++
		}
	}
	for step, n := range completed {
		if n > 1 {
			w.t.Errorf("%s: the step %s has completed %d times", what, step, n)
		}
	}
}
