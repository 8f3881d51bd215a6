package domain

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// OnConflict says what a create does when an open workflow of the type stands for the subject already.
type OnConflict string

// The conflict policies of create (DESIGN section 9).
const (
	ConflictReject         OnConflict = "reject"
	ConflictReturnExisting OnConflict = "return_existing"
	ConflictCancelExisting OnConflict = "cancel_existing"
)

// CreateParams describe a workflow to be created; ids are made before the transaction.
type CreateParams struct {
	ID            uuid.UUID
	ExecutionID   uuid.UUID
	SubjectType   string
	SubjectID     string
	Data          json.RawMessage // nil: {}
	AllowMultiple *bool           // nil: the definition's
	Wait          *time.Duration  // for the first step, nil: its own
	At            *time.Time      // for the first step, instead of Wait
	Traceparent   string
}

// NewWorkflow gives the workflow and its first step execution, as Change.Next. Without steps the workflow is
// finished at once.
func NewWorkflow(def *Definition, p CreateParams, now time.Time) (Change, error) {
	w := Workflow{
		ID: p.ID, Type: def.Type, DefinitionVersion: def.Version,
		SubjectType: p.SubjectType, SubjectID: p.SubjectID,
		State: WorkflowReady, AllowMultiple: def.AllowMultiple, Data: p.Data,
		Traceparent: p.Traceparent, LockVersion: 1, CreatedAt: now, UpdatedAt: now,
	}
	if p.AllowMultiple != nil {
		w.AllowMultiple = *p.AllowMultiple
	}
	if len(w.Data) == 0 {
		w.Data = json.RawMessage(`{}`)
	}
	c := Change{Workflow: w}
	if len(def.Steps) == 0 {
		err := c.Workflow.move(eventFinish, now)
		return c, err
	}
	first := &def.Steps[0]
	c.schedule(p.ExecutionID, first, nil, dueAt(p.At, p.Wait, first.Wait, now), now)
	return c, nil
}
