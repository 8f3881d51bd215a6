package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

// testMode makes an engine that performs nothing but speedruns.
func testMode(c *engine.Config) { c.TestMode, c.Concurrency = true, 0 }

// canned reads answers by step.
func canned(text string) map[string][]json.RawMessage {
	var answers map[string][]json.RawMessage
	if err := json.Unmarshal([]byte(text), &answers); err != nil {
		panic(err)
	}
	return answers
}

// speedrun performs what is left of a workflow and wants it to stop like that, with that history.
func (w *world) speedrun(e *engine.Engine, id uuid.UUID, r engine.SpeedrunRequest, stoppedBy string, history ...string) engine.SpeedrunResult {
	w.t.Helper()
	out, err := e.Speedrun(context.Background(), id, r)
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, x := range out.Executions {
		got = append(got, fmt.Sprintf("%s %s/%s", x.StepName, x.State, x.Outcome))
		if x.StartedAt != nil && x.StartedAt.Before(x.ScheduledFor) {
			w.t.Errorf("%s was started %s before it was due", x.StepName, x.ScheduledFor.Sub(*x.StartedAt))
		}
	}
	if out.StoppedBy != stoppedBy || !slices.Equal(got, history) {
		w.t.Errorf("stopped by %s with the history %q, want %s with %q", out.StoppedBy, got, stoppedBy, history)
	}
	return out
}

const signup = "type: Signup\nsteps: [{name: welcome}, {name: remind, wait: 2d}, {name: complete, wait: 7d}]"

func TestSpeedrunIgnoresWaits(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start(testMode)
		w.define(e, signup)
		wf := w.create(e, "Signup")
		out := w.speedrun(e, wf.ID, engine.SpeedrunRequest{}, "finished",
			"welcome completed/completed", "remind completed/completed", "complete completed/completed")
		if out.Workflow.State != domain.WorkflowFinished || out.Workflow.Current != nil {
			t.Errorf("finished as %+v", out.Workflow)
		}
		for _, step := range []string{"welcome", "remind", "complete"} {
			if d := w.receiver.next(w.t); d.Step != step || d.Attempt != "1" {
				w.t.Errorf("delivered %s, attempt %s, for %s", d.Step, d.Attempt, step)
			}
		}
		w.speedrun(e, wf.ID, engine.SpeedrunRequest{}, "finished", w.history(wf.ID)...) // once more changes nothing
		if n := len(w.receiver.deliveries); n != 0 {
			w.t.Errorf("%d more deliveries", n)
		}
	})
}

func TestSpeedrunWithAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, definition, answers string
		stoppedBy                 string
		history                   []string
		data                      string
	}{
		{"one for each attempt, the last one again", "steps: [{name: a}, {name: b, wait: 1d}]",
			`{"a": [{"action": "reattempt", "wait": "P3D", "data": {"tries": 1}}, {"action": "reattempt"}, {"data": {"tries": 3}}], "b": [{}]}`, "finished",
			[]string{"a completed/reattempted", "a completed/reattempted", "a completed/completed", "b completed/completed"}, `{"tries":3}`},
		{"conditions are asked, and an answer is not used up by a skip", `steps: [{name: a, skip_if: "!has(data.go)"}, {name: b}, {name: c, if: "data.go"}]`,
			`{"a": [{"action": "cancel"}], "b": [{"data": {"go": true}}], "c": [{"action": "finish", "reason": "enough"}]}`, "finished",
			[]string{"a skipped/skipped", "b completed/completed", "c completed/finished"}, `{"go":true}`},
		{"cancel_if", "cancel_if: [\"has(data.stop)\"]\nsteps: [{name: a}, {name: b}]", `{"a": [{"data": {"stop": 1}}]}`, "canceled",
			[]string{"a completed/completed", "b canceled/canceled"}, `{"stop":1}`},
		{"no hook either", "hooks: {before_step_starts: {path: /hook}}\nsteps: [{name: a}]", `{"a": [{}]}`, "finished", []string{"a completed/completed"}, "{}"},
		{"no endpoint either", "steps: [{name: a, webhook: {endpoint: nobody}}, {name: b, webhook: {endpoint: nowhere}}, {name: c, webhook: {endpoint: nowhere}}]",
			`{"a": [{}], "b": [{}]}`, "paused", []string{"a completed/completed", "b completed/completed", "c failed/failed"}, "{}"},
		{"pause", "steps: [{name: a}, {name: b}]", `{"a": [{"action": "pause"}]}`, "paused", []string{"a canceled/paused"}, "{}"},
		{"cancel", "steps: [{name: a}, {name: b}]", `{"a": [{"action": "cancel"}]}`, "canceled", []string{"a canceled/canceled"}, "{}"},
		{"retries are brought forward", "retry: {max_attempts: 4, initial: PT1H}\nsteps: [{name: a}]", `{"a": [{"action": "fail", "retryable": true}]}`, "paused",
			[]string{"a failed/failed"}, "{}"},
		{"retries that come right", "retry: {max_attempts: 4, initial: PT1H}\nsteps: [{name: a}]", `{"a": [{"action": "fail", "retryable": true}, {}]}`, "finished",
			[]string{"a completed/completed"}, "{}"},
		{"on_exception", "on_exception: {action: reattempt, max_reattempts: 2, then: cancel, wait: PT1H}\nsteps: [{name: a}]", `{"a": [{"action": "fail"}]}`, "canceled",
			[]string{"a failed/reattempted", "a failed/reattempted", "a failed/canceled"}, "{}"},
		{"a step with callback_timeout", "steps: [{name: a, callback_timeout: 1d}, {name: b, wait: 1d}]", `{"a": [{}], "b": [{}]}`, "finished",
			[]string{"a completed/completed", "b completed/completed"}, "{}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				e := w.start(testMode)
				w.define(e, "type: Canned\n"+tc.definition)
				wf := w.create(e, "Canned")
				out := w.speedrun(e, wf.ID, engine.SpeedrunRequest{Answers: canned(tc.answers)}, tc.stoppedBy, tc.history...)
				if n := len(w.receiver.deliveries); n != 0 {
					w.t.Errorf("%d deliveries", n)
				}
				if string(out.Workflow.Data) != tc.data {
					w.t.Errorf("data is %s, want %s", out.Workflow.Data, tc.data)
				}
			})
		})
	}
}

// TestSpeedrunDelivers has answers for one step only: the others are delivered, with hook, retries and callback.
func TestSpeedrunDelivers(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start(testMode)
		w.define(e, "type: Delivers\nretry: {initial: PT1H}\nhooks: {before_step_starts: {}}\nsteps: [{name: a}, {name: b}, {name: c, callback_timeout: 1d}, {name: d, wait: 1d}]")
		fails := func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) }
		w.receiver.on("b", once(fails, once(fails, says(""))))
		w.receiver.on("c", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(202) })
		wf := w.create(e, "Delivers")
		completed := make(chan error, 1)
		go func() {
			for d := range w.receiver.deliveries {
				if d.Step != "c" || d.Body.Data.Callback == nil {
					continue
				}
				row, err := w.store.Workflow(context.Background(), wf.ID)
				for err == nil && !row.Execution.AwaitsCallback() {
					row, err = w.store.Workflow(context.Background(), wf.ID)
				}
				_, err = e.Complete(context.Background(), row.Execution.ID, d.Body.Data.Callback.Token, []byte(`{"data": {"called": "back"}}`))
				completed <- err
				return
			}
		}()
		out := w.speedrun(e, wf.ID, engine.SpeedrunRequest{Answers: canned(`{"a": [{}]}`)}, "finished",
			"a completed/completed", "b completed/completed", "c completed/completed", "d completed/completed")
		if err := <-completed; err != nil {
			w.t.Error(err)
		}
		if b := out.Executions[1]; b.Attempt != 3 || b.Failures != 2 || string(out.Workflow.Data) != `{"called":"back"}` {
			w.t.Errorf("b had %d attempts, %d failed; data %s", b.Attempt, b.Failures, out.Workflow.Data)
		}
		_, attempts, err := e.Execution(context.Background(), out.Executions[1].ID)
		if err != nil || len(attempts) != 3 || attempts[0].Status != 500 {
			w.t.Errorf("attempts of b: %+v, %v", attempts, err)
		}
	})
}

