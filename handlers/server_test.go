package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/contracttest"
)

const (
	testKey    = "0123456789abcdef"
	workflowID = "019b7c5a-2f00-7d11-8a51-0f3c2b1a9e70"
)

// fakeAPI stands for the engine: it answers what a test sets and records what reaches it. Operations that a
// test does not expect panic on the nil interface.
type fakeAPI struct {
	api.StrictServerInterface
	err    error
	reply  func(ctx context.Context) error // runs inside the call
	calls  []string
	create *api.CreateWorkflowRequestObject
	list   *api.ListWorkflowsRequestObject
	pause  *api.PauseWorkflowRequestObject
	keyed  string
	digest [32]byte
	source string
	asked  any // request of the operations in fake_test.go
	answer any // and their answer
}

func (f *fakeAPI) called(ctx context.Context, name string) error {
	f.calls = append(f.calls, name)
	f.keyed = infoOf(ctx).keyName
	f.digest = infoOf(ctx).digest
	if f.reply != nil {
		return f.reply(ctx)
	}
	return f.err
}

func (f *fakeAPI) CreateWorkflow(ctx context.Context, r api.CreateWorkflowRequestObject) (api.CreateWorkflowResponseObject, error) {
	f.create = &r
	if err := f.called(ctx, "create"); err != nil {
		return nil, err
	}
	return api.CreateWorkflow201JSONResponse{Body: aWorkflow()}, nil
}

func (f *fakeAPI) GetWorkflow(ctx context.Context, _ api.GetWorkflowRequestObject) (api.GetWorkflowResponseObject, error) {
	if err := f.called(ctx, "get"); err != nil {
		return nil, err
	}
	return api.GetWorkflow200JSONResponse{WorkflowReadJSONResponse: api.WorkflowReadJSONResponse(aWorkflow())}, nil
}

func (f *fakeAPI) ListWorkflows(ctx context.Context, r api.ListWorkflowsRequestObject) (api.ListWorkflowsResponseObject, error) {
	f.list = &r
	if err := f.called(ctx, "list"); err != nil {
		return nil, err
	}
	return api.ListWorkflows200JSONResponse{Items: []api.Workflow{aWorkflow()}}, nil
}

func (f *fakeAPI) PauseWorkflow(ctx context.Context, r api.PauseWorkflowRequestObject) (api.PauseWorkflowResponseObject, error) {
	f.pause = &r
	if err := f.called(ctx, "pause"); err != nil {
		return nil, err
	}
	return api.PauseWorkflow200JSONResponse{WorkflowMovedJSONResponse: api.WorkflowMovedJSONResponse{Body: aWorkflow()}}, nil
}

func (f *fakeAPI) PutDefinition(ctx context.Context, r api.PutDefinitionRequestObject) (api.PutDefinitionResponseObject, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	f.source = infoOf(ctx).mediaType + " " + string(text)
	if err := f.called(ctx, "put"); err != nil {
		return nil, err
	}
	return api.PutDefinition200JSONResponse{Type: r.Type, Version: 1, Definition: json.RawMessage(`{}`), Steps: []api.ResolvedStep{}}, nil
}

func aWorkflow() api.Workflow {
	at := api.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return api.Workflow{ID: uuid.MustParse(workflowID), Type: "A", DefinitionVersion: 1, State: "ready",
		Subject: api.Subject{Type: "User", ID: "42"}, Data: json.RawMessage(`{}`), CreatedAt: at, UpdatedAt: at}
}

// edge is a router over a fake engine; every response it gives is checked against the contract.
type edge struct {
	t   *testing.T
	api *fakeAPI
	log *bytes.Buffer
	h   http.Handler
}

func newEdge(t *testing.T, change ...func(*Deps)) *edge {
	t.Helper()
	e := &edge{t: t, api: &fakeAPI{}, log: &bytes.Buffer{}}
	d := Deps{
		API:     e.api,
		Keys:    []Key{{Name: "test", Secret: testKey}, {Name: "other", Secret: "fedcba9876543210"}},
		Log:     slog.New(slog.NewJSONHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
		Ready:   func(context.Context) error { return nil },
		NewID:   func() string { return "request-1" },
	}
	for _, c := range change {
		c(&d)
	}
	h, err := NewRouter(d)
	if err != nil {
		t.Fatal(err)
	}
	e.h = contracttest.Handler(t, h)
	return e
}

// do sends a request with the test's key; headers come in pairs and replace the usual ones.
func (e *edge) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	e.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	e.h.ServeHTTP(w, r)
	return w
}

