package engine_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

// push sets the attributes of the workflow's subject.
func (w *world) push(e *engine.Engine, wf engine.Workflow, attributes string) {
	w.t.Helper()
	if _, _, err := e.PutSubject(context.Background(), wf.SubjectType, wf.SubjectID, json.RawMessage(attributes)); err != nil {
		w.t.Fatal(err)
	}
}

// last gives the newest execution of a workflow, ended or not.
func (w *world) last(wf engine.Workflow) domain.Execution {
	w.t.Helper()
	list, _, err := w.store.History(context.Background(), wf.ID, persistence.Page{Limit: 200})
	if err != nil || len(list) == 0 {
		w.t.Fatalf("history: %d executions, %v", len(list), err)
	}
	return list[len(list)-1]
}

// drain forgets the deliveries that have arrived, and tells how many those were.
func (w *world) drain() (n int) {
	for ; len(w.receiver.deliveries) > 0; n++ {
		<-w.receiver.deliveries
	}
	return n
}

// TestCancelIfIsAskedBeforeEveryStep has the attribute pushed while the first step is being delivered.
func TestCancelIfIsAskedBeforeEveryStep(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Cancels\nconditions: {closed: has(subject.closed) && subject.closed}\n"+
			"cancel_if: [\"has(subject.gone) && subject.gone\", {condition: closed}]\nsteps: [{name: one}, {name: two}]")
		answer, release := block()
		w.receiver.on("one", answer)
		wf := w.create(e, "Cancels")
		w.push(e, wf, `{"closed": false}`)
		w.receiver.next(w.t)
		w.push(e, wf, `{"closed": true}`)
		release()
		w.awaitState(wf.ID, domain.WorkflowCanceled)
		if got := w.history(wf.ID); !slices.Equal(got, []string{"one completed/completed", "two canceled/canceled"}) {
			w.t.Errorf("history is %q", got)
		}
		if x := w.last(wf); x.Reason != "cancel_if: {condition: closed}" || x.Status != 0 || len(w.receiver.deliveries) != 0 {
			w.t.Errorf("canceled as %+v after %d more deliveries", x, len(w.receiver.deliveries))
		}
	})
}

func TestConditionsSkip(t *testing.T) {
	cases := []struct{ name, step, want, reason string }{
		{"skip_if that holds", `skip_if: "data.n == 1"`, "one skipped/skipped", "skip_if: data.n == 1"},
		{"skip_if that does not", `skip_if: "data.n == 2"`, "one completed/completed", ""},
		{"if that holds", `if: "step.name == 'one' && workflow.type == 'Skips' && subject.type == 'User' && step.attempt == 1 && now >= step.scheduled_for"`, "one completed/completed", ""},
		{"if that does not", `if: "has(subject.vip)"`, "one skipped/skipped", "not if: has(subject.vip)"},
		{"skip_if: true", `skip_if: true`, "one skipped/skipped", "skip_if: true"},
	}
	eachWorld(t, func(w *world) {
		e := w.start()
		for _, tc := range cases {
			w.define(e, "type: Skips\nsteps: [{name: zero}, {name: one, "+tc.step+"}, {name: two}]")
			w.receiver.on("zero", says(`{"data": {"n": 1}}`))
			wf := w.create(e, "Skips")
			w.awaitState(wf.ID, domain.WorkflowFinished)
			if got := w.history(wf.ID); got[1] != tc.want || got[2] != "two completed/completed" {
				w.t.Errorf(tc.name+": history is %q, want %q", got, tc.want)
			}
			list, _, _ := w.store.History(context.Background(), wf.ID, persistence.Page{Limit: 3})
			if list[1].Reason != tc.reason {
				w.t.Errorf(tc.name+": the reason is %q, want %q", list[1].Reason, tc.reason)
			}
			delivered := w.drain()
			if want := 2 + strings.Count(tc.want, "completed/"); delivered != want {
				w.t.Errorf(tc.name+": %d deliveries, want %d", delivered, want)
			}
		}
	})
}

