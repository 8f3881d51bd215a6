package handlers

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
)

const getPath = "/v1/workflows/" + workflowID

func TestErrorsBecomeProblems(t *testing.T) {
	secret := errors.New("pq: password of postgres://u:hunter2@db is wrong")
	tests := []struct {
		name    string
		request string
		err     error
		want    problem
	}{
		{"a plain domain error", "GET " + getPath, domain.Errorf(domain.CodeWorkflowNotFound, "There is no workflow 7."),
			problem{Status: 404, Code: "workflow_not_found", Title: "Workflow not found", Detail: "There is no workflow 7."}},
		{"wrapped, with a cause", "GET " + getPath, fmt.Errorf("reading: %w", &domain.Error{Code: domain.CodeWorkflowNotFound, Detail: "Gone.", Cause: secret}),
			problem{Status: 404, Code: "workflow_not_found", Title: "Workflow not found", Detail: "Gone."}},
		{"without words", "GET " + getPath, &domain.Error{Code: domain.CodeWorkflowNotFound},
			problem{Status: 404, Code: "workflow_not_found", Title: "Workflow not found", Detail: domain.KindOf(domain.CodeWorkflowNotFound).Help}},
		{"with its problems", "POST /v1/workflows", domain.WithProblems(domain.CodeInvalidRequest, []domain.Problem{{Pointer: "#/wait", Detail: "too long"}}),
			problem{Status: 422, Code: "invalid_request", Title: "Invalid request", Detail: "#/wait: too long", Errors: []domain.Problem{{Pointer: "#/wait", Detail: "too long"}}}},
		{"with the workflow in the way", "POST /v1/workflows", &domain.Error{Code: domain.CodeWorkflowExists, Detail: "There is one.", WorkflowID: workflowID},
			problem{Status: 409, Code: "workflow_exists", Title: "Workflow exists", Detail: "There is one.", WorkflowID: workflowID}},
		{"with the state", "POST " + getPath + "/pause", &domain.Error{Code: domain.CodeInvalidTransition, Detail: "It is finished.", State: "finished"},
			problem{Status: 409, Code: "invalid_transition", Title: "Invalid transition", Detail: "It is finished.", State: "finished"}},
		{"with the current execution", "POST " + getPath + "/pause", &domain.Error{Code: domain.CodeStaleExecution, Detail: "It has moved on.", ExecutionID: workflowID},
			problem{Status: 409, Code: "stale_execution", Title: "Stale step execution", Detail: "It has moved on.", ExecutionID: workflowID}},
		{"an unknown error", "GET " + getPath, secret,
			problem{Status: 500, Code: "internal", Title: "Internal error", Detail: "Something went wrong on the server; it is in the server's log under this x-request-id."}},
		{"an internal domain error", "GET " + getPath, &domain.Error{Code: domain.CodeInternal, Detail: "host=db", Cause: secret},
			problem{Status: 500, Code: "internal", Title: "Internal error", Detail: "Something went wrong on the server; it is in the server's log under this x-request-id."}},
		{"a code nobody knows", "GET " + getPath, domain.Errorf("made_up", "hunter2"),
			problem{Status: 500, Code: "internal", Title: "Internal error", Detail: "Something went wrong on the server; it is in the server's log under this x-request-id."}},
		{"a database that is away", "GET " + getPath, fmt.Errorf("select: %w", driver.ErrBadConn),
			problem{Status: 503, Code: "unavailable", Title: "Temporarily unavailable", Detail: "The database cannot be reached, or did not answer in time."}},
		{"a connection that is refused", "GET " + getPath, &net.OpError{Op: "dial", Err: secret},
			problem{Status: 503, Code: "unavailable", Title: "Temporarily unavailable", Detail: "The database cannot be reached, or did not answer in time."}},
		{"a query that took too long", "GET " + getPath, fmt.Errorf("select: %w", context.DeadlineExceeded),
			problem{Status: 503, Code: "unavailable", Title: "Temporarily unavailable", Detail: "The database cannot be reached, or did not answer in time."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t)
			e.api.err = tt.err
			method, target, _ := strings.Cut(tt.request, " ")
			body := ""
			if target == "/v1/workflows" {
				body = createWith("")
			}
			w := e.do(method, target, body)
			got := problemIn(t, w)
			tt.want.Type = "urn:genevadrive:problem:" + string(tt.want.Code)
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) || w.Code != tt.want.Status {
				t.Errorf("%d\n got %+v\nwant %+v", w.Code, got, tt.want)
			}
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Errorf("internals are shown: %s", w.Body)
			}
			if (w.Header().Get("Retry-After") != "") != (w.Code == 503) {
				t.Errorf("%d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
			logged := strings.Contains(e.log.String(), `"msg":"request failed"`) && strings.Contains(e.log.String(), `"request_id":"request-1"`)
			if logged != (w.Code >= 500) {
				t.Errorf("%d, and the log is %s", w.Code, e.log)
			}
			if tt.err == secret && !strings.Contains(e.log.String(), "hunter2") {
				t.Error("the cause is not in the log")
			}
		})
	}
}

