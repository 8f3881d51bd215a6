package handlers

import (
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/genevadrive/genevadrive/domain"
)

// createWith gives a create request with some more of a body.
func createWith(more string) string {
	return `{"type":"A","subject":{"type":"User","id":"1"}` + more + `}`
}

// badInput is a request that is refused, with the code and the places of its problem.
type badInput struct {
	name, request, body string
	headers             []string
	code                domain.Code
	places              []string // pointers and parameters, in order
}

// refuseAll sends the requests to edges over a fake engine, unless change puts another in its place.
func refuseAll(t *testing.T, tests []badInput, change ...func(*Deps)) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t, change...)
			method, target, _ := strings.Cut(tt.request, " ")
			w := e.do(method, target, tt.body, tt.headers...)
			p := problemIn(t, w)
			if p.Code != tt.code || w.Code != domain.KindOf(tt.code).Status {
				t.Fatalf("%d %s, want %s: %s", w.Code, p.Code, tt.code, w.Body)
			}
			if got := places(p); !slices.Equal(got, tt.places) {
				t.Errorf("places are %q, want %q: %s", got, tt.places, w.Body)
			}
			if p.Detail == "" || strings.Contains(w.Body.String(), "chema") || strings.Contains(w.Body.String(), "openapi3") {
				t.Errorf("the words are not for people: %s", w.Body)
			}
			for _, fault := range p.Errors {
				if fault.Detail == "" {
					t.Errorf("a problem without words: %+v", fault)
				}
			}
			if len(e.api.calls) > 0 {
				t.Errorf("it reached the handler %v", e.api.calls)
			}
		})
	}
}