// TestConditionErrorIsAFailedAttempt has an attribute missing: the attempt is retried, and on_exception
// follows; unless the attribute is pushed in between.
func TestConditionErrorIsAFailedAttempt(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Missing\nretry: {initial: PT0.05S, max_attempts: 2}\non_exception: skip\nsteps: [{name: one, skip_if: subject.missing}, {name: two}]")
		wf := w.create(e, "Missing")
		w.awaitState(wf.ID, domain.WorkflowFinished)
		if got := w.history(wf.ID); !slices.Equal(got, []string{"one failed/skipped", "two completed/completed"}) {
			w.t.Errorf("history is %q", got)
		}
		list, _, _ := w.store.History(context.Background(), wf.ID, persistence.Page{Limit: 2})
		x, attempts, err := e.Execution(context.Background(), list[0].ID)
		if err != nil || len(attempts) != 2 || attempts[0].Error.Code != domain.ErrCondition || attempts[0].Status != 0 ||
			!strings.Contains(x.Error.Message, "subject.missing failed: There is no missing; guard it with has(") {
			w.t.Errorf("failed as %+v after %+v, %v", x.Error, attempts, err)
		}
		if d := w.receiver.next(w.t); d.Step != "two" {
			w.t.Errorf("delivered %s", d.Step)
		}

		w.define(e, "type: Pushed\nretry: {initial: PT0.05S, max_attempts: 100, max: PT0.05S}\nsteps: [{name: one, if: subject.late}]")
		wf = w.create(e, "Pushed")
		w.await(wf.ID, "retried", func(r persistence.Row) bool { return r.Execution.Failures > 0 })
		w.push(e, wf, `{"late": true}`)
		w.awaitState(wf.ID, domain.WorkflowFinished)
		if d := w.receiver.next(w.t); d.Body.Data.StepExecution.PreviousError == nil || d.Body.Data.StepExecution.PreviousError.Code != domain.ErrCondition {
			w.t.Errorf("delivered with the previous error %+v", d.Body.Data.StepExecution.PreviousError)
		}
	})
}

// TestHostileConditionsFollowOnException has expressions that the registration cannot see through.
func TestHostileConditionsFollowOnException(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		for _, expression := range []string{"1 / data.zero == 1", "data.zero", "data.list.all(x, data.list.all(y, x + y > 0))"} {
			w.define(e, "type: Hostile\nretry: {max_attempts: 1}\non_exception: cancel\nsteps: [{name: fill}, {name: one, if: \""+expression+"\"}]")
			w.receiver.on("fill", says(`{"data": {"zero": 0, "list": [`+strings.Repeat("1,", 5000)+`1]}}`))
			wf := w.create(e, "Hostile")
			w.awaitState(wf.ID, domain.WorkflowCanceled)
			if x := w.last(wf); x.Error == nil || x.Error.Code != domain.ErrCondition || x.StepName != "one" {
				w.t.Errorf("%s: %+v", expression, x)
			}
		}
	})
}

