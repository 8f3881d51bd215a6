package handlers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

const (
	bulk     = "POST /v1/workflows/bulk"
	speedrun = "POST /v1/workflows/" + workflowID + "/speedrun"
)

// overRealHandlers puts the handlers over an engine that has nothing: whatever gets past the checks of a
// request is a 500.
func overRealHandlers(d *Deps) { d.API = New(&engine.Engine{}) }

func TestBadBulk(t *testing.T) {
	const invalid = domain.CodeInvalidRequest
	resume := func(more string) string { return `{"verb":"resume","filter":{"state":["paused"]}` + more + `}` }
	filter := func(text string) string { return `{"verb":"resume","filter":` + text + `}` }
	refuseAll(t, []badInput{
		{name: "an empty filter", request: bulk, body: filter(`{}`), code: domain.CodeEmptyFilter},
		{name: "no filter", request: bulk, body: `{"verb":"resume"}`, code: invalid, places: []string{"#/filter"}},
		{name: "no verb", request: bulk, body: `{"filter":{"state":["paused"]}}`, code: invalid, places: []string{"#/verb"}},
		{name: "nothing", request: bulk, code: domain.CodeUnreadableBody},
		{name: "an unknown verb", request: bulk, body: strings.Replace(resume(""), "resume", "stop", 1), code: invalid, places: []string{"#/verb"}},
		{name: "limit over 1000", request: bulk, body: resume(`,"limit":1001`), code: invalid, places: []string{"#/limit"}},
		{name: "limit 0", request: bulk, body: resume(`,"limit":0`), code: invalid, places: []string{"#/limit"}},
		{name: "limit that overflows", request: bulk, body: resume(`,"limit":9007199254740991`), code: invalid, places: []string{"#/limit"}},
		{name: "a reason too long", request: bulk, body: resume(`,"reason":"` + strings.Repeat("x", 1001) + `"`), code: invalid, places: []string{"#/reason"}},
		{name: "dry_run in words", request: bulk, body: resume(`,"dry_run":"yes"`), code: invalid, places: []string{"#/dry_run"}},
		{name: "a step execution", request: bulk, body: resume(`,"step_execution_id":"` + workflowID + `"`), code: invalid, places: []string{"#/step_execution_id"}},
		{name: "a filter that is not known", request: bulk, body: filter(`{"states":["paused"]}`), code: invalid, places: []string{"#/filter/states"}},
		{name: "a filter of no values", request: bulk, body: filter(`{"state":[]}`), code: invalid, places: []string{"#/filter/state"}},
		{name: "a filter that is null", request: bulk, body: filter(`{"state":null}`), code: invalid, places: []string{"#/filter/state"}},
		{name: "a filter that is no list", request: bulk, body: filter(`{"state":"paused"}`), code: invalid, places: []string{"#/filter/state"}},
		{name: "one bad value of two", request: bulk, body: filter(`{"state":["paused","stuck"],"type":["A","9"]}`), code: invalid, places: []string{"#/filter/state/1", "#/filter/type/1"}},
		{name: "a hundred and one values", request: bulk, body: filter(`{"subject_id":["1"` + strings.Repeat(`,"1"`, 100) + `]}`), code: invalid, places: []string{"#/filter/subject_id"}},
		{name: "a time that is none", request: bulk, body: filter(`{"created_before":"now"}`), code: invalid, places: []string{"#/filter/created_before"}},
		{name: "times out of bounds", request: bulk, body: filter(`{"created_after":"0000-01-01T00:00:00Z","created_before":"9999-12-31T23:59:59-23:59"}`), code: invalid,
			places: []string{"#/filter/created_after", "#/filter/created_before"}},
		{name: "a query", request: bulk + "?state=paused", body: resume(""), code: domain.CodeInvalidQuery, places: []string{"state"}},
		{name: "an idempotency key", request: bulk, body: resume(""), headers: []string{"Idempotency-Key", "k"}, code: domain.CodeInvalidIdempotencyKey, places: []string{"Idempotency-Key"}},
		{name: "a form", request: bulk, body: "verb=resume", headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, code: domain.CodeUnsupportedMediaType},
	}, overRealHandlers)
}

func TestBadSpeedrun(t *testing.T) {
	const invalid = domain.CodeInvalidRequest
	answers := func(text string) string { return `{"answers":{"a/b":[` + text + `]}}` }
	refuseAll(t, []badInput{
		{name: "an id that is none", request: "POST /v1/workflows/42/speedrun", code: domain.CodeWorkflowNotFound},
		{name: "no steps", request: speedrun, body: `{"max_steps":0}`, code: invalid, places: []string{"#/max_steps"}},
		{name: "too many steps", request: speedrun, body: `{"max_steps":1001}`, code: invalid, places: []string{"#/max_steps"}},
		{name: "no answers for a step", request: speedrun, body: answers(""), code: invalid, places: []string{"#/answers/a~1b"}},
		{name: "an answer that is no list", request: speedrun, body: `{"answers":{"a":{"action":"skip"}}}`, code: invalid, places: []string{"#/answers/a"}},
		{name: "an idempotency key", request: speedrun, headers: []string{"Idempotency-Key", "k"}, code: domain.CodeInvalidIdempotencyKey, places: []string{"Idempotency-Key"}},
	}, overRealHandlers)
}

