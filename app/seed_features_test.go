package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// feature is a running service, and a receiver that answers each step as the row says.
type feature struct {
	client
	dialect  string
	receiver *receiver

	mu      sync.Mutex
	answers map[string][]string // by step, or "hook " and the step: used up from the front, the last one stays
}

// seedFeatures are the rows of README's table of what the Rails library had, under the names they have there.
var seedFeatures = []struct {
	row  string
	test func(*testing.T, *feature)
}{
	{"workflow classes", func(t *testing.T, f *feature) {
		f.define(t, "ClassA", "steps: [{name: one, wait: P1D}]")
		f.define(t, "ClassB", "steps: [{name: other}]")
		pinned := f.start(t, "ClassA", "")
		f.define(t, "ClassA", "steps: [{name: two}]")
		f.receiver.want(t)
		f.verb(t, pinned, "reattempt", `{}`)
		f.run(t, "ClassA", "finished", "two completed/completed 1")
		f.run(t, "ClassB", "finished", "other completed/completed 1")
		f.awaitFinished(t, pinned)
		f.wantHistory(t, pinned, "one completed/completed 1")
	}},
	{"polymorphic subject", func(t *testing.T, f *feature) {
		f.define(t, "Subjects", "steps: [{wait: P1D}]")
		for _, subject := range []string{"User 42", "Order 42", "Order 0197c2a4-7b1e-7000-8000-000000000000", "user 42", "Ünïcode 日本/4?&2"} {
			typ, id, _ := strings.Cut(subject, " ")
			var w struct{ Subject struct{ Type, ID string } }
			f.call(t, http.StatusCreated, "POST", "/v1/workflows",
				fmt.Sprintf(`{"type": "Subjects", "subject": {"type": %q, "id": %q}}`, typ, id), &w)
			if w.Subject.Type != typ || w.Subject.ID != id {
				t.Errorf("%q became %+v", subject, w.Subject)
			}
		}
	}},
	{"steps: named, anonymous, methods, inline", func(t *testing.T, f *feature) {
		f.define(t, "Steps", "steps: [{name: named}, {}, {name: inline, webhook: {url: '"+f.receiver.url+"/inline'}}]")
		f.run(t, "Steps", "finished", "named completed/completed 1", "step_2 completed/completed 1", "inline completed/completed 1")
		for _, want := range []string{"named /", "step_2 /", "inline /inline"} {
			if d := f.receiver.next(t); d.step+" "+d.path != want {
				t.Errorf("delivered %s to %s, want %s", d.step, d.path, want)
			}
		}
	}},
	{"12.times { step … }", func(t *testing.T, f *feature) {
		f.define(t, "Repeat", "steps: [{name: check, repeat: 3, params: {depth: full}}]")
		f.run(t, "Repeat", "finished", "check completed/completed 1", "check_2 completed/completed 1", "check_3 completed/completed 1")
		for range 3 {
			if d := f.receiver.next(t); !strings.Contains(d.body, `"params":{"depth":"full"}`) {
				t.Errorf("delivered %s", d.body)
			}
		}
	}},
	{"wait; before_step / after_step", func(t *testing.T, f *feature) {
		f.define(t, "Order", "steps: [{name: last, after_step: middle}, {name: first, before_step: middle}, {name: middle, wait: PT0.2S}]")
		id := f.run(t, "Order", "finished", "first completed/completed 1", "middle completed/completed 1", "last completed/completed 1")
		x := f.executions(t, id)
		if wait := x[1].ScheduledFor.Sub(x[0].CompletedAt); wait != 200*time.Millisecond {
			t.Errorf("middle was due %s after first", wait)
		}
		if x[1].StartedAt.Before(x[1].ScheduledFor) {
			t.Errorf("middle was due at %s and started at %s", x[1].ScheduledFor, x[1].StartedAt)
		}
	}},
	{"skip_if / if; cancel_if, inherited", func(t *testing.T, f *feature) {
		f.define(t, "Base", "conditions: {closed: has(subject.closed) && subject.closed}\ncancel_if: [{condition: closed}]\nsteps: []")
		f.define(t, "Conditions", "extends: Base\nsteps: [{if: true, skip_if: false}]", "422")
		f.define(t, "Conditions", `extends: Base
hooks: {before_step_starts: {path: /hook}}
steps:
  - {name: never, skip_if: true}
  - {name: nor, if: "data.count > 1"}
  - {name: does, if: "data.count == 1"}
  - {name: asks}
  - {name: late, wait: P1D}`)
		f.says("hook asks", `{"action": "skip", "reason": "the application says so"}`)
		subject := uuid.NewString()
		id := f.startFor(t, "Conditions", subject, `"data": {"count": 1}`)
		f.await(t, id, "at late", func(w workflow) bool { return w.CurrentStepName == "late" })
		f.push(t, subject, `{"closed": true}`)
		f.verb(t, id, "reattempt", `{}`)
		f.await(t, id, "canceled", func(w workflow) bool { return w.State == "canceled" })
		f.wantHistory(t, id, "never skipped/skipped 1", "nor skipped/skipped 1", "does completed/completed 1", "asks skipped/skipped 1", "late canceled/canceled 1")
	}},
	{"cancel! pause! reattempt! skip! finished!", func(t *testing.T, f *feature) {
		f.define(t, "Flow", "steps: [{name: decide}, {name: after}]")
		for _, c := range []struct{ answer, state, history string }{
			{`{"action": "cancel"}`, "canceled", "decide canceled/canceled 1"},
			{`{"action": "pause"}`, "paused", "decide canceled/paused 1"},
			{`{"action": "skip"}`, "finished", "decide skipped/skipped 1, after completed/completed 1"},
			{`{"action": "finish"}`, "finished", "decide completed/finished 1"},
			{`{"action": "reattempt", "wait": "PT0S"}`, "finished", "decide completed/reattempted 1, decide completed/completed 1, after completed/completed 1"},
		} {
			f.says("decide", c.answer, `{}`)
			f.run(t, "Flow", c.state, strings.Split(c.history, ", ")...)
		}
		f.define(t, "Waits", "steps: [{name: decide, wait: P1D}, {name: after, wait: P1D}]")
		for _, c := range []struct{ verbs, state, history string }{
			{"cancel", "canceled", "decide canceled/canceled 0"},
			{"pause", "paused", "decide scheduled/ 0"},
			{"pause resume", "ready", "decide scheduled/ 0"},
			{"skip", "ready", "decide skipped/skipped 0, after scheduled/ 0"},
			{"finish", "finished", "decide canceled/superseded 0"},
		} {
			id := f.start(t, "Waits", "")
			for verb := range strings.FieldsSeq(c.verbs) {
				f.verb(t, id, verb, `{"reason": "by hand"}`)
			}
			if w := f.workflow(t, id); w.State != c.state {
				t.Errorf("after %s it is %s", c.verbs, w.State)
			}
			f.wantHistory(t, id, strings.Split(c.history, ", ")...)
		}
		f.says("decide", `{}`)
		id := f.start(t, "Waits", "")
		f.verb(t, id, "reattempt", `{}`)
		f.await(t, id, "at after", func(w workflow) bool { return w.CurrentStepName == "after" })
	}},
	{"on_exception; error message and backtrace", func(t *testing.T, f *feature) {
		broken := `{"action": "fail", "error": {"message": "no luck", "backtrace": "at line 7"}}`
		for action, c := range map[string]struct{ state, history string }{
			"pause!":    {"paused", "breaks failed/failed 1"},
			"cancel!":   {"canceled", "breaks failed/canceled 1"},
			"skip":      {"finished", "breaks failed/skipped 1, after completed/completed 1"},
			"reattempt": {"finished", "breaks failed/reattempted 1, breaks completed/completed 1, after completed/completed 1"},
		} {
			f.says("breaks", broken, `{}`)
			policy := strings.TrimSuffix(action, "!")
			if policy == "reattempt" {
				policy = "{action: reattempt, wait: PT0S}"
			}
			f.define(t, "Exception_"+strings.TrimSuffix(action, "!"), "steps: [{name: breaks, on_exception: "+policy+"}, {name: after}]")
			id := f.run(t, "Exception_"+strings.TrimSuffix(action, "!"), c.state, strings.Split(c.history, ", ")...)
			x := f.executions(t, id)[0]
			if x.Error.Message != "no luck" || x.Error.Backtrace != "at line 7" || x.Error.Code != "receiver_failed" {
				t.Errorf("%s: the error is %+v", action, x.Error)
			}
		}
	}},
	{"set_step_job_options; step_job_options_for_next_step", func(t *testing.T, f *feature) {
		f.define(t, "Options", "queue: low\npriority: 7\nsteps: []")
		f.define(t, "Queues", "extends: Options\nsteps: [{name: own, queue: critical, priority: 0}, {name: inherits}, {name: told, wait: P1D}]")
		f.says("inherits", `{"next": {"queue": "default", "priority": 2, "wait": "PT0S"}}`)
		id := f.run(t, "Queues", "finished", "own completed/completed 1", "inherits completed/completed 1", "told completed/completed 1")
		var got []string
		for _, x := range f.executions(t, id) {
			got = append(got, fmt.Sprint(x.Queue, " ", x.Priority))
		}
		if want := []string{"critical 0", "low 7", "default 2"}; !slices.Equal(got, want) {
			t.Errorf("the queues are %q, want %q", got, want)
		}
	}},
	{"Scheduler, forward only; PerformStepJob", func(t *testing.T, f *feature) {
		f.define(t, "Forward", "steps: [{name: one, wait: P1D}, {name: two, wait: P2D}, {name: three}]")
		id := f.start(t, "Forward", "")
		f.wantHistory(t, id, "one scheduled/ 0")
		f.verb(t, id, "skip", `{}`)
		f.wantHistory(t, id, "one skipped/skipped 0", "two scheduled/ 0")
		if x := f.executions(t, id)[1]; x.ScheduledFor.Sub(x.CreatedAt) != 48*time.Hour {
			t.Errorf("two is due at %s, made at %s", x.ScheduledFor, x.CreatedAt)
		}
	}},
	{"before_step_starts", func(t *testing.T, f *feature) {
		f.define(t, "Hook", "hooks: {before_step_starts: {path: /progress}}\nsteps: [{name: one}, {name: two}]")
		f.run(t, "Hook", "finished", "one completed/completed 1", "two completed/completed 1")
		for _, want := range []string{"one /progress true", "one / false", "two /progress true", "two / false"} {
			d := f.receiver.next(t)
			if got := fmt.Sprintf("%s %s %t", d.step, d.path, d.hook()); got != want {
				t.Errorf("delivered %s, want %s", got, want)
			}
		}
	}},
	{"one active workflow for a subject; allow_multiple; one active execution", func(t *testing.T, f *feature) {
		f.define(t, "One", "steps: [{wait: P1D}]")
		f.define(t, "Many", "allow_multiple: true\nsteps: [{wait: P1D}]")
		subject := uuid.NewString()
		body := func(typ string) string {
			return fmt.Sprintf(`{"type": %q, "subject": {"type": "User", "id": %q}}`, typ, subject)
		}
		first := f.startFor(t, "One", subject, "")
		var problem struct {
			Code       string
			WorkflowID string `json:"workflow_id"`
		}
		f.call(t, http.StatusConflict, "POST", "/v1/workflows", body("One"), &problem)
		if problem.Code != "workflow_exists" || problem.WorkflowID != first {
			t.Errorf("the second is refused with %+v", problem)
		}
		for range 2 {
			f.startFor(t, "Many", subject, "")
		}
		f.verb(t, first, "cancel", `{}`)
		f.startFor(t, "One", subject, "")
	}},
	{"presence_sql_for; scopes; current_execution; execution_history", func(t *testing.T, f *feature) {
		f.define(t, "Scopes", "steps: [{name: one}, {name: two, wait: P1D}]")
		subject, other := uuid.NewString(), uuid.NewString()
		id := f.startFor(t, "Scopes", subject, "")
		f.await(t, id, "at two", func(w workflow) bool { return w.CurrentStepName == "two" })
		f.verb(t, id, "pause", `{}`)
		for query, want := range map[string]int{"state=paused": 1, "state=ready": 0, "state=ready&state=paused": 1, "step_name=two": 1, "subject_type=User&subject_id=" + subject: 1,
			"subject_type=User&subject_id=" + other: 0} {
			var list struct{ Items []workflow }
			f.call(t, http.StatusOK, "GET", "/v1/workflows?type=Scopes&"+query, "", &list)
			if len(list.Items) != want {
				t.Errorf("%s lists %d, want %d", query, len(list.Items), want)
			}
		}
		var w struct {
			CurrentExecution execution `json:"current_execution"`
		}
		f.call(t, http.StatusOK, "GET", "/v1/workflows/"+id, "", &w)
		if w.CurrentExecution.StepName != "two" || w.CurrentExecution.State != "scheduled" {
			t.Errorf("the current execution is %+v", w.CurrentExecution)
		}
		f.wantHistory(t, id, "one completed/completed 1", "two scheduled/ 0")
		var presence struct {
			Items []struct {
				SubjectID string `json:"subject_id"`
				Present   bool
			}
		}
		f.call(t, http.StatusOK, "POST", "/v1/presence", fmt.Sprintf(`{"type": "Scopes", "subject_type": "User", "subject_ids": [%q, %q]}`, subject, other), &presence)
		if len(presence.Items) != 2 || !presence.Items[0].Present || presence.Items[1].Present {
			t.Errorf("presence is %+v", presence)
		}
	}},
	{"generator, database detection, UUID flag, initializer", func(t *testing.T, f *feature) {
		f.define(t, "Setup", "steps: []")
		id := f.startFor(t, "Setup", uuid.NewString(), "")
		if parsed, err := uuid.Parse(id); err != nil || parsed.Version() != 7 {
			t.Errorf("the id is %s", id)
		}
		if _, text := f.do(t, "GET", "/metrics", ""); !strings.Contains(text, fmt.Sprintf(`dialect=%q`, f.dialect)) {
			t.Errorf("the dialect is not taken from the URL to be %s", f.dialect)
		}
	}},
	{"speedrun_workflow, reload between steps", func(t *testing.T, f *feature) {
		f.define(t, "Speedrun", "steps: [{name: one, wait: P1D}, {name: two, wait: P1D, skip_if: data.seen}, {name: three, wait: P1D}]")
		f.says("one", `{"data": {"seen": true}}`)
		id := f.start(t, "Speedrun", "")
		var run struct {
			StoppedBy string `json:"stopped_by"`
		}
		f.call(t, http.StatusOK, "POST", "/v1/workflows/"+id+"/speedrun", `{"answers": {"three": [{}]}}`, &run)
		if run.StoppedBy != "finished" {
			t.Errorf("stopped by %s", run.StoppedBy)
		}
		f.wantHistory(t, id, "one completed/completed 1", "two skipped/skipped 1", "three completed/completed 1")
		f.receiver.want(t, "one")
	}},
	{"logging and instrumentation", func(t *testing.T, f *feature) {
		f.define(t, "Logged", "steps: [{name: one}]")
		f.run(t, "Logged", "finished", "one completed/completed 1")
		f.scrapeUntil(t, "genevadrive_transitions_total{outcome=completed,type=Logged}", "genevadrive_workflow_transitions_total{to=finished,type=Logged}")
	}},
}