func problemIn(t *testing.T, w *httptest.ResponseRecorder) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("no problem in %d %s", w.Code, w.Body)
	}
	return p
}

func TestRequestsReachTheHandlerAsTheyWere(t *testing.T) {
	e := newEdge(t)
	body := `{"type":"Signup","subject":{"type":"User","id":"é-42"},"data":{"n":9007199254740992,"b":1,"a":{"x":1.50}},` +
		`"allow_multiple":false,"definition_version":2,"on_conflict":"return_existing","at":"2026-01-02T05:04:05.0000069+02:00"}`
	if w := e.do("POST", "/v1/workflows", body, "Idempotency-Key", `"k-1"`); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	got := e.api.create
	if string(got.Body.Data) != `{"n":9007199254740992,"b":1,"a":{"x":1.50}}` {
		t.Errorf("data is %s", got.Body.Data)
	}
	if got.Body.Subject.ID != "é-42" || *got.Body.DefinitionVersion != 2 || *got.Body.AllowMultiple ||
		*got.Body.OnConflict != api.CreateWorkflowOnConflictReturnExisting || got.Body.Wait != nil {
		t.Errorf("body is %+v", got.Body)
	}
	if got.Body.At.String() != "2026-01-02T03:04:05.000006Z" {
		t.Errorf("at is %s", got.Body.At)
	}
	if *got.Params.IdempotencyKey != `"k-1"` || e.api.keyed != "test" {
		t.Errorf("idempotency key %s, API key %s", *got.Params.IdempotencyKey, e.api.keyed)
	}

	if w := e.do("GET", "/v1/workflows?state=paused&state=ready&subject_id=a%20b&limit=200&created_after=2026-01-02T03:04:05Z", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	params := e.api.list.Params
	if !slices.Equal(params.State, []api.WorkflowState{"paused", "ready"}) || !slices.Equal(params.SubjectID, []string{"a b"}) ||
		*params.Limit != 200 || params.CreatedAfter.String() != "2026-01-02T03:04:05.000000Z" || params.Cursor != nil {
		t.Errorf("parameters are %+v", params)
	}
}

func TestOptionalBodies(t *testing.T) {
	e := newEdge(t)
	path := "/v1/workflows/" + workflowID + "/pause"
	tests := []struct {
		name, body, contentType string
		reason                  *string
		present                 bool
	}{
		{"no body", "", "", nil, false},
		{"no body with a content type", "", "application/json", nil, false},
		{"an empty object", "{}", "application/json; charset=UTF-8", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if w := e.do("POST", path, tt.body, "Content-Type", tt.contentType); w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if (e.api.pause.Body != nil) != tt.present {
				t.Errorf("body is %+v", e.api.pause.Body)
			}
		})
	}
}

func TestRequestDigest(t *testing.T) {
	e := newEdge(t)
	digest := func(key, path, body string) [32]byte {
		if w := e.do("POST", path, body, "Idempotency-Key", key); w.Code >= 300 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return e.api.digest
	}
	const create = "/v1/workflows"
	base := digest("k", create, createWith(`,"data":{"a":1,"b":"é"}`))
	if digest("k", create, `{ "data": {"b":"\u00e9", "a":1}, "subject": {"id":"1","type":"User"}, "type":"A" }`) != base {
		t.Error("white space, escapes and the order of keys change it")
	}
	if digest("k", create, createWith(`,"data":{"a":2,"b":"é"}`)) == base {
		t.Error("another body has the same")
	}
	long := digest("k", create, createWith(`,"data":{"n":123456789012345678901234567890.5}`))
	if long == digest("k", create, createWith(`,"data":{"n":123456789012345678901234567891.5}`)) {
		t.Error("numbers that no float64 tells apart have the same")
	}
	if digest("", create, createWith("")) != [32]byte{} {
		t.Error("a request without a key has one")
	}
	pause := "/v1/workflows/" + workflowID + "/pause"
	if none := digest("k", pause, ""); none != digest("k", pause, "{ }") || none == [32]byte{} {
		t.Error("no body and an empty object differ")
	}
}