// Every bad input that the edge catches: it gets its status, code and place, and reaches no handler.
func TestBadInput(t *testing.T) {
	const create = "POST /v1/workflows"
	const pause = "POST /v1/workflows/" + workflowID + "/pause"
	const reattempt = "POST /v1/workflows/" + workflowID + "/reattempt"
	refuseAll(t, []badInput{
		// bodies that cannot be read
		{name: "no body", request: create, code: domain.CodeUnreadableBody},
		{name: "no JSON", request: create, body: "type=A", code: domain.CodeUnreadableBody},
		{name: "cut short", request: create, body: `{"type":"A"`, code: domain.CodeUnreadableBody},
		{name: "trailing data", request: create, body: createWith("") + "{}", code: domain.CodeUnreadableBody},
		{name: "duplicate key", request: create, body: createWith(`,"type":"B"`), code: domain.CodeUnreadableBody},
		{name: "duplicate key far inside", request: create, body: createWith(`,"data":{"a":{"b":1,"b":2}}`), code: domain.CodeUnreadableBody},
		{name: "duplicate key by escape", request: create, body: createWith(`,"data":{"a":1,"\u0061":2}`), code: domain.CodeUnreadableBody},
		{name: "NUL", request: create, body: createWith(`,"data":{"a":"\u0000"}`), code: domain.CodeUnreadableBody},
		{name: "lone surrogate", request: create, body: createWith(`,"data":{"a":"\ud800"}`), code: domain.CodeUnreadableBody},
		{name: "bad UTF-8", request: create, body: createWith(`,"data":{"a":"` + "\xff" + `"}`), code: domain.CodeUnreadableBody},
		{name: "number over 2^53", request: create, body: createWith(`,"data":{"a":9007199254740993}`), code: domain.CodeUnreadableBody},
		{name: "number over float64", request: create, body: createWith(`,"data":{"a":1e999}`), code: domain.CodeUnreadableBody},
		{name: "deep nesting", request: create, body: createWith(`,"data":` + strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)), code: domain.CodeUnreadableBody},
		{name: "deep arrays", request: create, body: strings.Repeat("[", 100_000), code: domain.CodeUnreadableBody},
		{name: "an optional body that is no JSON", request: pause, body: "reason", code: domain.CodeUnreadableBody},

		// bodies that can be read, but are wrong
		{name: "null", request: create, body: "null", code: domain.CodeInvalidRequest, places: []string{"#"}},
		{name: "an array", request: create, body: "[]", code: domain.CodeInvalidRequest, places: []string{"#"}},
		{name: "nothing that is required", request: create, body: "{}", code: domain.CodeInvalidRequest, places: []string{"#/type", "#/subject"}},
		{name: "a part of the subject", request: create, body: `{"type":"A","subject":{"type":"User"}}`, code: domain.CodeInvalidRequest, places: []string{"#/subject/id"}},
		{name: "unknown property", request: create, body: createWith(`,"dta":{}`), code: domain.CodeInvalidRequest, places: []string{"#/dta"}},
		{name: "unknown property in capitals", request: create, body: createWith(`,"Data":{}`), code: domain.CodeInvalidRequest, places: []string{"#/Data"}},
		{name: "unknown property inside", request: create, body: `{"type":"A","subject":{"type":"User","id":"1","a/b~c d":1}}`, code: domain.CodeInvalidRequest, places: []string{"#/subject/a~1b~0c%20d"}},
		{name: "wrong types, all at once", request: create, body: `{"type":1,"subject":"u","data":[],"allow_multiple":"no","definition_version":"1","on_conflict":1,"at":5}`,
			code: domain.CodeInvalidRequest, places: []string{"#/allow_multiple", "#/at", "#/data", "#/definition_version", "#/on_conflict", "#/subject", "#/type"}},
		{name: "null for an absent field", request: create, body: createWith(`,"data":null`), code: domain.CodeInvalidRequest, places: []string{"#/data"}},
		{name: "unknown word", request: create, body: createWith(`,"on_conflict":"return"`), code: domain.CodeInvalidRequest, places: []string{"#/on_conflict"}},
		{name: "type too long", request: create, body: strings.Replace(createWith(""), `"A"`, `"`+strings.Repeat("A", 101)+`"`, 1), code: domain.CodeInvalidRequest, places: []string{"#/type"}},
		{name: "type with a space", request: create, body: strings.Replace(createWith(""), `"A"`, `"A B"`, 1), code: domain.CodeInvalidRequest, places: []string{"#/type"}},
		{name: "empty subject id", request: create, body: strings.Replace(createWith(""), `"1"`, `""`, 1), code: domain.CodeInvalidRequest, places: []string{"#/subject/id"}},
		{name: "subject id too long", request: create, body: strings.Replace(createWith(""), `"1"`, `"`+strings.Repeat("é", 191)+`"`, 1), code: domain.CodeInvalidRequest, places: []string{"#/subject/id"}},
		{name: "subject id with space at the edge", request: create, body: strings.Replace(createWith(""), `"1"`, `"1 "`, 1), code: domain.CodeInvalidRequest, places: []string{"#/subject/id"}},
		{name: "subject id with a line break", request: create, body: strings.Replace(createWith(""), `"1"`, `"1\n2"`, 1), code: domain.CodeInvalidRequest, places: []string{"#/subject/id"}},
		{name: "version 0", request: create, body: createWith(`,"definition_version":0`), code: domain.CodeInvalidRequest, places: []string{"#/definition_version"}},
		{name: "version 1.5", request: create, body: createWith(`,"definition_version":1.5`), code: domain.CodeInvalidRequest, places: []string{"#/definition_version"}},
		{name: "version over 2^31", request: create, body: createWith(`,"definition_version":2147483648`), code: domain.CodeInvalidRequest, places: []string{"#/definition_version"}},
		{name: "whole number with a point", request: create, body: createWith(`,"definition_version":1.0`), code: domain.CodeInvalidRequest, places: []string{"#/definition_version"}},
		{name: "negative wait", request: create, body: createWith(`,"wait":"-PT1S"`), code: domain.CodeInvalidRequest, places: []string{"#/wait"}},
		{name: "wait in months", request: create, body: createWith(`,"wait":"P1M"`), code: domain.CodeInvalidRequest, places: []string{"#/wait"}},
		{name: "wait that overflows", request: create, body: createWith(`,"wait":"P999999999999999D"`), code: domain.CodeInvalidRequest, places: []string{"#/wait"}},
		{name: "wait as a number", request: create, body: createWith(`,"wait":5`), code: domain.CodeInvalidRequest, places: []string{"#/wait"}},
		{name: "at without zone", request: create, body: createWith(`,"at":"2026-01-02T03:04:05"`), code: domain.CodeInvalidRequest, places: []string{"#/at"}},
		{name: "at on a day that is not", request: create, body: createWith(`,"at":"2026-02-30T00:00:00Z"`), code: domain.CodeInvalidRequest, places: []string{"#/at"}},
		{name: "at past 9000 in UTC alone", request: create, body: createWith(`,"at":"9000-12-31T23:59:59-00:01"`), code: domain.CodeInvalidRequest, places: []string{"#/at"}},
		{name: "at past 9999 in UTC alone", request: reattempt, body: `{"at":"9999-12-31T23:59:59-23:59"}`, code: domain.CodeInvalidRequest, places: []string{"#/at"}},
		{name: "wait and at, and more", request: create, body: createWith(`,"wait":"PT1S","at":"2026-01-02T03:04:05Z","x":1`), code: domain.CodeInvalidRequest, places: []string{"#/at", "#/x"}},
		{name: "reattempt with wait and at", request: reattempt, body: `{"wait":"PT1S","at":"2026-01-02T03:04:05Z"}`, code: domain.CodeInvalidRequest, places: []string{"#/at"}},
		{name: "step execution id that is none", request: pause, body: `{"step_execution_id":"7"}`, code: domain.CodeInvalidRequest, places: []string{"#/step_execution_id"}},
		{name: "reason too long", request: pause, body: `{"reason":"` + strings.Repeat("x", 1001) + `"}`, code: domain.CodeInvalidRequest, places: []string{"#/reason"}},
		{name: "a field of another verb", request: pause, body: `{"wait":"PT1S"}`, code: domain.CodeInvalidRequest, places: []string{"#/wait"}},
		{name: "a patch that is no object", request: "PATCH /v1/workflows/" + workflowID + "/data", body: `[1]`, code: domain.CodeInvalidRequest, places: []string{"#"}},
		{name: "no patch", request: "PATCH /v1/workflows/" + workflowID + "/data", code: domain.CodeUnreadableBody},

		// size and media type
		{name: "over 1 MiB", request: create, body: createWith(`,"data":{"a":"` + strings.Repeat("x", 1<<20) + `"}`), code: domain.CodeBodyTooLarge},
		{name: "a definition over 1 MiB", request: "PUT /v1/definitions/A", body: strings.Repeat(" ", 1<<20+1), code: domain.CodeBodyTooLarge},
		{name: "a form", request: create, body: "type=A", headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, code: domain.CodeUnsupportedMediaType},
		{name: "no content type", request: create, body: createWith(""), headers: []string{"Content-Type", ""}, code: domain.CodeUnsupportedMediaType},
		{name: "no proper content type", request: create, body: createWith(""), headers: []string{"Content-Type", "json;;"}, code: domain.CodeUnsupportedMediaType},
		{name: "another charset", request: create, body: createWith(""), headers: []string{"Content-Type", "application/json; charset=utf-16"}, code: domain.CodeUnsupportedMediaType},
		{name: "YAML where there is none", request: create, body: "type: A", headers: []string{"Content-Type", "application/yaml"}, code: domain.CodeUnsupportedMediaType},
		{name: "a compressed body", request: create, body: createWith(""), headers: []string{"Content-Encoding", "gzip"}, code: domain.CodeUnsupportedMediaType},
		{name: "a definition as text", request: "PUT /v1/definitions/A", body: "steps: []", headers: []string{"Content-Type", "text/plain"}, code: domain.CodeUnsupportedMediaType},

		// idempotency keys
		{name: "empty key", request: create, body: createWith(""), headers: []string{"Idempotency-Key", `""`}, code: domain.CodeInvalidIdempotencyKey, places: []string{"Idempotency-Key"}},
		{name: "key with a space", request: create, body: createWith(""), headers: []string{"Idempotency-Key", "a b"}, code: domain.CodeInvalidIdempotencyKey, places: []string{"Idempotency-Key"}},
		{name: "key too long", request: pause, headers: []string{"Idempotency-Key", strings.Repeat("k", 256)}, code: domain.CodeInvalidIdempotencyKey, places: []string{"Idempotency-Key"}},
		{name: "a patch under a key", request: "PATCH /v1/workflows/" + workflowID + "/data", body: `{}`, headers: []string{"Idempotency-Key", "k"}, code: domain.CodeInvalidIdempotencyKey, places: []string{"Idempotency-Key"}},

		// queries
		{name: "unknown parameter", request: "GET /v1/workflows?stat=paused", code: domain.CodeInvalidQuery, places: []string{"stat"}},
		{name: "unknown parameter on a single read", request: "GET /v1/workflows/" + workflowID + "?verbose=1", code: domain.CodeInvalidQuery, places: []string{"verbose"}},
		{name: "unknown parameter on create", request: create + "?dry_run=true", body: createWith(""), code: domain.CodeInvalidQuery, places: []string{"dry_run"}},
		{name: "bad escape", request: "GET /v1/workflows?type=%zz", code: domain.CodeInvalidQuery},
		{name: "limit 0, all at once", request: "GET /v1/workflows?limit=0&state=redy&foo=1&created_after=yesterday", code: domain.CodeInvalidQuery, places: []string{"foo", "state", "created_after", "limit"}},
		{name: "times out of bounds", request: "GET /v1/workflows?created_after=0001-01-01T00:00:00%2B14:00&created_before=9999-12-31T23:59:59-23:59",
			code: domain.CodeInvalidQuery, places: []string{"created_after", "created_before"}},
		{name: "due times out of bounds", request: "GET /v1/step-executions?due_after=1970-01-01T00:00:00%2B00:01&due_before=9001-01-01T00:00:00Z",
			code: domain.CodeInvalidQuery, places: []string{"due_after", "due_before"}},
		{name: "limit 201", request: "GET /v1/workflows?limit=201", code: domain.CodeInvalidQuery, places: []string{"limit"}},
		{name: "limit twice", request: "GET /v1/workflows?limit=1&limit=2", code: domain.CodeInvalidQuery, places: []string{"limit"}},
		{name: "limit in words", request: "GET /v1/step-executions?limit=ten", code: domain.CodeInvalidQuery, places: []string{"limit"}},
		{name: "limit that overflows", request: "GET /v1/workflows?limit=99999999999999999999", code: domain.CodeInvalidQuery, places: []string{"limit"}},
		{name: "empty cursor", request: "GET /v1/workflows?cursor=", code: domain.CodeInvalidQuery, places: []string{"cursor"}},
		{name: "NUL in a filter", request: "GET /v1/workflows?subject_id=a%00b", code: domain.CodeInvalidQuery, places: []string{"subject_id"}},
		{name: "bad UTF-8 in a filter", request: "GET /v1/workflows?cursor=%ff", code: domain.CodeInvalidQuery, places: []string{"cursor"}},
		{name: "one bad state of two", request: "GET /v1/step-executions?state=scheduled&state=", code: domain.CodeInvalidQuery, places: []string{"state"}},
		{name: "workflow filter that is no id", request: "GET /v1/step-executions?workflow_id=5", code: domain.CodeInvalidQuery, places: []string{"workflow_id"}},
		{name: "a hundred and one filters", request: "GET /v1/workflows?" + strings.Repeat("type=A&", 101), code: domain.CodeInvalidQuery, places: []string{"type"}},
		{name: "version 0 of a definition", request: "GET /v1/definitions/A?version=0", code: domain.CodeInvalidQuery, places: []string{"version"}},

		// paths
		{name: "an id that is none", request: "GET /v1/workflows/42", code: domain.CodeWorkflowNotFound},
		{name: "an id in braces", request: "GET /v1/workflows/%7B" + workflowID + "%7D", code: domain.CodeWorkflowNotFound},
		{name: "an id without dashes", request: "GET /v1/workflows/" + strings.ReplaceAll(workflowID, "-", ""), code: domain.CodeWorkflowNotFound},
		{name: "a verb on an id that is none", request: "POST /v1/workflows/42/pause", code: domain.CodeWorkflowNotFound},
		{name: "a history of an id that is none", request: "GET /v1/workflows/x/step-executions", code: domain.CodeWorkflowNotFound},
		{name: "an execution id that is none", request: "GET /v1/step-executions/x", code: domain.CodeExecutionNotFound},
		{name: "a definition that cannot be", request: "GET /v1/definitions/9", code: domain.CodeDefinitionNotFound},
		{name: "a definition name with a slash", request: "GET /v1/definitions/a%2Fb", code: domain.CodeDefinitionNotFound},
		{name: "registering a name that cannot be", request: "PUT /v1/definitions/9", body: "{}", code: domain.CodeInvalidDefinition, places: []string{"type"}},
		{name: "unknown path", request: "GET /v1/workflow", code: domain.CodeNotFound},
		{name: "trailing slash", request: "GET /v1/workflows/", code: domain.CodeNotFound},
		{name: "unknown verb", request: "POST /v1/workflows/" + workflowID + "/stop", code: domain.CodeNotFound},
	})
}

