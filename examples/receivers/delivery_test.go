package receivers_test

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/webhook"
)

func newSecret(t *testing.T) webhook.Secret {
	t.Helper()
	secret, err := webhook.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// unheardOf is a step that no receiver can perform.
const unheardOf = "unheard_of"

// delivery is one POST, right in every way unless a field says otherwise.
type delivery struct {
	id      string
	step    string
	attempt int                       // 0: the first
	kind    string                    // "": step.perform
	data    string                    // the workflow's; "": {}
	body    string                    // in place of all of these
	age     time.Duration             // of the timestamp
	secrets []webhook.Secret          // nil: the receiver's own
	tamper  func(*http.Request) error // after signing
}

func (d delivery) text(t *testing.T) string {
	t.Helper()
	if d.body != "" {
		return d.body
	}
	type object = map[string]any
	if d.data == "" {
		d.data = "{}"
	}
	if d.kind == "" {
		d.kind = "step.perform"
	}
	text, err := json.Marshal(object{"type": d.kind, "timestamp": "2026-01-02T03:04:05.000006Z", "data": object{
		"workflow": object{"id": newID(), "type": "SignupWorkflow", "definition_version": 1, "subject": object{"type": "User", "id": "Žofie 42"},
			"data": json.RawMessage(d.data), "created_at": "2026-01-01T00:00:00.000000Z"},
		"step_execution": object{"id": strings.TrimSuffix(d.id, "_hook"), "step_name": d.step, "params": object{}, "attempt": max(d.attempt, 1),
			"scheduled_for": "2026-01-02T03:04:05.000000Z", "previous_error": nil}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// send delivers d and gives the status and the body of the answer.
func (r *receiver) send(t *testing.T, d delivery) (status int, answer string) {
	t.Helper()
	text := d.text(t)
	at := time.Now().Add(-d.age)
	secrets := d.secrets
	if secrets == nil {
		secrets = []webhook.Secret{r.secret}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/geneva", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"content-type": "application/json", "webhook-id": d.id, "webhook-timestamp": strconv.FormatInt(at.Unix(), 10),
		"webhook-signature": webhook.Sign(d.id, at, []byte(text), secrets...), "genevadrive-step": d.step,
	} {
		req.Header.Set(name, value)
	}
	if d.tamper != nil {
		if err := d.tamper(req); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// want delivers d and wants an answer that the service accepts, with that action. It gives the answer's text.
func (r *receiver) want(t *testing.T, action domain.Action, d delivery) string {
	t.Helper()
	status, text := r.send(t, d)
	if status != http.StatusOK {
		t.Errorf("%s got %d %s, want %s", d.step, status, text, action)
		return text
	}
	answer, err := domain.ParseAnswer([]byte(text), nil)
	if err != nil {
		t.Errorf("%s got %s, which is no answer: %v", d.step, text, err)
		return text
	}
	if answer.Action != action {
		t.Errorf("%s got %s, want %s", d.step, text, action)
	}
	return text
}

// wantStatus delivers d and wants that status.
func (r *receiver) wantStatus(t *testing.T, want int, d delivery) {
	t.Helper()
	if status, text := r.send(t, d); status != want {
		t.Errorf("got %d %s, want %d", status, text, want)
	}
}

// wantFailure delivers d and wants to hear that the attempt failed and may be tried again: 500, or the answer fail.
func (r *receiver) wantFailure(t *testing.T, d delivery) {
	t.Helper()
	status, text := r.send(t, d)
	if status == http.StatusInternalServerError {
		return
	}
	if answer, err := domain.ParseAnswer([]byte(text), nil); status != http.StatusOK || err != nil || answer.Action != domain.ActionFail || !answer.Retryable {
		t.Errorf("got %d %s (%v), want 500, or the answer fail with retryable", status, text, err)
	}
}
