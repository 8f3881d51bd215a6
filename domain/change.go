package domain

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Change is what a decision of the domain does to one workflow. It is a value: persistence saves it in one
// transaction, the engine then rings for what it made due. Rows are as they shall be after the save.
type Change struct {
	Workflow  Workflow
	Execution *Execution // the execution the decision was about; nil: untouched
	Next      *Execution // to be inserted; nil: none
	Attempt   *Attempt   // to be inserted; nil: none
	Unchanged bool       // nothing to save: the workflow is in the wanted state already
}

// schedule adds the next execution of a workflow to the change: of step, due at due, held while the workflow
// is paused. The caller has moved the workflow and seen to it that last is not number MaxExecutions.
func (c *Change) schedule(id uuid.UUID, step *Step, last *Execution, due, now time.Time) {
	seq := 1
	if last != nil {
		seq = last.Seq + 1
	}
	c.Next = &Execution{
		ID: id, WorkflowID: c.Workflow.ID, Seq: seq, StepName: step.Name,
		State: ExecutionScheduled, ScheduledFor: due, Held: c.Workflow.State == WorkflowPaused,
		Queue: step.Queue, Priority: step.Priority, CreatedAt: now,
	}
	c.Workflow.CurrentStepName = step.Name
	c.Workflow.CurrentExecutionID = id
}

var tooManyExecutions = fmt.Sprintf("The workflow has had %d step executions, the most one workflow may have.", MaxExecutions)

// Current is the newest execution of the workflow as the change leaves it, or nil if the change has none.
func (c *Change) Current() *Execution {
	if c.Next != nil {
		return c.Next
	}
	return c.Execution
}

// Due gives the execution that this change made (or left) claimable, if any.
func (c *Change) Due() (*Execution, bool) {
	e := c.Current()
	if c.Unchanged || e == nil || e.State != ExecutionScheduled || e.Held {
		return nil, false
	}
	return e, true
}

func later(now time.Time, wait time.Duration) time.Time {
	return now.Add(wait).Truncate(time.Microsecond)
}

// dueAt resolves the pair wait/at that may stand in a request or answer: at wins, then wait, then fallback.
// A time that has passed means now.
func dueAt(at *time.Time, wait *time.Duration, fallback time.Duration, now time.Time) time.Time {
	switch {
	case at != nil && at.After(now):
		return at.UTC().Truncate(time.Microsecond)
	case at != nil:
		return now
	case wait != nil:
		return later(now, *wait)
	default:
		return later(now, fallback)
	}
}
