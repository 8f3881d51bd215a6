package receivercheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/webhook"
)

type delivery struct {
	id, step   string
	attempt    int
	secrets    []webhook.Secret // nil: the receiver's
	unfamiliar bool
}

type object = map[string]any

// body is the envelope of the protocol.
func (c *check) body(d delivery) ([]byte, error) {
	now := c.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	envelope := object{"type": "step.perform", "timestamp": now, "data": object{
		"workflow": object{"id": c.SubjectID, "type": c.WorkflowType, "definition_version": 1, "created_at": now,
			"subject": object{"type": c.SubjectType, "id": c.SubjectID}, "data": c.Data},
		"step_execution": object{"id": d.id, "step_name": d.step, "params": object{}, "attempt": d.attempt,
			"scheduled_for": now, "previous_error": nil}}}
	if !d.unfamiliar {
		return json.Marshal(envelope)
	}
	envelope["receiver_check"] = json.RawMessage(`["Ž\u00fc/\/", 1.0, 1e2]`)
	body, err := json.MarshalIndent(envelope, "", "\t")
	return append(body, '\n'), err
}

// message is d as the webhook client takes it.
func (c *check) message(d delivery) (webhook.Delivery, error) {
	body, err := c.body(d)
	if d.secrets == nil {
		d.secrets = []webhook.Secret{c.Secret}
	}
	return webhook.Delivery{URL: c.URL, ID: d.id, Headers: c.Headers, WorkflowID: c.SubjectID, Step: d.step, Attempt: d.attempt,
		Body: body, Secrets: d.secrets}, err
}

// deliver sends d and judges the answer by itself.
func (c *check) deliver(ctx context.Context, client *webhook.Client, d delivery) outcome {
	message, err := c.message(d)
	if err != nil {
		return outcome{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return c.judge(client.Deliver(ctx, message))
}

// outcome is the answer to a delivery; err says why it is none that the service accepts.
type outcome struct {
	webhook.Result
	answer *domain.Answer
	err    error
}

func (c *check) judge(r webhook.Result) outcome {
	o := outcome{Result: r}
	switch {
	case r.Err != nil && r.Status != 0:
		o.err = fmt.Errorf("%s %s", r.Err.Message, shown(r.Body))
	case r.Err != nil:
		o.err = errors.New(r.Err.Message)
	case r.Status == http.StatusAccepted:
		o.err = errors.New("it answered 202, which promises an answer for later; check a step that answers at once")
	default:
		o.answer, o.err = domain.ParseAnswer(r.Body, c.Queues)
	}
	return o
}

// failed tells whether the receiver itself says that the attempt failed.
func (o outcome) failed() bool { return o.answer != nil && o.answer.Action == domain.ActionFail }

func (o outcome) empty() bool { return len(bytes.TrimSpace(o.Body)) == 0 }

// alike tells whether two answers say the same in the same way: the same action, both in a body or both
// without one.
func (o outcome) alike(other outcome) bool {
	return o.answer.Action == other.answer.Action && o.empty() == other.empty()
}

// same tells whether two answers are equal but for the spelling of their JSON.
func (o outcome) same(other outcome) bool {
	if o.empty() || other.empty() {
		return o.empty() == other.empty()
	}
	return bytes.Equal(canonical(o.Body), canonical(other.Body))
}

func canonical(body []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return body
	}
	text, err := json.Marshal(value)
	if err != nil {
		return body
	}
	return text
}

// String is the answer for people.
func (o outcome) String() string {
	if o.empty() {
		return fmt.Sprintf("%d without a body, in %s", o.Status, o.Duration.Round(time.Millisecond))
	}
	return fmt.Sprintf("%d %s in %s", o.Status, shown(o.Body), o.Duration.Round(time.Millisecond))
}

// shown is the beginning of a body.
func shown(body []byte) string {
	const most = 120
	text := []rune(strings.TrimSpace(webhook.Excerpt(body)))
	if len(text) > most {
		return string(text[:most]) + " …"
	}
	return string(text)
}
