package handlers

import (
	"encoding/hex"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
)

const (
	completePath  = "/v1/step-executions/" + workflowID + "/complete"
	callbackToken = "Zm9v.bar-_~+/=="
)

// completed is an answer of the fake engine.
func completed() api.CompleteStepExecution200JSONResponse {
	return api.CompleteStepExecution200JSONResponse(executionView(domain.Execution{State: domain.ExecutionCompleted,
		Outcome: domain.OutcomeCompleted, ScheduledFor: someTime, CreatedAt: someTime, CompletedAt: &someTime}))
}

// The token reaches the engine, and the answer does as it is: the edge does not read it.
func TestCallbacksArriveRaw(t *testing.T) {
	for name, tt := range map[string]struct{ body, contentType string }{
		"an answer":           {`{"action": "complete" }`, "application/json"},
		"none":                {"", ""},
		"none, with its type": {"", "application/json"},
		"one for the domain":  {`{"acton":1`, "application/json; charset=utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t)
			e.api.answer = completed()
			w := e.do("POST", completePath, tt.body, "Authorization", "bearer "+callbackToken, "Content-Type", tt.contentType)
			if want := workflowID + " " + callbackToken + " " + tt.body; w.Code != 200 || e.api.asked != want {
				t.Errorf("%d, asked %q", w.Code, e.api.asked)
			}
			if strings.Contains(e.log.String(), callbackToken) {
				t.Error("the token is in the log")
			}
		})
	}
}

// A server without keys answers to its own names only, but receivers call it by its public one.
func TestCallbacksComeFromAnywhere(t *testing.T) {
	e := newEdge(t, func(d *Deps) { d.Keys = nil })
	e.api.answer = completed()
	if w := e.do("POST", "http://geneva.example.com"+completePath, "", "Authorization", "Bearer "+callbackToken); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := e.do("GET", "http://geneva.example.com/v1/step-executions/"+workflowID, ""); w.Code != 403 {
		t.Errorf("another operation: %d", w.Code)
	}
}

func TestCallbackTokensThatAreNone(t *testing.T) {
	for name, header := range map[string]string{
		"nothing":        "",
		"another scheme": "Basic " + callbackToken,
		"no token":       "Bearer",
		"an empty one":   "Bearer  ",
		"two":            "Bearer " + callbackToken + " " + callbackToken,
		"in quotes":      `Bearer "` + callbackToken + `"`,
		"too long":       "Bearer " + strings.Repeat("a", 513),
		"not ASCII":      "Bearer é",
	} {
		e := newEdge(t)
		w := e.do("POST", completePath, "{}", "Authorization", header)
		if w.Code != 401 || problemIn(t, w).Code != domain.CodeUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if len(e.api.calls) > 0 {
			t.Errorf("%s reaches the handler", name)
		}
	}
}

// Whoever has no token of the execution cannot have the server take a body in, however the id is written.
func TestCallbacksWithoutTheTokenAreNotRead(t *testing.T) {
	e := newEdge(t, func(d *Deps) {
		d.CallbackToken = func(execution uuid.UUID, token string) error {
			if execution.String()+token == workflowID+callbackToken {
				return nil
			}
			return domain.Errorf(domain.CodeUnauthorized, "No.")
		}
	})
	e.api.answer = completed()
	other := "00000000-0000-7000-8000-000000000001"
	escaped := strings.Replace(completePath, workflowID, "%"+hex.EncodeToString([]byte(workflowID[:1]))+workflowID[1:], 1)
	for _, tt := range []struct {
		path, token string
		status      int
		read        bool
	}{
		{completePath, callbackToken, 200, true},
		{escaped, callbackToken, 200, true},
		{completePath, "another", 401, false},
		{escaped, "another", 401, false},
		{strings.Replace(completePath, workflowID, other, 1), callbackToken, 401, false},
		{strings.Replace(completePath, workflowID, "42", 1), callbackToken, 404, false},
	} {
		body := &watched{Reader: strings.NewReader("{}")}
		r := httptest.NewRequest("POST", tt.path, body)
		r.Header.Set("Authorization", "Bearer "+tt.token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		e.h.ServeHTTP(w, r)
		if w.Code != tt.status || body.read != tt.read {
			t.Errorf("%s with %s: %d, read: %v", tt.path, tt.token, w.Code, body.read)
		}
	}
}

// watched knows whether it was read, and into how much room at first.
type watched struct {
	io.Reader
	read bool
	room int
}

func (w *watched) Read(p []byte) (int, error) {
	if !w.read {
		w.read, w.room = true, len(p)
	}
	return w.Reader.Read(p)
}

// What the engine says about a callback reaches the receiver.
func TestCallbacksThatAreRefused(t *testing.T) {
	for code, status := range map[domain.Code]int{
		domain.CodeUnauthorized: 401, domain.CodeExecutionNotFound: 404, domain.CodeAlreadyCompleted: 409,
		domain.CodeExecutionSuperseded: 409, domain.CodeCallbackExpired: 410, domain.CodeInvalidAnswer: 422,
		domain.CodeUnreadableBody: 400, domain.CodeDataTooLarge: 422,
	} {
		e := newEdge(t)
		e.api.err = domain.Errorf(code, "No.")
		w := e.do("POST", completePath, "{}", "Authorization", "Bearer "+callbackToken)
		if w.Code != status || problemIn(t, w).Code != code {
			t.Errorf("%s: %d %s", code, w.Code, w.Body)
		}
		if (w.Header().Get("WWW-Authenticate") != "") != (status == 401) {
			t.Errorf("%s: WWW-Authenticate is %q", code, w.Header().Get("WWW-Authenticate"))
		}
	}
}

func TestBadCallbacks(t *testing.T) {
	refuseAll(t, []badInput{
		{name: "an id that is none", request: "POST /v1/step-executions/42/complete", body: "{}", code: domain.CodeExecutionNotFound},
		{name: "a query", request: "POST " + completePath + "?token=x", body: "{}", code: domain.CodeInvalidQuery, places: []string{"token"}},
		{name: "over 1 MiB", request: "POST " + completePath, body: strings.Repeat(" ", 1<<20+1), code: domain.CodeBodyTooLarge},
		{name: "text", request: "POST " + completePath, body: "{}", headers: []string{"Content-Type", "text/plain"}, code: domain.CodeUnsupportedMediaType},
		{name: "compressed", request: "POST " + completePath, body: "{}", headers: []string{"Content-Encoding", "gzip"}, code: domain.CodeUnsupportedMediaType},
	})
}
