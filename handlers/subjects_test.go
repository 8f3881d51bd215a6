package handlers

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

const subjectQuery = "/v1/subjects?type=User&id=42"

func TestBadSubjects(t *testing.T) {
	const put, query, invalid = "PUT " + subjectQuery, domain.CodeInvalidQuery, domain.CodeInvalidRequest
	attributes := func(text string) string { return `{"attributes":` + text + `}` }
	refuseAll(t, []badInput{
		{name: "no type and id", request: "GET /v1/subjects", code: query, places: []string{"type", "id"}},
		{name: "no id to erase", request: "DELETE /v1/subjects?type=User", code: query, places: []string{"id"}},
		{name: "no type to set", request: "PUT /v1/subjects?id=1", body: attributes("{}"), code: query, places: []string{"type"}},
		{name: "two ids", request: "GET /v1/subjects?type=User&id=1&id=2", code: query, places: []string{"id"}},
		{name: "an empty id", request: "GET /v1/subjects?type=User&id=", code: query, places: []string{"id"}},
		{name: "an id with space at the edge", request: "GET /v1/subjects?type=User&id=1%20", code: query, places: []string{"id"}},
		{name: "an id too long", request: "GET /v1/subjects?type=User&id=" + strings.Repeat("1", 191), code: query, places: []string{"id"}},
		{name: "an id with NUL", request: "GET /v1/subjects?type=User&id=1%00", code: query, places: []string{"id"}},
		{name: "a type too long", request: "DELETE /v1/subjects?id=1&type=" + strings.Repeat("U", 101), code: query, places: []string{"type"}},
		{name: "a parameter that is not known", request: "GET " + subjectQuery + "&subject_type=User", code: query, places: []string{"subject_type"}},
		{name: "no body", request: put, code: domain.CodeUnreadableBody},
		{name: "no attributes", request: put, body: "{}", code: invalid, places: []string{"#/attributes"}},
		{name: "bare attributes", request: put, body: `{"plan":"pro"}`, code: invalid, places: []string{"#/plan", "#/attributes"}},
		{name: "attributes that are a list", request: put, body: attributes("[]"), code: invalid, places: []string{"#/attributes"}},
		{name: "attributes that are null", request: put, body: attributes("null"), code: invalid, places: []string{"#/attributes"}},
		{name: "names that are taken", request: put, body: attributes(`{"type":"x","id":1,"a":1}`), code: invalid, places: []string{"#/attributes/type", "#/attributes/id"}},
		{name: "attributes over 256 KiB", request: put, body: attributes(`{"a":"` + strings.Repeat("x", 256<<10) + `"}`), code: domain.CodeDataTooLarge},
		{name: "a body over 1 MiB", request: put, body: attributes(`{"a":"` + strings.Repeat("x", 1<<20) + `"}`), code: domain.CodeBodyTooLarge},
	}, overRealHandlers)
}

func TestBadPresence(t *testing.T) {
	const post, query, invalid = "POST /v1/presence", domain.CodeInvalidQuery, domain.CodeInvalidRequest
	ids := func(text string) string { return `{"type":"A","subject_type":"User","subject_ids":[` + text + `]}` }
	refuseAll(t, []badInput{
		{name: "1001 subjects", request: post, body: ids(`"1"` + strings.Repeat(`,"1"`, 1000)), code: invalid, places: []string{"#/subject_ids"}},
		{name: "nothing", request: post, body: `{}`, code: invalid, places: []string{"#/type", "#/subject_type", "#/subject_ids"}},
		{name: "ids that cannot be", request: post, body: ids(`"1",""," 2",3`), code: invalid, places: []string{"#/subject_ids/1", "#/subject_ids/2", "#/subject_ids/3"}},
		{name: "one id, no list", request: post, body: strings.NewReplacer("[", "", "]", "").Replace(ids(`"1"`)), code: invalid, places: []string{"#/subject_ids"}},
		{name: "a type that cannot be", request: post, body: strings.Replace(ids(""), `"A"`, `"9"`, 1), code: invalid, places: []string{"#/type"}},
		{name: "no query", request: "GET /v1/presence", code: query, places: []string{"type", "subject_type", "subject_id"}},
		{name: "two subjects", request: "GET /v1/presence?type=A&subject_type=User&subject_id=1&subject_id=2", code: query, places: []string{"subject_id"}},
		{name: "a type that cannot be, asked alone", request: "GET /v1/presence?type=9&subject_type=User&subject_id=1", code: query, places: []string{"type"}},
	}, overRealHandlers)
}

func TestSubjectAndPresenceViews(t *testing.T) {
	e := newEdge(t)
	subject := subjectView(engine.Subject{Type: "User", ID: "42", Attributes: json.RawMessage(`{"n":1.50}`), CreatedAt: someTime, UpdatedAt: someTime})
	const shown = `{"attributes":{"n":1.50},"created_at":"2026-01-02T03:04:05.000006Z","id":"42","type":"User","updated_at":"2026-01-02T03:04:05.000006Z"}`
	active := presenceView(engine.Presence{SubjectID: "1", Present: true, WorkflowIDs: []uuid.UUID{uuid.MustParse(workflowID)}})
	none := presenceView(engine.Presence{SubjectID: "2"})
	const there, away = `{"present":true,"subject_id":"1","workflow_ids":["` + workflowID + `"]}`, `{"present":false,"subject_id":"2","workflow_ids":[]}`
	for name, tt := range map[string]struct {
		request, body string
		answer        any
		status        int
		want          string
	}{
		"read":    {"GET " + subjectQuery, "", api.GetSubject200JSONResponse(subject), 200, shown},
		"new":     {"PUT " + subjectQuery, `{"attributes":{}}`, api.PutSubject201JSONResponse(subject), 201, shown},
		"changed": {"PUT " + subjectQuery, `{"attributes":{}}`, api.PutSubject200JSONResponse(subject), 200, shown},
		"erased":  {"DELETE " + subjectQuery, "", api.DeleteSubject204Response{}, 204, ""},
		"one":     {"GET /v1/presence?type=A&subject_type=User&subject_id=1", "", api.GetPresence200JSONResponse(active), 200, there},
		"two": {"POST /v1/presence", `{"type":"A","subject_type":"User","subject_ids":["1","2"]}`,
			api.QueryPresence200JSONResponse{Items: []api.Presence{active, none}}, 200, `{"items":[` + there + "," + away + `]}`},
	} {
		e.api.answer = tt.answer
		method, target, _ := strings.Cut(tt.request, " ")
		if w := e.do(method, target, tt.body); w.Code != tt.status || strings.TrimSpace(w.Body.String()) != tt.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// A subject's id comes as it was written, whatever it holds.
func TestSubjectIDsArriveWhole(t *testing.T) {
	e := newEdge(t)
	e.api.answer = api.DeleteSubject204Response{}
	if w := e.do("DELETE", "/v1/subjects?type=App%3A%3AUser&id=a%2Fb%2B%26%C3%A9+c", ""); w.Code != 204 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if p := e.api.asked.(api.DeleteSubjectRequestObject).Params; p.Type != "App::User" || p.ID != "a/b+&é c" {
		t.Errorf("asked about %+v", p)
	}
}
