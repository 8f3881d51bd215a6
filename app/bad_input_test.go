package app_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestBadInputIsRefusedAlike sends what nobody should to every database: the answer is the same problem
// everywhere, and nothing changes.
func TestBadInputIsRefusedAlike(t *testing.T) {
	t.Parallel()
	manySteps := strings.Repeat(`{},`, 10_000)
	definition := func(rest string) string {
		return `{"type": "T", "webhook": {"url": "http://127.0.0.1:9/"}, ` + rest + `}`
	}
	wrong := func(expression string) string {
		return definition(`"cancel_if": [` + strconv.Quote(expression) + `], "steps": [{}]`)
	}
	manySubjects := strings.TrimSuffix(strings.Repeat(`"1",`, 1001), ",")
	subject := `"type": "SignupWorkflow", "subject": {"type": "User", "id": "1"}`
	testenv.Each(t, func(t *testing.T, _, url string) {
		service := startService(t, settingsFor(t, url, ""))
		service.register(t, "http://127.0.0.1:9/", "P1D")
		service.call(t, 201, "PUT", "/v1/definitions/Parent", `{"type": "Parent", "steps": []}`, &struct{}{})
		service.call(t, 201, "PUT", "/v1/definitions/Child", `{"type": "Child", "extends": "Parent", "steps": []}`, &struct{}{})
		kept := service.create(t)
		execution := service.history(t, kept.ID)[0].ID
		for _, tc := range []struct {
			name, method, path, body string
			status                   int
			code, place              string
		}{
			{"no JSON", "POST", "/v1/workflows", `{`, 400, "unreadable_body", ""},
			{"an unknown key", "POST", "/v1/workflows", `{` + subject + `, "x": 1}`, 422, "invalid_request", "#/x"},
			{"a duplicate key", "POST", "/v1/workflows", `{` + subject + `, "type": "T"}`, 400, "unreadable_body", ""},
			{"trailing data", "POST", "/v1/workflows", `{` + subject + `} {}`, 400, "unreadable_body", ""},
			{"a wrong type", "POST", "/v1/workflows", `{"type": 7, "subject": {"type": "User", "id": "1"}}`, 422, "invalid_request", "#/type"},
			{"a NUL", "POST", "/v1/workflows", `{"type": "SignupWorkflow", "subject": {"type": "User", "id": "a\u0000"}}`, 400, "unreadable_body", ""},
			{"a lone surrogate", "POST", "/v1/workflows", `{` + subject + `, "data": {"a": "\ud800"}}`, 400, "unreadable_body", ""},
			{"deep nesting", "POST", "/v1/workflows", `{` + subject + `, "data": {"a": ` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}}`, 400, "unreadable_body", ""},
			{"a number over 2^53", "POST", "/v1/workflows", `{` + subject + `, "data": {"a": 9007199254740993}}`, 400, "unreadable_body", ""},
			{"a negative wait", "POST", "/v1/workflows", `{` + subject + `, "wait": "-PT1S"}`, 422, "invalid_request", "#/wait"},
			{"an overflowing wait", "POST", "/v1/workflows", `{` + subject + `, "wait": "P999999999999D"}`, 422, "invalid_request", "#/wait"},
			{"a first step after the year 9999", "POST", "/v1/workflows", `{` + subject + `, "at": "9999-12-31T23:59:59-23:59"}`, 422, "invalid_request", "#/at"},
			{"a reattempt after the year 9999", "POST", "/v1/workflows/" + kept.ID + "/reattempt", `{"at": "9999-12-31T23:59:59-23:59"}`, 422, "invalid_request", "#/at"},
			{"a subject id too long", "POST", "/v1/workflows", `{"type": "SignupWorkflow", "subject": {"type": "User", "id": "` + strings.Repeat("é", 191) + `"}}`, 422, "invalid_request", "#/subject/id"},
			{"space at a subject's edge", "POST", "/v1/workflows", `{"type": "SignupWorkflow", "subject": {"type": "User", "id": "1 "}}`, 422, "invalid_request", "#/subject/id"},
			{"data too large", "POST", "/v1/workflows", `{` + subject + `, "data": {"a": "` + strings.Repeat("x", 300_000) + `"}}`, 422, "", ""},
			{"a body over 1 MiB", "POST", "/v1/workflows", `{` + subject + `, "data": {"a": "` + strings.Repeat("x", 1<<20) + `"}}`, 413, "body_too_large", ""},
			{"an unknown definition", "POST", "/v1/workflows", `{"type": "Nothing", "subject": {"type": "User", "id": "1"}}`, 404, "definition_not_found", ""},
			{"an unknown version", "POST", "/v1/workflows", `{` + subject + `, "definition_version": 99}`, 404, "definition_not_found", ""},
			{"10,000 steps", "PUT", "/v1/definitions/T", definition(`"steps": [` + strings.TrimSuffix(manySteps, ",") + `]`), 422, "invalid_definition", "#/steps"},
			{"an unknown queue", "PUT", "/v1/definitions/T", definition(`"queue": "fast", "steps": [{}]`), 422, "invalid_definition", "#/queue"},
			{"a URL that is not http", "PUT", "/v1/definitions/T", `{"type": "T", "webhook": {"url": "ftp://x/"}, "steps": [{}]}`, 422, "invalid_definition", "#/webhook/url"},
			{"a name over its limit", "PUT", "/v1/definitions/T", definition(`"steps": [{"name": "` + strings.Repeat("a", 101) + `"}]`), 422, "invalid_definition", "#/steps/0/name"},
			{"a forged cursor", "GET", "/v1/workflows?cursor=x", "", 400, "invalid_cursor", "cursor"},
			{"a list from before the year 1", "GET", "/v1/workflows?created_after=0000-01-01T00:00:00Z", "", 400, "invalid_query", "created_after"},
			{"due before the year 10000", "GET", "/v1/step-executions?due_before=9999-12-31T23:59:59-23:59&limit=1", "", 400, "invalid_query", "due_before"},
			{"an unknown parameter", "GET", "/v1/workflows?colour=red", "", 400, "invalid_query", "colour"},
			{"a limit too large", "GET", "/v1/workflows?limit=201", "", 400, "invalid_query", "limit"},
			{"an id that is none", "GET", "/v1/workflows/x", "", 404, "workflow_not_found", ""},
			{"an unknown id", "GET", "/v1/workflows/00000000-0000-7000-8000-000000000000", "", 404, "workflow_not_found", ""},
			{"an unknown step execution", "GET", "/v1/step-executions/00000000-0000-7000-8000-000000000000", "", 404, "step_execution_not_found", ""},
			{"an unknown step", "POST", "/v1/workflows/" + kept.ID + "/resume", `{"step": "nothing"}`, 409, "invalid_transition", ""},
			{"a parent that is not there", "PUT", "/v1/definitions/T", definition(`"extends": "Nothing", "steps": [{}]`), 422, "invalid_definition", "#/extends"},
			{"its own parent", "PUT", "/v1/definitions/T", definition(`"extends": "T", "steps": [{}]`), 422, "invalid_definition", "#/extends"},
			{"a circle of parents", "PUT", "/v1/definitions/Parent", `{"type": "Parent", "extends": "Child", "steps": []}`, 422, "invalid_definition", "#/extends"},
			{"an anchor that is not there", "PUT", "/v1/definitions/T", definition(`"steps": [{"name": "a", "after_step": "b"}]`), 422, "invalid_definition", "#/steps/0/after_step"},
			{"a circle of steps", "PUT", "/v1/definitions/T", definition(`"steps": [{"name": "a", "after_step": "b"}, {"name": "b", "after_step": "a"}]`), 422, "invalid_definition", "#/steps/0/after_step"},
			{"no expression", "PUT", "/v1/definitions/T", wrong("data.a ="), 422, "invalid_definition", "#/cancel_if/0"},
			{"an expression of another type", "PUT", "/v1/definitions/T", wrong("1 + 1"), 422, "invalid_definition", "#/cancel_if/0"},
			{"an unknown variable", "PUT", "/v1/definitions/T", wrong("user.closed"), 422, "invalid_definition", "#/cancel_if/0"},
			{"an unknown function", "PUT", "/v1/definitions/T", wrong("sleep(10)"), 422, "invalid_definition", "#/cancel_if/0"},
			{"deep recursion", "PUT", "/v1/definitions/T", wrong(strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500)), 422, "invalid_definition", "#/cancel_if/0"},
			{"loops in loops", "PUT", "/v1/definitions/T", wrong("data.a.all(x, data.a.all(y, data.a.all(z, x == y)))"), 422, "invalid_definition", "#/cancel_if/0"},
			{"a long expression", "PUT", "/v1/definitions/T", wrong(strings.Repeat("true && ", 1000) + "true"), 422, "invalid_definition", "#/cancel_if/0"},
			{"an unknown condition", "PUT", "/v1/definitions/T", definition(`"cancel_if": [{"condition": "x"}], "steps": [{}]`), 422, "invalid_definition", "#/cancel_if/0"},
			{"a bulk call without a filter", "POST", "/v1/workflows/bulk", `{"verb": "cancel", "filter": {}}`, 422, "empty_filter", ""},
			{"a bulk call from after the year 9999", "POST", "/v1/workflows/bulk", `{"verb": "cancel", "filter": {"created_after": "9999-12-31T23:59:59-23:59"}}`, 422, "invalid_request", "#/filter/created_after"},
			{"a bulk call over its limit", "POST", "/v1/workflows/bulk", `{"verb": "cancel", "filter": {"type": ["T"]}, "limit": 1001}`, 422, "invalid_request", "#/limit"},
			{"a bulk call with an unknown verb", "POST", "/v1/workflows/bulk", `{"verb": "delete", "filter": {"type": ["T"]}}`, 422, "invalid_request", "#/verb"},
			{"presence of too many", "POST", "/v1/presence", `{"type": "T", "subject_type": "User", "subject_ids": [` + manySubjects + `]}`, 422, "invalid_request", "#/subject_ids"},
			{"attributes over 256 KiB", "PUT", "/v1/subjects?type=User&id=1", `{"attributes": {"a": "` + strings.Repeat("x", 300_000) + `"}}`, 422, "", ""},
			{"attributes of 1 MiB", "PUT", "/v1/subjects?type=User&id=1", `{"attributes": {"a": "` + strings.Repeat("x", 1<<20) + `"}}`, 413, "body_too_large", ""},
			{"attributes that are the subject's own", "PUT", "/v1/subjects?type=User&id=1", `{"attributes": {"id": "2"}}`, 422, "invalid_request", "#/attributes/id"},
			{"a late answer without a token", "POST", "/v1/step-executions/" + execution + "/complete", `{}`, 401, "unauthorized", ""},
			{"a speedrun in production", "POST", "/v1/workflows/" + kept.ID + "/speedrun", `{}`, 403, "test_mode_off", ""},
			{"an endpoint that is not there", "DELETE", "/v1/endpoints/nothing", "", 404, "endpoint_not_found", ""},
			{"data that is no object", "PATCH", "/v1/workflows/" + kept.ID + "/data", `[]`, 422, "invalid_request", "#"},
		} {
			status, body := service.checked(t, tc.method, tc.path, tc.body)
			var problem struct {
				Code, Detail string
				Errors       []struct{ Pointer, Parameter string }
			}
			if err := json.Unmarshal([]byte(body), &problem); err != nil {
				t.Errorf("%s: %d with %.200q", tc.name, status, body)
				continue
			}
			place := ""
			if len(problem.Errors) > 0 {
				place = problem.Errors[0].Pointer + problem.Errors[0].Parameter
			}
			if status != tc.status || tc.code != "" && problem.Code != tc.code || tc.place != "" && place != tc.place {
				t.Errorf("%s: %d %s at %q (%s), want %d %s at %q", tc.name, status, problem.Code, place, problem.Detail, tc.status, tc.code, tc.place)
			}
		}
		if now := service.workflow(t, kept.ID); fmt.Sprint(now) != fmt.Sprint(kept) {
			t.Errorf("the workflow is %+v, was %+v", now, kept)
		}
		var list struct{ Items []workflow }
		service.call(t, 200, "GET", "/v1/workflows", "", &list)
		if len(list.Items) != 1 {
			t.Errorf("there are %d workflows", len(list.Items))
		}
	})
}

// TestHostileExpressionsFollowOnException has conditions fail at run time: the workflow is paused with the cause,
// and nothing is delivered.
func TestHostileExpressionsFollowOnException(t *testing.T) {
	t.Parallel()
	long := strings.TrimSuffix(strings.Repeat("1,", 2_000), ",")
	testenv.Each(t, func(t *testing.T, _, url string) {
		r := newReceiver(t, nil)
		service := startService(t, settingsFor(t, url, ""))
		for i, expression := range []string{
			"1 / data.zero == 1",
			"data.missing",
			"data.missing.deeper == 1",
			"data.list",
			"data.list.all(x, data.list.all(y, x == y))",
			"string(data.list) == ''",
		} {
			typ := fmt.Sprintf("Hostile%d", i)
			service.call(t, 201, "PUT", "/v1/definitions/"+typ, fmt.Sprintf(`{"webhook": {"url": %q, "timeout": "PT5S"}, "retry": {"max_attempts": 1}, "cancel_if": [%q], "steps": [{"name": "a"}]}`, r.url, expression), &struct{}{})
			var w workflow
			service.call(t, 201, "POST", "/v1/workflows", fmt.Sprintf(`{"type": %q, "subject": {"type": "User", "id": "1"}, "data": {"zero": 0, "list": [%s]}}`, typ, long), &w)
			service.await(t, w.ID, "paused", func(w workflow) bool { return w.State == "paused" })
			var explained struct {
				Error struct{ Code, Message string }
			}
			service.call(t, 200, "GET", "/v1/workflows/"+w.ID+"/explain", "", &explained)
			if explained.Error.Code != "condition_error" || !strings.Contains(explained.Error.Message, expression[:8]) {
				t.Errorf("%s: the error is %+v", expression, explained.Error)
			}
			service.wantHistory(t, w.ID, "a failed/failed 1")
		}
		r.want(t)
	})
}

// TestWhiteSpaceOfDataIsNotCounted sends data that is within its limit but for the white space it is printed with.
func TestWhiteSpaceOfDataIsNotCounted(t *testing.T) {
	t.Parallel()
	data := func(bytes int) string {
		return `{` + strings.Repeat(" ", 1000) + `"a": "` + strings.Repeat("x", bytes-len(`{"a":""}`)) + `"}`
	}
	testenv.Each(t, func(t *testing.T, _, url string) {
		service := startService(t, settingsFor(t, url, ""))
		service.register(t, "http://127.0.0.1:9/", "P1D")
		kept := service.create(t)
		member := func(data string) string {
			return `{"type": "SignupWorkflow", "subject": {"type": "User", "id": "1"}, "on_conflict": "cancel_existing", "data": ` + data + `}`
		}
		for _, tc := range []struct {
			bytes int
			want  string
		}{{256 << 10, "201 201 200 201"}, {256<<10 + 1, "422 422 422 422"}} {
			created, _ := service.checked(t, "POST", "/v1/workflows", member(data(tc.bytes)))
			var batch struct{ Items []struct{ Status int } }
			service.call(t, 200, "POST", "/v1/workflows/batch", `{"workflows": [`+member(data(tc.bytes))+`]}`, &batch)
			patched, _ := service.checked(t, "PATCH", "/v1/workflows/"+kept.ID+"/data", data(tc.bytes))
			put, _ := service.checked(t, "PUT", "/v1/subjects?type=User&id=1", `{"attributes": `+data(tc.bytes)+`}`)
			if got := fmt.Sprint(created, batch.Items[0].Status, patched, put); got != tc.want {
				t.Errorf("%d bytes: a create, a member of a batch, a patch and attributes give %s, want %s", tc.bytes, got, tc.want)
			}
		}
	})
}
