package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/webhook"
)

// inFlight knows how to abort the deliveries of this server.
type inFlight struct {
	mu      sync.Mutex
	cancels map[uuid.UUID]context.CancelFunc
}

func newInFlight() *inFlight { return &inFlight{cancels: map[uuid.UUID]context.CancelFunc{}} }

func (f *inFlight) add(id uuid.UUID, cancel context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancels[id] = cancel
}

func (f *inFlight) remove(id uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.cancels, id)
}

// abort ends the delivery of an execution, if it is in flight here.
func (f *inFlight) abort(id uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if cancel, ok := f.cancels[id]; ok {
		cancel()
	}
}

// InFlight is the number of deliveries this server has in flight.
func (e *Engine) InFlight() int {
	e.inFlight.mu.Lock()
	defer e.inFlight.mu.Unlock()
	return len(e.inFlight.cancels)
}

// run makes the delivery of one attempt, with no transaction open, within its timeout budget. aborted means
// that this server is to stop, or that the claim was taken away by a verb here: there is no result then.
func (e *Engine) run(ctx context.Context, c *claimed) (result domain.Result, aborted bool) {
	ctx, cancel := context.WithTimeout(ctx, budget(c.step))
	defer cancel()
	e.inFlight.add(c.execution.ID, cancel)
	defer e.inFlight.remove(c.execution.ID)

	body, err := e.payload(c)
	if err != nil {
		return failed(domain.ErrInvalidAnswer, "The delivery could not be written: "+err.Error(), webhook.Result{}, false), false
	}
	to, missing := e.target(ctx, &c.step.Webhook)
	if missing != nil {
		return domain.Result{Failure: &domain.Failure{ExecutionError: *missing}}, false
	}
	delivered := e.Webhooks.Deliver(ctx, webhook.Delivery{
		URL: to.url, Headers: to.headers, Secrets: to.secrets,
		ID: c.execution.ID.String(), WorkflowID: c.workflow.ID.String(), Step: c.step.Name, Attempt: c.execution.Attempt,
		Traceparent: c.workflow.Traceparent, Body: body,
	})
	if delivered.Err != nil && delivered.Err.Code == webhook.CodeCanceled {
		return domain.Result{}, true
	}
	return e.read(delivered), false
}

// read turns what came back into the result of the attempt (DESIGN section 5).
func (e *Engine) read(r webhook.Result) domain.Result {
	if r.Err != nil {
		return failed(domain.ErrorCode(r.Err.Code), r.Err.Message, r, r.Err.Retryable)
	}
	if r.Status == 202 {
		return failed(domain.ErrUnexpected202, "The receiver answered 202, but this step has no callback_timeout, so no later answer could be taken.", r, false)
	}
	answer, err := domain.ParseAnswer(r.Body, e.Queues)
	if err != nil {
		var problem *domain.Error
		if !errors.As(err, &problem) {
			problem = domain.Errorf(domain.CodeInvalidAnswer, "%v", err)
		}
		// A body that is not JSON at all is some proxy's page or cut short; JSON that is no answer is the
		// receiver's own, and its work is probably done.
		return failed(domain.ErrInvalidAnswer, problem.Detail, r, problem.Code == domain.CodeUnreadableBody)
	}
	return domain.Result{Answer: answer, Status: r.Status, DurationMS: r.Duration.Milliseconds(), Excerpt: webhook.Excerpt(r.Body)}
}

func failed(code domain.ErrorCode, message string, r webhook.Result, retryable bool) domain.Result {
	return domain.Result{Status: r.Status, DurationMS: r.Duration.Milliseconds(), Excerpt: webhook.Excerpt(r.Body),
		Failure: &domain.Failure{Retryable: retryable, RetryAfter: r.RetryAfter,
			ExecutionError: domain.ExecutionError{Code: code, Message: message, Status: r.Status}}}
}

// envelope is the body of a delivery (DESIGN section 5).
type envelope struct {
	Type      string       `json:"type"`
	Timestamp string       `json:"timestamp"`
	Data      envelopeData `json:"data"`
}

type envelopeData struct {
	Workflow      envelopeWorkflow  `json:"workflow"`
	StepExecution envelopeExecution `json:"step_execution"`
}

type envelopeWorkflow struct {
	ID                uuid.UUID       `json:"id"`
	Type              string          `json:"type"`
	DefinitionVersion int             `json:"definition_version"`
	Subject           envelopeSubject `json:"subject"`
	Data              json.RawMessage `json:"data"`
	CreatedAt         string          `json:"created_at"`
}

type envelopeSubject struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

type envelopeExecution struct {
	ID            uuid.UUID              `json:"id"`
	StepName      string                 `json:"step_name"`
	Params        json.RawMessage        `json:"params"`
	Attempt       int                    `json:"attempt"`
	ScheduledFor  string                 `json:"scheduled_for"`
	PreviousError *domain.ExecutionError `json:"previous_error"`
}

var noParams = json.RawMessage(`{}`)

func (e *Engine) payload(c *claimed) ([]byte, error) {
	params := c.step.Params
	if len(params) == 0 {
		params = noParams
	}
	body, err := json.Marshal(envelope{
		Type: "step.perform", Timestamp: wireTime(e.Now()),
		Data: envelopeData{
			Workflow: envelopeWorkflow{ID: c.workflow.ID, Type: c.workflow.Type,
				DefinitionVersion: c.workflow.DefinitionVersion,
				Subject:           envelopeSubject{Type: c.workflow.SubjectType, ID: c.workflow.SubjectID},
				Data:              c.workflow.Data, CreatedAt: wireTime(c.workflow.CreatedAt)},
			StepExecution: envelopeExecution{ID: c.execution.ID, StepName: c.execution.StepName, Params: params,
				Attempt: c.execution.Attempt, ScheduledFor: wireTime(c.execution.ScheduledFor), PreviousError: c.execution.Error},
		}})
	if err != nil {
		return nil, fmt.Errorf("write the delivery of %s: %w", c.execution.ID, err)
	}
	return body, nil
}

// wireTime writes a time as every document of the service does: RFC 3339, UTC, microseconds.
func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
