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
	typ    string // of the workflow; "": Crash
	ready  func(*crashed)
	do     func(*crashed)
	again  answersAgain // of do, by another server; none: it is not asked again
	claims bool         // an idle worker waits, for which do claims the first step of what it creates
	finds  bool         // do first tries to insert what something is in the way of
}

// crashed is a server that ends in the middle of what it does, and its workflow.
type crashed struct {
	*world
	engine.Stepper
	wf   engine.Workflow
	hand *engine.Hand

	answer    string   // to the request that was made last
	workflows []string // that it told of
}

func (c *crashed) claimed() { c.hand = c.claim(c.Stepper, c.wf) }

func (c *crashed) settles(result domain.Result, goOn bool) {
	c.Settle(context.Background(), c.hand, result, goOn)
}

// stage is where a workflow stands when a verb comes.
type stage struct {
	name   string
	paused bool
}

// stages are all of them, and how a workflow gets there.
var stages = map[stage]func(*crashed){
	{name: "that is scheduled"}:          nil,
	{name: "that executes"}:              (*crashed).claimed,
	{name: "that is held", paused: true}: func(c *crashed) { c.control(c.Engine, c.wf.ID, domain.VerbPause) },
	{name: "that failed", paused: true}:  func(c *crashed) { c.claimed(); c.settles(fails(false), false) },
}

// crashPoints are all transactions of a workflow's life, by name: each result of an attempt, each verb.
func crashPoints() map[string]crashPoint {
	claimed := (*crashed).claimed
	points := map[string]crashPoint{
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
		"patch data":     {do: func(c *crashed) { _, _ = c.PatchData(context.Background(), c.wf.ID, []byte(`{"a": 1}`)) }},
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
		for stage, ready := range stages {
			if stage.paused && verb == domain.VerbPause || !stage.paused && verb == domain.VerbResume {
				continue // which change nothing, or are refused
			}
			points["verb "+string(verb)+" of a step "+stage.name] = crashPoint{ready: ready, do: func(c *crashed) {
				_, _ = c.Control(context.Background(), c.wf.ID, domain.Command{Verb: verb}, nil)
			}}
		}
	}
	maps.Copy(points, crashingRequests())
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
// and nothing else; the same request has its effect once, however often it is sent; another server brings the
// workflow to its end, each execution with one outcome.
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
	if point.ready != nil {
		point.ready(c)
	}
	if point.claims {
		ctx, leave := context.WithCancel(w.t.Context())
		defer leave()
		c.Offered() // or the worker takes what is there already
		c.Worker(ctx)
	}
	if point.finds && w.store.Dialect() != "sqlite" { // COMMIT travels with the insert
		l.spared = 1
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
	if n := w.claimedBy(c.Server()); point.claims && committed != (n == 1) {
		w.t.Errorf("%s: the server has claimed %d steps", what, n)
	}
	w.survive(what, point, c, committed)
}

// claimedBy is how many steps a server holds.
func (w *world) claimedBy(server uuid.UUID) (n int) {
	w.t.Helper()
	err := w.store.DB().NewSelect().Table("geneva_drive_step_executions").ColumnExpr("COUNT(*)").
		Where("state = 'executing' AND claimed_by = ?", server).Scan(w.t.Context(), &n)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// state is every workflow of a subject, with its version, and how many requests are remembered for them.
func (w *world) state(subject string) (lines []string) {
	w.t.Helper()
	rows, _, err := w.store.Workflows(w.t.Context(), persistence.WorkflowFilter{SubjectIDs: []string{subject}}, persistence.Page{Limit: 9})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("%s %s %d", r.Workflow.ID, r.Workflow.State, r.Workflow.LockVersion))
	}
	var keys int
	err = w.store.DB().NewSelect().Table("geneva_drive_idempotency_keys").ColumnExpr("COUNT(*)").
		Where("workflow_id IN (SELECT id FROM geneva_drive_workflows WHERE subject_id = ?)", subject).Scan(w.t.Context(), &keys)
	if err != nil {
		w.t.Fatal(err)
	}
	return append(lines, fmt.Sprintf("%d keys", keys))
}

// survive has another server find the one that crashed dead, get the same request, and bring the workflows to their
// end. Nothing stays with the dead one.
func (w *world) survive(what string, point crashPoint, c *crashed, committed bool) {
	w.t.Helper()
	dead := c.Server()
	w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at WHERE id = ?", dead)
	s := w.stepper()
	c.Stepper = s
	if committed {
		w.repeat(what, point, c, point.again.made)
	} else {
		w.repeat(what, point, c, point.again.lost)
	}
	rows, _, err := w.store.Workflows(w.t.Context(), persistence.WorkflowFilter{SubjectIDs: []string{c.wf.SubjectID}}, persistence.Page{Limit: 9})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, row := range rows {
		w.bringToEnd(what, s, row.Workflow.ID)
	}
	if n := w.claimedBy(dead); n != 0 {
		w.t.Errorf("%s: %d steps stay with the server that died", what, n)
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