// TestSeedFeatures holds every row of README's table against a running service, over HTTP, on every database.
func TestSeedFeatures(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, name, url string) {
		s := settingsFor(t, url, "")
		s.TestMode = "true"
		service := startService(t, s)
		for _, row := range seedFeatures {
			t.Run(row.row, func(t *testing.T) {
				f := &feature{client: service.client, dialect: name, answers: map[string][]string{}}
				f.receiver = newReceiver(t, f.answer)
				row.test(t, f)
			})
		}
	})
}

// says has the receiver give these answers.
func (f *feature) says(step string, answers ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[step] = answers
}

func (f *feature) answer(d delivery) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := d.step
	if d.hook() {
		key = "hook " + key
	}
	list := f.answers[key]
	if len(list) == 0 {
		return `{}`
	}
	if len(list) > 1 {
		f.answers[key] = list[1:]
	}
	return list[0]
}

// define registers YAML under a type, with the receiver as its webhook; refused: the status it is refused with.
func (f *feature) define(t *testing.T, typ, yaml string, refused ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", f.base+"/v1/definitions/"+typ, strings.NewReader("webhook: {url: '"+f.receiver.url+"/'}\n"+yaml))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/yaml")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := fmt.Sprint(resp.StatusCode); got != "201" && !slices.Contains(refused, got) || len(refused) > 0 && got == "201" {
		var problem json.RawMessage
		_ = json.NewDecoder(resp.Body).Decode(&problem)
		t.Fatalf("%s is answered with %s: %s", typ, got, problem)
	}
}

