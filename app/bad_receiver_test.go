package app_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestBadReceiversFailTheAttempt has receivers that answer as none should: each is a failed attempt with its
// code, retried or not by the rules of the protocol, and never a completion.
func TestBadReceiversFailTheAttempt(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, _ = zip.Write(make([]byte, 8<<20))
	_ = zip.Close()
	says := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	}
	cases := []struct {
		name    string
		answer  http.HandlerFunc
		code    string
		retried bool
	}{
		{"garbage", says("\x00\xff\xfe"), "invalid_answer", true},
		{"HTML with 200", says("<html>maintenance</html>"), "invalid_answer", true},
		{"an unknown action", says(`{"action": "compleet"}`), "invalid_answer", false},
		{"an unknown queue", says(`{"next": {"queue": "fast"}}`), "invalid_answer", false},
		{"too large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 300<<10)) }, "answer_too_large", true},
		{"a gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}, "invalid_answer", true},
		{"endless headers", func(w http.ResponseWriter, _ *http.Request) {
			for i := range 20_000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), "endless")
			}
		}, "connection", true},
		{"a redirect to a metadata address", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		}, "redirect", true},
		{"a closed connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "connection", true},
		{"one byte a second", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("{"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "timeout", true},
		{"data over its limit", says(`{"data": {"a": "` + string(bytes.Repeat([]byte("x"), 200<<10)) + `", "b": "` + string(bytes.Repeat([]byte("x"), 50<<10)) + `"}}`), "data_too_large", false},
	}
	testenv.Each(t, func(t *testing.T, _, url string) {
		service := startService(t, settingsFor(t, url, ""))
		for i, tc := range cases {
			receiver := httptest.NewServer(tc.answer)
			t.Cleanup(receiver.Close)
			typ := fmt.Sprintf("Bad%d", i)
			timeout := "PT30S" // longer than a loaded machine takes
			if tc.code == "timeout" {
				timeout = "PT0.5S"
			}
			var ignored any
			service.call(t, 201, "PUT", "/v1/definitions/"+typ, fmt.Sprintf(
				`{"webhook": {"url": %q, "timeout": %q}, "retry": {"max_attempts": 2, "initial": "PT1H"}, "steps": [{"name": "one"}, {"name": "two"}]}`, receiver.URL, timeout), &ignored)
			var w workflow
			service.call(t, 201, "POST", "/v1/workflows", fmt.Sprintf(`{"type": %q, "subject": {"type": "User", "id": "1"}, "data": {"kept": %q}}`,
				typ, bytes.Repeat([]byte("y"), 20<<10)), &w)
			state := "paused"
			if tc.retried {
				state = "ready"
			}
			var current struct {
				CurrentExecution struct {
					StepName string `json:"step_name"`
					State    string
					Attempt  int
					Error    *struct{ Code, Message string }
				} `json:"current_execution"`
			}
			service.await(t, w.ID, "after its first attempt", func(workflow) bool {
				service.call(t, 200, "GET", "/v1/workflows/"+w.ID, "", &current)
				return current.CurrentExecution.Error != nil
			})
			x := current.CurrentExecution
			if now := service.workflow(t, w.ID); now.State != state || x.StepName != "one" || x.Error.Code != tc.code || x.Error.Message == "" {
				t.Errorf("%s: %s at %s after %+v, want %s after %s", tc.name, now.State, x.StepName, *x.Error, state, tc.code)
			}
		}
	})
}
