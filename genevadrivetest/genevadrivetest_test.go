package genevadrivetest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/genevadrive/genevadrive/app"
	"github.com/genevadrive/genevadrive/genevadrivetest"
)

const signupYAML = `
type: SignupWorkflow
webhook: {url: "http://127.0.0.1:1/nobody-is-there"}
cancel_if: "has(subject.deactivated) && subject.deactivated"
steps:
  - name: send_welcome_email
  - {name: send_reminder, wait: P2D}
  - {name: complete_onboarding, wait: P7D}
`

var ada = genevadrivetest.Subject{Type: "User", ID: "42"}

// TestReminders is the example of docs/testing.md.
func TestReminders(t *testing.T) {
	geneva := genevadrivetest.Start(t) // a server of its own, gone when the test ends
	geneva.Register(signupYAML)
	w := geneva.Create("SignupWorkflow", genevadrivetest.Subject{Type: "User", ID: "42"}, nil)

	run := geneva.Speedrun(w.ID, genevadrivetest.Answers{
		"send_welcome_email": {`{}`},
		"send_reminder":      {`{"action": "reattempt", "wait": "PT5M"}`, `{"data": {"reminded": true}}`},
	}, genevadrivetest.MaxSteps(3))

	run.Expect(t, "max_steps",
		"send_welcome_email completed/completed",
		"send_reminder completed/reattempted",
		"send_reminder completed/completed",
		"complete_onboarding scheduled/")
}

func TestConditionsAndVerbs(t *testing.T) {
	geneva := genevadrivetest.Start(t)
	geneva.Register(signupYAML)
	w := geneva.Create("SignupWorkflow", ada, map[string]any{"plan": "pro"})
	if string(w.Data) != `{"plan":"pro"}` {
		t.Errorf("created with the data %s", w.Data)
	}
	answers := genevadrivetest.Answers{"send_welcome_email": {`{"action": "pause", "reason": "look"}`, `{}`}}
	run := geneva.Speedrun(w.ID, answers)
	run.Expect(t, "paused", "send_welcome_email canceled/paused")
	if p := geneva.Workflow(w.ID).Pause; p == nil || p.By != "answer" || p.Reason != "look" {
		t.Errorf("paused as %+v", p)
	}
	if x := geneva.Explain(w.ID); x.Code != "paused_by_answer" || !strings.Contains(x.Summary, "(reason: look)") {
		t.Errorf("explained as %s: %s", x.Code, x.Summary)
	}
	if w := geneva.Control(w.ID, "resume"); w.State != "ready" {
		t.Errorf("resumed as %s", w.State)
	}
	geneva.PushSubject(ada, map[string]any{"deactivated": true})
	geneva.Speedrun(w.ID, answers).Expect(t, "canceled", "send_welcome_email canceled/paused", "send_welcome_email canceled/canceled")
}

// TestWithAReceiver delivers to an application, and verifies what arrives with the server's secret.
func TestWithAReceiver(t *testing.T) {
	geneva := genevadrivetest.Start(t)
	var mu sync.Mutex
	var steps []string
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, r.Header.Get("genevadrive-step"))
		_, _ = fmt.Fprint(w, `{"data": {"signed": `, signed(t, geneva.Secret, r), `}}`)
	}))
	defer application.Close()
	geneva.Register(strings.Replace(signupYAML, "http://127.0.0.1:1/nobody-is-there", application.URL, 1))
	w := geneva.Create("SignupWorkflow", ada, nil)
	run := geneva.Speedrun(w.ID, genevadrivetest.Answers{"send_reminder": {`{"action": "skip"}`}})
	run.Expect(t, "finished", "send_welcome_email completed/completed", "send_reminder skipped/skipped", "complete_onboarding completed/completed")
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(steps) != "[send_welcome_email complete_onboarding]" || string(run.Workflow.Data) != `{"signed":true}` {
		t.Errorf("delivered %q, data %s", steps, run.Workflow.Data)
	}
}

// signed tells whether a delivery is signed with the secret, as the protocol says.
func signed(t *testing.T, secret string, r *http.Request) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Error(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
	return r.Header.Get("webhook-signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// TestSettings starts a server without test mode, which refuses speedruns.
func TestSettings(t *testing.T) {
	geneva := genevadrivetest.Start(t, func(s *app.Settings) { s.TestMode, s.Concurrency = "", "2" })
	geneva.Register(signupYAML)
	w := geneva.Create("SignupWorkflow", ada, nil)
	status, body := geneva.Do("POST", "/v1/workflows/"+w.ID+"/speedrun", nil)
	var problem struct{ Code string }
	if err := json.Unmarshal(body, &problem); err != nil || status != 403 || problem.Code != "test_mode_off" {
		t.Errorf("%d %s", status, body)
	}
}

// TestFailuresAreReported has the helpers fail a test that only listens.
func TestFailuresAreReported(t *testing.T) {
	for name, test := range map[string]func(testing.TB){
		"another history": func(t testing.TB) {
			genevadrivetest.Run{StoppedBy: "finished"}.Expect(t, "finished", "a completed/completed")
		},
		"another end": func(t testing.TB) { genevadrivetest.Run{StoppedBy: "paused"}.Expect(t, "finished") },
		"no type":     func(t testing.TB) { genevadrivetest.Start(t).Register("steps: []") },
		"a bad definition": func(t testing.TB) {
			genevadrivetest.Start(t).Register("type: X\nsteps: [{name: a, wait: soon}]")
		},
		"no such workflow": func(t testing.TB) { genevadrivetest.Start(t).Speedrun("0197c2a3-0000-7000-8000-000000000000", nil) },
		"an answer that is no JSON": func(t testing.TB) {
			genevadrivetest.Start(t).Speedrun("0197c2a3-0000-7000-8000-000000000000", genevadrivetest.Answers{"a": {"{"}})
		},
		"bad settings": func(t testing.TB) { genevadrivetest.Start(t, func(s *app.Settings) { s.Concurrency = "many" }) },
	} {
		listening := &listener{TB: t}
		func() {
			defer func() {
				if r := recover(); r != nil && r != errFatal {
					panic(r)
				}
			}()
			test(listening)
		}()
		if listening.said == "" {
			t.Errorf("%s: nothing was reported", name)
		}
	}
}

var errFatal = fmt.Errorf("the listening test has failed")

// listener keeps what a test would fail with.
type listener struct {
	testing.TB
	said string
}

func (l *listener) Errorf(format string, args ...any) { l.said += fmt.Sprintf(format, args...) }
func (l *listener) Fatalf(format string, args ...any) {
	l.said += fmt.Sprintf(format, args...)
	panic(errFatal)
}