func (f *feature) start(t *testing.T, typ, more string) (id string) {
	t.Helper()
	return f.startFor(t, typ, uuid.NewString(), more)
}

func (f *feature) startFor(t *testing.T, typ, subject, more string) (id string) {
	t.Helper()
	if more != "" {
		more = ", " + more
	}
	var w workflow
	f.call(t, http.StatusCreated, "POST", "/v1/workflows", fmt.Sprintf(`{"type": %q, "subject": {"type": "User", "id": %q}%s}`, typ, subject, more), &w)
	return w.ID
}

// run has a workflow performed until it is as wanted.
func (f *feature) run(t *testing.T, typ, state string, history ...string) (id string) {
	t.Helper()
	id = f.start(t, typ, "")
	f.await(t, id, state, func(w workflow) bool { return w.State == state })
	f.wantHistory(t, id, history...)
	return id
}

func (f *feature) verb(t *testing.T, id, verb, body string) {
	t.Helper()
	f.call(t, http.StatusOK, "POST", "/v1/workflows/"+id+"/"+verb, body, new(workflow))
}

func (f *feature) push(t *testing.T, subject, attributes string) {
	t.Helper()
	f.call(t, http.StatusCreated, "PUT", "/v1/subjects?type=User&id="+subject, `{"attributes": `+attributes+`}`, &struct{}{})
}

// performed is a step execution with all that a row may ask about.
type performed struct {
	StepName     string    `json:"step_name"`
	ScheduledFor time.Time `json:"scheduled_for"`
	StartedAt    time.Time `json:"started_at"`
	CompletedAt  time.Time `json:"completed_at"`
	CreatedAt    time.Time `json:"created_at"`
	Queue        string
	Priority     int
	Error        struct{ Code, Message, Backtrace string }
}

func (f *feature) executions(t *testing.T, id string) []performed {
	t.Helper()
	var page struct{ Items []performed }
	f.call(t, http.StatusOK, "GET", "/v1/workflows/"+id+"/step-executions", "", &page)
	return page.Items
}