func TestBulkAndSpeedrunArriveWhole(t *testing.T) {
	e := newEdge(t)
	e.api.answer = api.BulkWorkflows200JSONResponse(bulkView(engine.BulkResult{Matched: 2, Changed: 1, Errors: []engine.BulkError{
		{WorkflowID: uuid.MustParse(workflowID), Code: domain.CodeInvalidTransition, Detail: "It is finished."}}}))
	w := e.do("POST", "/v1/workflows/bulk", `{"verb":"skip","filter":{"state":["ready","paused"],"created_after":"2026-01-02T03:04:05Z"},"dry_run":true,"limit":1000}`)
	body := e.api.asked.(api.BulkWorkflowsRequestObject).Body
	if w.Code != 200 || body.Verb != api.VerbSkip || !*body.DryRun || *body.Limit != 1000 ||
		!slices.Equal(body.Filter.State, []api.WorkflowState{"ready", "paused"}) || body.Filter.CreatedAfter == nil {
		t.Errorf("%d, asked %+v", w.Code, body)
	}
	if want := `"matched":2`; !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `"code":"invalid_transition"`) {
		t.Errorf("answered %s", w.Body)
	}

	finished := engine.Workflow{Workflow: domain.Workflow{ID: uuid.MustParse(workflowID), Type: "A", State: domain.WorkflowFinished,
		SubjectType: "User", SubjectID: "1", Data: json.RawMessage(`{}`), CreatedAt: someTime, UpdatedAt: someTime, FinishedAt: &someTime}}
	e.api.answer = api.SpeedrunWorkflow200JSONResponse(speedrunView(engine.SpeedrunResult{Workflow: finished, StoppedBy: "finished",
		Executions: []domain.Execution{{State: domain.ExecutionCompleted, Outcome: domain.OutcomeCompleted, ScheduledFor: someTime, CreatedAt: someTime}}}))
	_, target, _ := strings.Cut(speedrun, " ")
	if w := e.do("POST", target, `{"answers":{"a":[{"action":"complete","data":{"n":1.50}}]}}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"stopped_by":"finished"`) || !strings.Contains(w.Body.String(), `"outcome":"completed"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	asked := e.api.asked.(api.SpeedrunWorkflowRequestObject).Body
	if got := fmt.Sprintf("%s", (*asked.Answers)["a"]); got != `[{"action":"complete","data":{"n":1.50}}]` {
		t.Errorf("the answers are %s", got)
	}
	const odd = `[[],null,{"action":null}]`
	e.do("POST", target, `{"answers":{"a":`+odd+`}}`)
	asked = e.api.asked.(api.SpeedrunWorkflowRequestObject).Body
	if got, err := json.Marshal((*asked.Answers)["a"]); err != nil || string(got) != odd {
		t.Errorf("the answers that are none arrive as %s, %v", got, err)
	}
	if w := e.do("POST", target, ""); w.Code != 200 || e.api.asked.(api.SpeedrunWorkflowRequestObject).Body != nil {
		t.Errorf("without a body: %d", w.Code)
	}
}

func TestTestModeOff(t *testing.T) {
	e := newEdge(t)
	e.api.err = &domain.Error{Code: domain.CodeTestModeOff}
	_, target, _ := strings.Cut(speedrun, " ")
	if w := e.do("POST", target, ""); w.Code != 403 || problemIn(t, w).Code != domain.CodeTestModeOff {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestExplanations(t *testing.T) {
	e := newEdge(t)
	for name, tt := range map[string]struct {
		from domain.Explanation
		want string
	}{
		"the least": {domain.Explanation{State: "finished", Code: "finished", Summary: "It is finished."},
			`{"actions":[],"code":"finished","error":null,"next":null,"state":"finished","summary":"It is finished."}`},
		"the most": {domain.Explanation{State: "ready", Code: "overdue", Summary: "Late.",
			Next:    &domain.ExplainedNext{StepName: "a", At: someTime, Overdue: 1500 * time.Millisecond},
			Actions: []domain.ExplainedAction{{Verb: "skip", Effect: "Skips a."}}, Error: &domain.ExecutionError{Code: "timeout", Message: "m"}},
			`{"actions":[{"effect":"Skips a.","verb":"skip"}],"code":"overdue","error":{"backtrace":null,"code":"timeout","message":"m","status":null},` +
				`"next":{"at":"2026-01-02T03:04:05.000006Z","overdue_seconds":1.5,"step_name":"a"},"state":"ready","summary":"Late."}`},
		"not due yet": {domain.Explanation{Next: &domain.ExplainedNext{At: someTime, Overdue: -time.Second}},
			`{"actions":[],"code":"","error":null,"next":{"at":"2026-01-02T03:04:05.000006Z","overdue_seconds":0,"step_name":""},"state":"","summary":""}`},
	} {
		e.api.answer = api.ExplainWorkflow200JSONResponse(explanationView(tt.from))
		if w := e.do("GET", getPath+"/explain", ""); w.Code != 200 || strings.TrimSpace(w.Body.String()) != tt.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
