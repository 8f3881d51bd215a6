package receivers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/webhook"
)

func TestReceivers(t *testing.T) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			r := l.start(t, newSecret(t))
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) { c.run(t, r) })
			}
		})
	}
}

// cases are what every receiver must do. They run one after the other against one process.
var cases = []struct {
	name string
	run  func(*testing.T, *receiver)
}{
	{"performs the steps of a SignupWorkflow", performsSignup},
	{"gives every action", givesEveryAction},
	{"gives the answer that the workflow's data asks for", givesCannedAnswer},
	{"lets a hook's step start", answersHook},
	{"refuses what is not signed", refusesUnsigned},
	{"accepts either secret's signature during a rotation", acceptsRotation},
	{"repeats its stored answer", repeatsAnswer},
	{"does the work once for many at once", answersManyAtOnce},
	{"remembers nothing of a failure", forgetsFailures},
}

func performsSignup(t *testing.T, r *receiver) {
	for _, step := range []string{"send_welcome_email", "send_reminder"} {
		r.want(t, domain.ActionComplete, delivery{id: newID(), step: step})
	}
	text := r.want(t, domain.ActionComplete, delivery{id: newID(), step: "complete_onboarding"})
	var answer struct{ Data struct{ Onboarded bool } }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || !answer.Data.Onboarded {
		t.Errorf("complete_onboarding got %s, want the workflow's data changed", text)
	}
}

func givesEveryAction(t *testing.T, r *receiver) {
	for _, action := range []domain.Action{domain.ActionSkip, domain.ActionReattempt, domain.ActionPause, domain.ActionCancel,
		domain.ActionFinish, domain.ActionFail} {
		r.want(t, action, delivery{id: newID(), step: string(action)})
	}
}

func givesCannedAnswer(t *testing.T, r *receiver) {
	data := `{"answers":{"send_reminder":{"action":"skip","reason":"déjà vu","data":{"empty":{},"list":[],"n":2}}}}`
	text := r.want(t, domain.ActionSkip, delivery{id: newID(), step: "send_reminder", data: data})
	var answer struct {
		Reason string
		Data   map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Reason != "déjà vu" || string(answer.Data["empty"]) != "{}" || string(answer.Data["list"]) != "[]" {
		t.Errorf("got %s (%v), want what the data says", text, err)
	}
	r.want(t, domain.ActionComplete, delivery{id: newID(), step: "send_welcome_email", data: data})
}

func answersHook(t *testing.T, r *receiver) {
	id := newID()
	r.want(t, domain.ActionComplete, delivery{id: id + "_hook", kind: "hook.before_step_starts", step: "cancel"})
	r.want(t, domain.ActionCancel, delivery{id: id, step: "cancel"})
}

func refusesUnsigned(t *testing.T, r *receiver) {
	set := func(name, value string) func(*http.Request) error {
		return func(req *http.Request) error { req.Header.Set(name, value); return nil }
	}
	drop := func(name string) func(*http.Request) error {
		return func(req *http.Request) error { req.Header.Del(name); return nil }
	}
	for name, d := range map[string]delivery{
		"body changed":    {tamper: changeBody},
		"id changed":      {tamper: set("webhook-id", newID())},
		"time changed":    {tamper: set("webhook-timestamp", strconv.FormatInt(time.Now().Unix()-1, 10))},
		"no id":           {tamper: drop("webhook-id")},
		"no time":         {tamper: drop("webhook-timestamp")},
		"no signature":    {tamper: drop("webhook-signature")},
		"other version":   {tamper: func(req *http.Request) error { return rewrite(req, "v1,", "v2,") }},
		"another secret":  {secrets: []webhook.Secret{newSecret(t), newSecret(t)}},
		"stale":           {age: 10 * time.Minute},
		"from the future": {age: -10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			d.id, d.step = newID(), "cancel"
			r.wantStatus(t, http.StatusUnauthorized, d)
			// Nothing was remembered: the same id, rightly signed, gets the work done.
			r.want(t, domain.ActionComplete, delivery{id: d.id, step: "send_reminder"})
		})
	}
}

func changeBody(req *http.Request) error {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	body = bytes.Replace(body, []byte(`"cancel"`), []byte(`"finish"`), 1)
	req.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func rewrite(req *http.Request, from, to string) error {
	req.Header.Set("webhook-signature", strings.ReplaceAll(req.Header.Get("webhook-signature"), from, to))
	return nil
}

func acceptsRotation(t *testing.T, r *receiver) {
	other := newSecret(t)
	for name, secrets := range map[string][]webhook.Secret{"own first": {r.secret, other}, "own last": {other, r.secret}} {
		t.Run(name, func(t *testing.T) {
			r.want(t, domain.ActionComplete, delivery{id: newID(), step: "send_reminder", secrets: secrets})
		})
	}
}

func repeatsAnswer(t *testing.T, r *receiver) {
	id := newID()
	first := r.want(t, domain.ActionCancel, delivery{id: id, step: "cancel"})
	// The answer was lost on the way; the work would by now end differently.
	again := func(when string) {
		t.Helper()
		if text := r.want(t, domain.ActionCancel, delivery{id: id, step: "send_reminder", attempt: 2}); text != first {
			t.Errorf("%s it answered %s, want what it said first, %s", when, text, first)
		}
	}
	again("the second time")
	r.restart(t)
	again("after a crash")
}

func answersManyAtOnce(t *testing.T, r *receiver) {
	d := delivery{id: newID(), step: "skip"}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { r.want(t, domain.ActionSkip, d) })
	}
	wg.Wait()
}

func forgetsFailures(t *testing.T, r *receiver) {
	for name, failure := range map[string]delivery{
		"an unknown step":   {step: unheardOf},
		"no JSON":           {step: "send_reminder", body: "hello"},
		"JSON of no step":   {step: "send_reminder", body: `{"type":"step.perform"}`},
		"a list of nothing": {step: "send_reminder", body: `[]`},
	} {
		t.Run(name, func(t *testing.T) {
			failure.id = newID()
			r.wantFailure(t, failure)
			r.want(t, domain.ActionComplete, delivery{id: failure.id, step: "send_reminder", attempt: 2})
		})
	}
	t.Run("a crash", func(t *testing.T) {
		id := newID()
		r.wantFailure(t, delivery{id: id, step: unheardOf})
		r.restart(t)
		r.want(t, domain.ActionComplete, delivery{id: id, step: "send_reminder", attempt: 2})
	})
	t.Run("the answer fail", func(t *testing.T) {
		id := newID()
		r.want(t, domain.ActionFail, delivery{id: id, step: "fail"})
		r.want(t, domain.ActionComplete, delivery{id: id, step: "send_reminder", attempt: 2})
	})
}

// Each language verifies docs/signatures.json by a program of its own; it says how many it has tried.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../docs/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []json.RawMessage }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	want := strconv.Itoa(len(file.Vectors)) + " vectors"
	for _, l := range languages {
		if l.vectors == nil {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			command := l.vectors(t)
			cmd := exec.Command(command[0], command[1:]...)
			cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != want {
				t.Errorf("%v\n%s\nwant %s", err, out, want)
			}
		})
	}
}