func TestSpeedrunStops(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start(testMode)
		w.define(e, "type: Endless\nsteps: [{name: again, wait: 1d}, {name: blocked}]")
		wf := w.create(e, "Endless")
		out := w.speedrun(e, wf.ID, engine.SpeedrunRequest{MaxSteps: 3, Answers: canned(`{"again": [{"action": "reattempt", "wait": "PT1H"}]}`)},
			engine.StoppedByMaxSteps, "again completed/reattempted", "again completed/reattempted", "again completed/reattempted", "again scheduled/")
		// What is left behind is what the rules say, waits included.
		if x := out.Workflow.Current; out.Workflow.State != domain.WorkflowReady || time.Until(x.ScheduledFor) < 50*time.Minute || x.Attempt != 0 {
			w.t.Errorf("left as %s with %+v", out.Workflow.State, x)
		}
		answer, release := block()
		w.receiver.on("blocked", answer)
		out = w.speedrun(e, wf.ID, engine.SpeedrunRequest{Answers: canned(`{"again": [{}]}`), Limit: 300 * time.Millisecond}, engine.StoppedByTimeLimit,
			"again completed/reattempted", "again completed/reattempted", "again completed/reattempted", "again completed/completed", "blocked scheduled/")
		if x := out.Workflow.Current; x.Attempt != 1 || x.Failures != 0 {
			w.t.Errorf("handed back as %+v", x)
		}
		release()
		w.control(e, wf.ID, domain.VerbPause)
		w.speedrun(e, wf.ID, engine.SpeedrunRequest{}, "paused", w.history(wf.ID)...)
		w.control(e, wf.ID, domain.VerbResume)
		if out, err := e.Speedrun(context.Background(), wf.ID, engine.SpeedrunRequest{}); err != nil || out.StoppedBy != "finished" {
			w.t.Errorf("%+v %v", out, err)
		}
	})
}

// TestSpeedrunBesideOthers has a worker at the first step, a verb during the second, and two speedruns at once.
func TestSpeedrunBesideOthers(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start(func(c *engine.Config) { c.TestMode = true })
		w.define(e, "type: Beside\nsteps: [{name: a}, {name: b, wait: 1d}, {name: c, wait: 1d}, {name: d}]")
		answer, release := block()
		w.receiver.on("a", answer)
		wf := w.create(e, "Beside")
		w.receiver.next(w.t) // the worker has it
		w.receiver.on("b", func(http.ResponseWriter, *http.Request) { w.control(e, wf.ID, domain.VerbPause) })
		type ended struct {
			out engine.SpeedrunResult
			err error
		}
		both := make(chan ended, 2)
		run := func() {
			out, err := e.Speedrun(context.Background(), wf.ID, engine.SpeedrunRequest{})
			both <- ended{out, err}
		}
		go run()
		release()
		if got := <-both; got.err != nil || got.out.StoppedBy != "paused" || got.out.Workflow.CurrentStepName != "c" {
			w.t.Fatalf("%+v %v", got.out, got.err)
		}
		w.control(e, wf.ID, domain.VerbResume)
		go run()
		go run()
		for range 2 {
			if got := <-both; got.err != nil || got.out.StoppedBy != "finished" {
				w.t.Errorf("%+v %v", got.out, got.err)
			}
		}
		if got := w.history(wf.ID); !slices.Equal(got, []string{"a completed/completed", "b completed/completed", "c completed/completed", "d completed/completed"}) {
			w.t.Errorf("history is %q", got)
		}
		for _, step := range []string{"b", "c", "d"} {
			if d := w.receiver.next(w.t); d.Step != step {
				w.t.Errorf("delivered %s instead of %s", d.Step, step)
			}
		}
		if n := len(w.receiver.deliveries); n != 0 {
			w.t.Errorf("%d deliveries too many", n)
		}
	})
}