func TestDefinitionsArriveRaw(t *testing.T) {
	e := newEdge(t)
	for _, tt := range []struct{ contentType, body, want string }{
		{"application/json", `{"steps": 5}`, `application/json {"steps": 5}`},
		{"application/yaml; charset=utf-8", "steps: 5", "application/yaml steps: 5"},
	} {
		if w := e.do("PUT", "/v1/definitions/A", tt.body, "Content-Type", tt.contentType); w.Code != 200 || e.api.source != tt.want {
			t.Errorf("%d, source %q", w.Code, e.api.source)
		}
	}
}

func TestOperationsPaths(t *testing.T) {
	e := newEdge(t)
	for path, want := range map[string]string{
		"/healthz": `{"status":"ok"}` + "\n", "/readyz": `{"status":"ok"}` + "\n", "/openapi.yaml": string(api.Document),
	} {
		if w := e.do("GET", path, "", "Authorization", ""); w.Code != 200 || w.Body.String() != want {
			t.Errorf("GET %s without a key: %d %.60s", path, w.Code, w.Body)
		}
		if w := e.do("HEAD", path, "", "Authorization", ""); w.Code != 200 {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
	}
	if w := e.do("GET", "/metrics", ""); w.Code != 200 || w.Body.String() != "up 1\n" {
		t.Errorf("metrics: %d %s", w.Code, w.Body)
	}
	if w := e.do("GET", "/metrics", "", "Authorization", ""); w.Code != 401 {
		t.Errorf("metrics without a key: %d", w.Code)
	}
}

func TestNotReady(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		detail string
	}{
		"a reason for people": {&domain.Error{Code: domain.CodeUnavailable, Detail: "The schema is 3 behind."}, "The schema is 3 behind."},
		"any other error":     {errors.New("dial tcp 10.0.0.1"), "The database cannot be reached, or lacks the schema this server needs."},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t, func(d *Deps) { d.Ready = func(context.Context) error { return tt.err } })
			w := e.do("GET", "/readyz", "", "Authorization", "")
			if p := problemIn(t, w); w.Code != 503 || p.Code != domain.CodeUnavailable || p.Detail != tt.detail {
				t.Errorf("%d %+v", w.Code, p)
			}
			if w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

func TestHTTPServerHasLimits(t *testing.T) {
	s := NewHTTPServer("127.0.0.1:0", http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 || s.ErrorLog == nil {
		t.Errorf("a limit is missing: %+v", s)
	}
	if s.WriteTimeout <= requestTimeout {
		t.Error("an answer that takes the whole request timeout could not be written")
	}
}

// What net/http refuses by itself is no problem on the wire; the contract and docs/clients.md say so, and which
// statuses it has.
func TestWhatIsNoProperHTTPIsRefusedInPlainText(t *testing.T) {
	clients, err := os.ReadFile("../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(newEdge(t).h)
	server.Config = NewHTTPServer("", server.Config.Handler, slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	for request, status := range map[string]string{
		"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n":                                        "400",
		"GET / HTTP/1.1\r\nHost: a\r\nA: b\x00c\r\n\r\n":                              "400",
		"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n":                              "417",
		"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("x", 40<<10) + "\r\n\r\n": "431",
		"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n":                "501",
		"GET / HTTP/3.1\r\nHost: a\r\n\r\n":                                           "505",
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, request) }()
		text, _ := io.ReadAll(conn) // it may end in a reset, as not all of the request was read
		conn.Close()
		answer := strings.ToLower(string(text))
		if !strings.HasPrefix(answer, "http/1.1 "+status) || strings.Contains(answer, "x-request-id") || strings.Contains(answer, "json") {
			t.Errorf("%.60q is answered %q", request, text)
		}
	}
	for page, text := range map[string][]byte{"the contract": api.Document, "docs/clients.md": clients} {
		if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), "with 400, 417, 431, 501 or 505") {
			t.Errorf("%s does not name these statuses", page)
		}
	}
}
