package receivers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/app"
	"github.com/genevadrive/genevadrive/webhook"
)

// The real server runs workflows against every receiver, over a line that is not reliable.
func TestServerWithEveryReceiver(t *testing.T) {
	signup, err := os.ReadFile("../definitions/signup.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			r := l.start(t, secret)
			api := startServer(t, secret.Reveal())

			t.Run("SignupWorkflow", func(t *testing.T) {
				definition := strings.NewReplacer("http://127.0.0.1:9000", r.url, "PT2S", "PT0.02S", "PT1S", "PT0.01S").Replace(string(signup))
				got := api.perform(t, "SignupWorkflow", definition)
				want := run{State: "finished", Steps: "send_welcome_email completed 1, send_reminder completed 1, complete_onboarding completed 1", Onboarded: true}
				if got != want {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			})
			t.Run("a bad line", func(t *testing.T) {
				definition := "type: Hardship\nwebhook: {url: \"" + badLine(t, r) + "/geneva\"}\n" +
					"retry: {max_attempts: 3, initial: PT0.02S, multiplier: 1, max: PT1S}\n" +
					"steps: [{name: send_welcome_email}, {name: send_reminder}, {name: skip}, {name: cancel}, {name: finish}]\n"
				got := api.perform(t, "Hardship", definition)
				want := run{State: "canceled", Steps: "send_welcome_email completed 2, send_reminder completed 2, skip skipped 1, cancel canceled 2"}
				if got != want {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			})
		})
	}
}

// badLine stands before a receiver. The first time it changes the body of send_welcome_email on the way there, lets the
// work of send_reminder fail in the receiver, and loses the answer to cancel on the way back.
func badLine(t *testing.T, receiver *receiver) string {
	t.Helper()
	target, err := url.Parse(receiver.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(resp *http.Response) error {
			if header := resp.Request.Header; header.Get("genevadrive-step") == "cancel" && header.Get("genevadrive-attempt") == "1" {
				panic(http.ErrAbortHandler)
			}
			return nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.Header.Get("genevadrive-step") + r.Header.Get("genevadrive-attempt") {
		case "send_welcome_email1":
			body = bytes.Replace(body, []byte(`"42"`), []byte(`"43"`), 1)
		case "send_reminder1": // to a step that the receiver cannot perform, rightly signed
			body = bytes.Replace(body, []byte("send_reminder"), []byte(unheardOf), 1)
			seconds, _ := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
			r.Header.Set("webhook-signature", webhook.Sign(r.Header.Get("webhook-id"), time.Unix(seconds, 0), body, receiver.secret))
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// server is a running GenevaDrive.
type server struct{ base string }

func startServer(t *testing.T, secret string) server {
	t.Helper()
	cfg, err := app.Settings{Addr: "127.0.0.1:0", DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "test.db"), WebhookSecrets: secret}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server stopped with %v", err)
		}
	})
	return server{base: "http://" + a.Addr()}
}

// call sends a request and reads the answer into out; anything but 2xx fails the test.
func (s server) call(t *testing.T, method, path, contentType, body string, out any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("content-type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode > 299 {
		t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

// run is what became of a workflow. Steps are name, outcome and attempts of each execution.
type run struct {
	State, Steps string
	Onboarded    bool
}

// perform registers the definition, creates a workflow and waits for its end.
func (s server) perform(t *testing.T, name, definition string) run {
	t.Helper()
	var workflow struct {
		ID, State string
		Data      struct{ Onboarded bool }
	}
	s.call(t, http.MethodPut, "/v1/definitions/"+name, "application/yaml", definition, &struct{}{})
	s.call(t, http.MethodPost, "/v1/workflows", "application/json", `{"type": "`+name+`", "subject": {"type": "User", "id": "42"}}`, &workflow)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); workflow.State == "ready" || workflow.State == "performing"; <-tick.C {
		if time.Now().After(deadline) {
			t.Errorf("after %s the workflow is still %s", patience, workflow.State)
			break
		}
		s.call(t, http.MethodGet, "/v1/workflows/"+workflow.ID, "", "", &workflow)
	}
	var history struct {
		Items []struct {
			StepName string `json:"step_name"`
			Outcome  string
			Attempt  int
		}
	}
	s.call(t, http.MethodGet, "/v1/workflows/"+workflow.ID+"/step-executions", "", "", &history)
	var steps []string
	for _, e := range history.Items {
		steps = append(steps, fmt.Sprintf("%s %s %d", e.StepName, e.Outcome, e.Attempt))
	}
	return run{State: workflow.State, Steps: strings.Join(steps, ", "), Onboarded: workflow.Data.Onboarded}
}