// A body without a length in front is cut off at the limit, and one that ends early is no body.
func TestBodiesOfUnknownLength(t *testing.T) {
	e := newEdge(t)
	for name, tt := range map[string]struct {
		body io.Reader
		code domain.Code
	}{
		"over 1 MiB": {strings.NewReader(strings.Repeat(" ", maxBodyBytes+1)), domain.CodeBodyTooLarge},
		"cut short":  {iotest.ErrReader(io.ErrUnexpectedEOF), domain.CodeUnreadableBody},
	} {
		r := httptest.NewRequest("POST", "/v1/workflows", tt.body)
		r.ContentLength = -1
		r.Header.Set("Authorization", "Bearer "+testKey)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		e.h.ServeHTTP(w, r)
		if p := problemIn(t, w); p.Code != tt.code {
			t.Errorf("%s: %d %s", name, w.Code, p.Code)
		}
	}
}

func places(p problem) []string {
	var all []string
	for _, fault := range p.Errors {
		all = append(all, fault.Pointer+fault.Parameter)
	}
	return all
}

func TestMethodNotAllowed(t *testing.T) {
	e := newEdge(t)
	for request, allow := range map[string]string{
		"DELETE /v1/workflows":                          "GET, POST",
		"POST /v1/workflows/" + workflowID:              "GET",
		"GET /v1/workflows/" + workflowID + "/pause":    "POST",
		"POST /v1/definitions/A":                        "GET, PUT",
		"POST /healthz":                                 "GET",
		"FOO /v1/workflows/" + workflowID:               "GET",
		"OPTIONS /v1/workflows/" + workflowID + "/data": "PATCH",
	} {
		method, target, _ := strings.Cut(request, " ")
		w := e.do(method, target, "")
		if p := problemIn(t, w); w.Code != 405 || p.Code != domain.CodeMethodNotAllowed || w.Header().Get("Allow") != allow {
			t.Errorf("%s: %d %s, Allow %q, want %q", request, w.Code, p.Code, w.Header().Get("Allow"), allow)
		}
	}
	for _, method := range []string{"FOO", "GET"} {
		w := e.do(method, "/nope", "")
		if p := problemIn(t, w); w.Code != 404 || p.Code != domain.CodeNotFound || w.Header()["Allow"] != nil {
			t.Errorf("%s /nope: %d %s, Allow %q", method, w.Code, p.Code, w.Header()["Allow"])
		}
	}
}