func TestSpeedrunEndsWithItsServer(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine(testMode)
		w.define(e, signup)
		wf := w.create(e, "Signup")
		if _, err := e.Speedrun(context.Background(), wf.ID, engine.SpeedrunRequest{}); domain.CodeOf(err) != domain.CodeUnavailable {
			w.t.Errorf("before the start: %v", err)
		}
		if err := e.Start(context.Background()); err != nil {
			w.t.Fatal(err)
		}
		answer, _ := block()
		w.receiver.on("welcome", answer)
		failed := make(chan error, 1)
		go func() {
			_, err := e.Speedrun(context.Background(), wf.ID, engine.SpeedrunRequest{})
			failed <- err
		}()
		w.receiver.next(w.t)
		e.Stop(context.Background())
		if err := <-failed; domain.CodeOf(err) != domain.CodeUnavailable {
			w.t.Errorf("at the stop: %v", err)
		}
		w.await(wf.ID, "handed back", func(r persistence.Row) bool { return r.Execution.State == domain.ExecutionScheduled })
	})
}

func TestSpeedrunRefuses(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := context.Background()
		e := w.start(testMode)
		w.define(e, signup)
		wf := w.create(e, "Signup")
		for _, tc := range []struct {
			name     string
			r        engine.SpeedrunRequest
			pointers string
		}{
			{"too many steps", engine.SpeedrunRequest{MaxSteps: engine.MaxSpeedrunSteps + 1}, "#/max_steps"},
			{"fewer than none", engine.SpeedrunRequest{MaxSteps: -1}, "#/max_steps"},
			{"unknown steps", engine.SpeedrunRequest{Answers: canned(`{"wellcome": [{}], "a/~b": [{}], "50% é": [[]]}`)}, "#/answers/50%25%20%C3%A9 #/answers/a~1~0b #/answers/wellcome"},
			{"no answers", engine.SpeedrunRequest{Answers: canned(`{"welcome": []}`)}, "#/answers/welcome"},
			{"bad answers", engine.SpeedrunRequest{Answers: canned(`{"remind": [{"action": "don"}], "welcome": [{}, {"wait": "1d", "next": {"queue": "x"}}]}`)},
				"#/answers/remind/0/action #/answers/welcome/1/wait #/answers/welcome/1/next/queue"},
			{"what is no object", engine.SpeedrunRequest{Answers: canned(`{"remind": [[]], "welcome": [["complete"], 1, null, {"next": []}]}`)},
				"#/answers/remind/0 #/answers/welcome/0 #/answers/welcome/1 #/answers/welcome/2 #/answers/welcome/3/next"},
			{"null for the action", engine.SpeedrunRequest{Answers: canned(`{"welcome": [{"action": null}]}`)}, "#/answers/welcome/0/action"},
		} {
			_, err := e.Speedrun(ctx, wf.ID, tc.r)
			var pointers []string
			if refused, ok := err.(*domain.Error); ok {
				for _, p := range refused.Problems {
					pointers = append(pointers, p.Pointer)
				}
			}
			if domain.CodeOf(err) != domain.CodeInvalidRequest || strings.Join(pointers, " ") != tc.pointers {
				w.t.Errorf("%s: %q, %v", tc.name, pointers, err)
			}
		}
		many := engine.SpeedrunRequest{Answers: canned(`{"welcome": [` + strings.Repeat("[], ", 200) + `{}]}`)}
		var refused *domain.Error
		if _, err := e.Speedrun(ctx, wf.ID, many); !errors.As(err, &refused) || len(refused.Problems) != 100 || refused.Problems[0].Detail != "expected an object, not an array" {
			w.t.Errorf("many bad answers: %v", err)
		}
		if _, err := e.Speedrun(ctx, uuid.New(), engine.SpeedrunRequest{}); domain.CodeOf(err) != domain.CodeWorkflowNotFound {
			w.t.Errorf("an unknown workflow: %v", err)
		}
		if _, err := w.engine().Speedrun(ctx, wf.ID, engine.SpeedrunRequest{}); domain.CodeOf(err) != domain.CodeTestModeOff || !strings.Contains(err.Error(), "GENEVADRIVE_TEST_MODE=true") {
			w.t.Errorf("without test mode: %v", err)
		}
		if got := w.history(wf.ID); !slices.Equal(got, []string{"welcome scheduled/"}) {
			w.t.Errorf("history is %q", got)
		}
	})
}