func TestHookDecides(t *testing.T) {
	cases := []struct {
		name    string
		hook    http.HandlerFunc
		state   domain.WorkflowState
		history []string
	}{
		{"nothing", says(""), domain.WorkflowFinished, []string{"one completed/completed"}},
		{"complete", says(`{"action":"complete","reason":"go on"}`), domain.WorkflowFinished, []string{"one completed/completed"}},
		{"skip", says(`{"action":"skip","data":{"why":1},"next":{"queue":"low"}}`), domain.WorkflowFinished, []string{"one skipped/skipped"}},
		{"cancel", says(`{"action":"cancel"}`), domain.WorkflowCanceled, []string{"one canceled/canceled"}},
		{"pause", says(`{"action":"pause"}`), domain.WorkflowPaused, []string{"one canceled/paused"}},
		{"finish", says(`{"action":"finish"}`), domain.WorkflowFinished, []string{"one completed/finished"}},
		{"reattempt", says(`{"action":"reattempt","wait":"PT0S"}`), domain.WorkflowFinished, []string{"one completed/reattempted", "one completed/completed"}},
	}
	eachWorld(t, func(w *world) {
		e := w.start()
		for _, tc := range cases {
			w.define(e, "type: Hooked\nhooks: {before_step_starts: {path: /hook}}\nsteps: [{name: one}]")
			answer := tc.hook
			if tc.name == "reattempt" {
				answer = once(answer, says(""))
			}
			w.receiver.on("hook one", answer)
			wf := w.create(e, "Hooked")
			w.awaitState(wf.ID, tc.state)
			if got := w.history(wf.ID); !slices.Equal(got, tc.history) {
				w.t.Errorf(tc.name+": history is %q, want %q", got, tc.history)
			}
			hook := w.receiver.next(w.t)
			if hook.Body.Type != "hook.before_step_starts" || !strings.HasSuffix(hook.ID, "_hook") || hook.Step != "one" || hook.Body.Data.Workflow.ID != wf.ID.String() {
				w.t.Errorf(tc.name+": the hook got %+v", hook)
			}
			if tc.name == "complete" {
				if step := w.receiver.next(w.t); step.Body.Type != "step.perform" || step.ID+"_hook" != hook.ID {
					w.t.Errorf(tc.name+": after the hook %s the step got %+v", hook.ID, step)
				}
			}
			if n := w.drain(); n > 0 && tc.name == "skip" {
				w.t.Errorf(tc.name+": the skipped step was delivered %d times", n)
			}
		}
	})
}

func TestHookFails(t *testing.T) {
	cases := []struct {
		name   string
		hook   http.HandlerFunc
		retry  bool
		status int
		says   string
	}{
		{"a status", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) }, true, 503, "(http_status): The receiver answered 503"},
		{"a status for good", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(410) }, false, 410, "(http_status)"},
		{"fail", says(`{"action":"fail","error":{"message":"no such user"}}`), false, 200, "(receiver_failed): no such user"},
		{"fail, retryable", says(`{"action":"fail","retryable":true,"reason":"busy"}`), true, 200, "(receiver_failed): busy"},
		{"202", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(202) }, false, 202, "(unexpected_202)"},
		{"an unknown action", says(`{"action":"go"}`), false, 200, "(invalid_answer)"},
		{"a page", says(`<html>`), true, 200, "(invalid_answer)"},
		{"data to go on with", says(`{"data":{"a":1}}`), false, 200, "data and next do not go with"},
		{"next to go on with", says(`{"next":{"wait":"PT1H"}}`), false, 200, "data and next do not go with"},
		{"too slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, true, 0, "(timeout)"},
	}
	eachWorld(t, func(w *world) {
		e := w.start()
		for _, tc := range cases {
			w.define(e, "type: HookFails\nretry: {initial: PT0.01S, max_attempts: 2}\non_exception: skip\n"+
				"hooks: {before_step_starts: {path: /hook, timeout: PT0.1S}}\nsteps: [{name: one}]")
			w.receiver.on("hook one", tc.hook)
			wf := w.create(e, "HookFails")
			w.awaitState(wf.ID, domain.WorkflowFinished)
			x, attempts, err := e.Execution(context.Background(), w.last(wf).ID)
			want := 1
			if tc.retry {
				want = 2
			}
			if err != nil || x.Outcome != domain.OutcomeSkipped || x.State != domain.ExecutionFailed || len(attempts) != want {
				w.t.Errorf(tc.name+": %s/%s after %d attempts, %v", x.State, x.Outcome, len(attempts), err)
			}
			if x.Error.Code != domain.ErrHookFailed || x.Error.Status != tc.status || !strings.Contains(x.Error.Message, tc.says) {
				w.t.Errorf(tc.name+": failed as %+v, want %d %q", x.Error, tc.status, tc.says)
			}
			for range attempts {
				if d := w.receiver.next(w.t); d.Body.Type != "hook.before_step_starts" {
					w.t.Errorf(tc.name+": delivered %s", d.Body.Type)
				}
			}
		}
	})
}
