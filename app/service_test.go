package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/app"
	"github.com/genevadrive/genevadrive/internal/contracttest"
)

const (
	secret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	apiKey   = "0123456789abcdef"
	patience = time.Minute // for what should take moments
)

// client calls the API of a running service as a program elsewhere would.
type client struct {
	base string
	key  string
}

type workflow struct {
	ID              string          `json:"id"`
	State           string          `json:"state"`
	CurrentStepName string          `json:"current_step_name"`
	Data            json.RawMessage `json:"data"`
}

type execution struct {
	ID       string `json:"id"`
	StepName string `json:"step_name"`
	State    string `json:"state"`
	Outcome  string `json:"outcome"`
	Attempt  int    `json:"attempt"`
	Reason   string `json:"reason"`
}

// do sends one request and gives status and body.
func (c client) do(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	return c.send(t, http.DefaultClient, method, path, body)
}

// checked is do for a response that the contract must know.
func (c client) checked(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	return c.send(t, contracttest.Client(t, http.DefaultClient), method, path, body)
}

func (c client) send(t *testing.T, caller *http.Client, method, path, body string) (int, string) {
	t.Helper()
	status, _, text := c.exchange(t, caller, "", method, path, body)
	return status, text
}

// exchange sends a request with an Idempotency-Key, "" for none, and gives the status, the headers and the body.
func (c client) exchange(t *testing.T, caller *http.Client, key, method, path, body string) (int, http.Header, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := caller.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// call is do for a request that has to succeed with this status; it reads the answer into out.
func (c client) call(t *testing.T, want int, method, path, body string, out any) {
	t.Helper()
	status, text := c.checked(t, method, path, body)
	if status != want {
		t.Fatalf("%s %s answers %d, want %d: %s", method, path, status, want, text)
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

// register puts a definition whose steps have these waits, POSTed to url.
func (c client) register(t *testing.T, url string, waits ...string) {
	t.Helper()
	var steps []string
	for i, wait := range waits {
		steps = append(steps, fmt.Sprintf(`{"name": "step%d", "wait": %q}`, i+1, wait))
	}
	body := fmt.Sprintf(`{"type": "SignupWorkflow", "webhook": {"url": %q}, "steps": [%s]}`, url, strings.Join(steps, ","))
	var registered struct{ Version int }
	c.call(t, http.StatusCreated, "PUT", "/v1/definitions/SignupWorkflow", body, &registered)
	if registered.Version != 1 {
		t.Fatalf("the first registration makes version %d", registered.Version)
	}
}

func (c client) create(t *testing.T) workflow {
	t.Helper()
	var w workflow
	c.call(t, http.StatusCreated, "POST", "/v1/workflows", `{"type": "SignupWorkflow", "subject": {"type": "User", "id": "42"}}`, &w)
	return w
}

func (c client) workflow(t *testing.T, id string) (w workflow) {
	t.Helper()
	c.call(t, http.StatusOK, "GET", "/v1/workflows/"+id, "", &w)
	return w
}

func (c client) history(t *testing.T, id string) []execution {
	t.Helper()
	var page struct{ Items []execution }
	c.call(t, http.StatusOK, "GET", "/v1/workflows/"+id+"/step-executions", "", &page)
	return page.Items
}

// await polls a workflow until it is as wanted.
func (c client) await(t *testing.T, id, what string, as func(workflow) bool) {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		w := c.workflow(t, id)
		if as(w) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.Done():
			t.Fatalf("the workflow is not %s after %s; it is %s at %q, with the history %+v", what, patience, w.State, w.CurrentStepName, c.history(t, id))
		}
	}
}

func (c client) awaitFinished(t *testing.T, id string) {
	t.Helper()
	c.await(t, id, "finished", func(w workflow) bool { return w.State == "finished" })
}

// wantHistory compares the history with "step state/outcome attempt" lines.
func (c client) wantHistory(t *testing.T, id string, want ...string) {
	t.Helper()
	var got []string
	for _, e := range c.history(t, id) {
		got = append(got, fmt.Sprintf("%s %s/%s %d", e.StepName, e.State, e.Outcome, e.Attempt))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the history is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// service is an App that runs in this process.
type service struct {
	client
	app    *app.App
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run; read it after done
}

// settingsFor are those of a server on loopback with this database and Redis ("": embedded), migrated.
func settingsFor(t *testing.T, databaseURL, redisURL string) app.Settings {
	t.Helper()
	s := app.Settings{Addr: "127.0.0.1:0", DatabaseURL: databaseURL, RedisURL: redisURL, WebhookSecrets: secret}
	if err := app.MigrateUp(t.Context(), s, io.Discard); err != nil {
		t.Fatal(err)
	}
	return s
}

// newApp makes an App whose log is shown if the test fails.
func newApp(t *testing.T, s app.Settings) (*app.App, error) {
	t.Helper()
	cfg, err := s.Parse()
	if err != nil {
		t.Fatal(err)
	}
	log := &testLog{}
	t.Cleanup(func() { log.showIfFailed(t) })
	return app.New(t.Context(), cfg, "test", slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

func startService(t *testing.T, s app.Settings) *service {
	t.Helper()
	a, err := newApp(t, s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := &service{client: client{base: "http://" + a.Addr()}, app: a, cancel: cancel, done: make(chan struct{})}
	go func() {
		run.err = a.Run(ctx)
		close(run.done)
	}()
	t.Cleanup(func() { run.stop(t) })
	return run
}

// stop shuts the service down in order; a second call does nothing.
func (s *service) stop(t *testing.T) {
	t.Helper()
	s.cancel()
	select {
	case <-s.done:
	case <-time.After(patience):
		t.Fatalf("the service has not stopped after %s", patience)
	}
	if s.err != nil {
		t.Errorf("the service stopped with %v", s.err)
	}
}

// testLog keeps what is logged; a test that has ended cannot be logged to, and background work may outlive it.
type testLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *testLog) showIfFailed(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.Failed() {
		t.Logf("the service's log:\n%s", l.text.String())
	}
}
