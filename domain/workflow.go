package domain

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Limits of a workflow (DESIGN sections 3 and 6).
const (
	MaxDataBytes  = 256 << 10 // of its data, and of a subject's attributes
	MaxExecutions = 10_000    // step executions
)

// Workflow is one run of a definition for one subject (DESIGN section 3). Times are UTC, microseconds.
type Workflow struct {
	ID                 uuid.UUID
	Type               string
	DefinitionVersion  int
	SubjectType        string
	SubjectID          string
	State              WorkflowState
	CurrentStepName    string    // "" once terminal
	CurrentExecutionID uuid.UUID // the newest execution, open or not; uuid.Nil when there has been none
	AllowMultiple      bool
	Data               json.RawMessage // a JSON object, at most MaxDataBytes
	ExceptionsInRow    int
	Pause              *Pause // set exactly while paused
	Traceparent        string // W3C trace context of the request that created it, or ""
	LockVersion        int64  // rises with every write of the row
	StartedAt          *time.Time
	FinishedAt         *time.Time
	CanceledAt         *time.Time
	CreatedAt          time.Time
	UpdatedAt          time.Time
}

// PausedBy says who paused a workflow.
type PausedBy string

// Who paused.
const (
	PausedByAPI     PausedBy = "api"
	PausedByAnswer  PausedBy = "answer"
	PausedByFailure PausedBy = "failure"
)

// Pause says why a workflow is paused.
type Pause struct {
	By     PausedBy
	Reason string
	At     time.Time
}

func (w *Workflow) move(event string, now time.Time) error {
	m, err := workflowMove(event, w.State)
	if err != nil {
		return err
	}
	w.State = m.To
	w.UpdatedAt = now
	switch m.To {
	case WorkflowFinished:
		w.FinishedAt = &now
		w.CurrentStepName = ""
	case WorkflowCanceled:
		w.CanceledAt = &now
		w.CurrentStepName = ""
	case WorkflowPerforming:
		if w.StartedAt == nil {
			w.StartedAt = &now
		}
	}
	if m.To != WorkflowPaused {
		w.Pause = nil
	}
	return nil
}

// pause moves the workflow to paused; one that is paused already keeps the pause it has.
func (w *Workflow) pause(by PausedBy, reason string, now time.Time) error {
	w.UpdatedAt = now
	if w.State == WorkflowPaused {
		return nil
	}
	if err := w.move(eventPause, now); err != nil {
		return err
	}
	w.Pause = &Pause{By: by, Reason: reason, At: now}
	return nil
}

// becomeReady is what the table of DESIGN section 3 calls "ready": a workflow paused meanwhile stays paused.
func (w *Workflow) becomeReady(now time.Time) error {
	w.UpdatedAt = now
	if w.State == WorkflowPaused {
		return nil
	}
	return w.move(eventSettle, now)
}
