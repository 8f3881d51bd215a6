package engine

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// envelope is the body of a delivery (DESIGN section 5).
type envelope struct {
	Type      string       `json:"type"`
	Timestamp string       `json:"timestamp"`
	Data      envelopeData `json:"data"`
}

type envelopeData struct {
	Workflow      envelopeWorkflow  `json:"workflow"`
	StepExecution envelopeExecution `json:"step_execution"`
	Callback      *envelopeCallback `json:"callback,omitempty"`
}

// envelopeCallback says where a late answer goes, until when at least, and what it carries.
type envelopeCallback struct {
	URL       string `json:"url"`
	Token     string `json:"token"`
	ExpiresAt string `json:"expires_at"`
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
	ID            uuid.UUID       `json:"id"`
	StepName      string          `json:"step_name"`
	Params        json.RawMessage `json:"params"`
	Attempt       int             `json:"attempt"`
	ScheduledFor  string          `json:"scheduled_for"`
	PreviousError *envelopeError  `json:"previous_error"`
}

// envelopeError has all its members always, null for what there is not.
type envelopeError struct {
	Code      domain.ErrorCode `json:"code"`
	Message   string           `json:"message"`
	Backtrace *string          `json:"backtrace"`
	Status    *int             `json:"status"`
}

func previousError(e *domain.ExecutionError) *envelopeError {
	if e == nil {
		return nil
	}
	shown := &envelopeError{Code: e.Code, Message: e.Message}
	if e.Backtrace != "" {
		shown.Backtrace = &e.Backtrace
	}
	if e.Status != 0 {
		shown.Status = &e.Status
	}
	return shown
}

var noParams = json.RawMessage(`{}`)

// message is what differs between the deliveries of one claim.
type message struct {
	typ      string
	id       string // webhook-id
	callback *envelopeCallback
}

func (e *Engine) stepMessage(c *claimed) message {
	return message{typ: "step.perform", id: c.execution.ID.String(), callback: e.callbackFor(c)}
}

func hookMessage(c *claimed) message {
	return message{typ: "hook.before_step_starts", id: c.execution.ID.String() + "_hook"}
}

func (e *Engine) payload(c *claimed, m message) ([]byte, error) {
	params := c.step.Params
	if len(params) == 0 {
		params = noParams
	}
	body, err := json.Marshal(envelope{
		Type: m.typ, Timestamp: wireTime(e.Now()),
		Data: envelopeData{
			Workflow: envelopeWorkflow{ID: c.workflow.ID, Type: c.workflow.Type,
				DefinitionVersion: c.workflow.DefinitionVersion,
				Subject:           envelopeSubject{Type: c.workflow.SubjectType, ID: c.workflow.SubjectID},
				Data:              c.workflow.Data, CreatedAt: wireTime(c.workflow.CreatedAt)},
			StepExecution: envelopeExecution{ID: c.execution.ID, StepName: c.execution.StepName, Params: params,
				Attempt: c.execution.Attempt, ScheduledFor: wireTime(c.execution.ScheduledFor), PreviousError: previousError(c.execution.Error)},
			Callback: m.callback,
		}})
	if err != nil {
		return nil, fmt.Errorf("write the delivery of %s: %w", c.execution.ID, err)
	}
	return body, nil
}

// wireTime writes a time as every document of the service does: RFC 3339, UTC, microseconds.
func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