func TestPanicsBecomeProblems(t *testing.T) {
	e := newEdge(t)
	e.api.reply = func(context.Context) error { panic("hunter2") }
	w := e.do("GET", getPath, "")
	if p := problemIn(t, w); w.Code != 500 || p.Code != domain.CodeInternal || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if log := e.log.String(); !strings.Contains(log, "hunter2") || !strings.Contains(log, "handlers.(*fakeAPI)") {
		t.Errorf("panic and stack are not in the log: %s", log)
	}
}

// What has begun as an answer neither ends as a problem nor looks whole.
func TestAPanicInAnAnswerCutsItShort(t *testing.T) {
	e := newEdge(t)
	e.api.answer = halfAnswer{}
	server := httptest.NewServer(e.h)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1/endpoints/app", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	server.Close() // the handler has written its log by then
	if err == nil || !strings.Contains(e.log.String(), "hunter2") {
		t.Errorf("half an answer is read with the error %v, and the log is %s", err, e.log)
	}
}

type halfAnswer struct{}

func (halfAnswer) VisitGetEndpointResponse(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, `{"id":`)
	panic("hunter2")
}

// Nobody reads the answer then, or the server is ending; it must not look like a success.
func TestACanceledRequestIsNoSuccessAndNoFault(t *testing.T) {
	e := newEdge(t)
	h, err := NewRouter(Deps{API: e.api, Keys: []Key{{Name: "test", Secret: testKey}}, Log: logTo(e.log)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	e.api.reply = func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return fmt.Errorf("select: %w", ctx.Err())
	}
	r := httptest.NewRequestWithContext(ctx, "GET", getPath, nil)
	r.Header.Set("Authorization", "Bearer "+testKey)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 503 || problemIn(t, w).Code != domain.CodeUnavailable {
		t.Errorf("it got %d %s", w.Code, w.Body)
	}
	log := e.log.String()
	if strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, `"status":499`) || !strings.Contains(log, clientGone) {
		t.Errorf("the log is %s", log)
	}
}

// The handlers' context ends with the request's timeout, which is below the server's write timeout.
func TestRequestsHaveADeadline(t *testing.T) {
	e := newEdge(t)
	var left time.Duration
	e.api.reply = func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return nil
	}
	e.do("GET", getPath, "")
	if left <= 0 || left > requestTimeout {
		t.Errorf("%v are left", left)
	}
}

// Every code has a title, a help and a status that this edge knows how to send.
func TestKindsAreComplete(t *testing.T) {
	for _, k := range domain.Kinds() {
		if http.StatusText(k.Status) == "" || k.Status < 400 || k.Title == "" || k.Help == "" {
			t.Errorf("%+v is not complete", k)
		}
		w := httptest.NewRecorder()
		problems{log: logTo(nil)}.write(w, httptest.NewRequest("GET", "/", nil), &domain.Error{Code: k.Code})
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != k.Status || p.Status != k.Status || p.Code != k.Code || p.Title != k.Title {
			t.Errorf("%s is sent as %d %s", k.Code, w.Code, w.Body)
		}
	}
}

// The contract names every code of the statuses that have several, so that clients know what to tell apart.
func TestTheContractListsTheCodes(t *testing.T) {
	doc, err := api.ValidationDocument()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range domain.Kinds() {
		name := map[int]string{409: "Conflict", 410: "Gone", 422: "Unprocessable"}[k.Status]
		if name != "" && !strings.Contains(*doc.Components.Responses[name].Value.Description, "`"+string(k.Code)+"`") {
			t.Errorf("the response %s does not list %s", name, k.Code)
		}
	}
}