// The words a client meets, once, in full.
func TestSentences(t *testing.T) {
	e := newEdge(t)
	body := `{"tpye":"A","subject":{"id":7},"on_conflict":"x","definition_version":-1,"allow_multiple":null,"at":"0000-01-01T00:00:00Z"}`
	var got []string
	for _, fault := range problemIn(t, e.do("POST", "/v1/workflows", body)).Errors {
		got = append(got, fault.Pointer+": "+fault.Detail)
	}
	want := []string{
		"#/allow_multiple: expected true or false, not null",
		`#/at: "0000-01-01T00:00:00Z" is not a time from 1970 to 9000; write RFC 3339, for example "2026-01-02T03:04:05Z"`,
		"#/definition_version: it must be at least 1",
		"#/on_conflict: expected one of reject, return_existing, cancel_existing",
		"#/subject/id: expected a string, not a number",
		"#/subject/type: it is required",
		`#/tpye: this is not a known field; did you mean "type"?`,
		"#/type: it is required",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// What RFC 3339 allows is taken, and an offset whose + became a space is told what to write.
func TestTimesInAQuery(t *testing.T) {
	e := newEdge(t)
	for query, at := range map[string]string{
		"2026-01-02t03:04:05z":             "2026-01-02T03:04:05.000000Z",
		"2026-01-02T03:04:05.5%2B02:00":    "2026-01-02T01:04:05.500000Z",
		"2026-01-02t03:04:05.000006-02:00": "2026-01-02T05:04:05.000006Z",
	} {
		if w := e.do("GET", "/v1/workflows?created_after="+query, ""); w.Code != 200 {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		} else if got := e.api.list.Params.CreatedAfter.String(); got != at {
			t.Errorf("%s is read as %s, want %s", query, got, at)
		}
	}
	const plus = "a + in a query stands for a space; write the + of the offset as %2B"
	for query, detail := range map[string]string{
		"2026-01-02T03:04:05+02:00": plus,
		"2026-01-02t03:04:05+02:00": plus,
		"2026-01-02+03:04:05":       `"2026-01-02 03:04:05" is not a time from 1970 to 9000; write RFC 3339, for example "2026-01-02T03:04:05Z"`,
		"tomorrow":                  `"tomorrow" is not a time from 1970 to 9000; write RFC 3339, for example "2026-01-02T03:04:05Z"`,
	} {
		if p := problemIn(t, e.do("GET", "/v1/workflows?created_after="+query, "")); len(p.Errors) != 1 || p.Errors[0].Detail != detail {
			t.Errorf("%s: %+v", query, p)
		}
	}
	body := createWith(`,"at":"2026-01-02t03:04:05z"`)
	if w := e.do("POST", "/v1/workflows", body); w.Code != 201 || e.api.create.Body.At.String() != "2026-01-02T03:04:05.000000Z" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	e := newEdge(t)
	var more strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&more, `,"x%d":1`, i)
	}
	if p := problemIn(t, e.do("POST", "/v1/workflows", createWith(more.String()))); len(p.Errors) != mostProblems {
		t.Errorf("%d problems", len(p.Errors))
	}
	if p := problemIn(t, e.do("GET", "/v1/workflows?"+strings.ReplaceAll(more.String()[1:], ",", "&"), "")); len(p.Errors) != mostProblems {
		t.Errorf("%d problems with the query", len(p.Errors))
	}
	if w := e.do("POST", "/v1/workflows", createWith(`,"`+strings.Repeat("x", 500_000)+`":1`)); w.Code != 422 || w.Body.Len() > 5000 {
		t.Errorf("a long key gives %d and %d bytes", w.Code, w.Body.Len())
	}
}

// Every operation of the contract that handlers implement has a route, and every route an operation.
func TestRoutesMatchTheContract(t *testing.T) {
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	e := newEdge(t)
	for route := range c.operations {
		method, path, _ := strings.Cut(route, " ")
		target := strings.NewReplacer("{id}", "x", "{type}", "9", "{name}", "9").Replace(path)
		if w := e.do(method, target, ""); w.Code == 405 || strings.Contains(w.Body.String(), `"not_found"`) {
			t.Errorf("%s is not routed: %d", route, w.Code)
		}
	}
}

func BenchmarkCheckCreate(b *testing.B) {
	c, err := loadContract()
	if err != nil {
		b.Fatal(err)
	}
	op := c.operations["POST /v1/workflows"]
	body := createWith(`,"data":{"plan":"pro","seats":12,"tags":["a","b"]},"on_conflict":"reject"`)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/v1/workflows", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if err := c.checkBody(op, httptest.NewRecorder(), r); err != nil {
			b.Fatal(err)
		}
	}
}
