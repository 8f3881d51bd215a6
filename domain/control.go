package domain

import (
	"bytes"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// Verb is a control verb of the API (DESIGN section 3, "Control from outside").
type Verb string

// The control verbs.
const (
	VerbPause     Verb = "pause"
	VerbResume    Verb = "resume"
	VerbSkip      Verb = "skip"
	VerbReattempt Verb = "reattempt"
	VerbCancel    Verb = "cancel"
	VerbFinish    Verb = "finish"
)

// Verbs lists every control verb.
var Verbs = []Verb{VerbPause, VerbResume, VerbSkip, VerbReattempt, VerbCancel, VerbFinish}

// Command is one call of a control verb.
type Command struct {
	Verb            Verb
	Reason          string
	StepExecutionID *uuid.UUID     // refuse with stale_execution unless this is the current one
	Step            string         // resume: run this step instead of the current one
	Wait            *time.Duration // reattempt
	At              *time.Time     // reattempt

	NextID uuid.UUID // for an execution the verb may create
	Fence  Fence     // replaces the fence of a claim the verb takes away
}

// Control decides what a control verb does. e is the newest execution of the workflow, nil when it never had
// one. Errors: invalid_transition, stale_execution, unknown_step.
func Control(def *Definition, w Workflow, e *Execution, cmd Command, now time.Time) (Change, error) {
	if cmd.StepExecutionID != nil && *cmd.StepExecutionID != w.CurrentExecutionID {
		stale := Errorf(CodeStaleExecution, "The step execution %s is no longer the current one of this workflow.", cmd.StepExecutionID)
		if !w.State.Terminal() {
			stale.ExecutionID = w.CurrentExecutionID.String()
		}
		return Change{}, stale
	}
	c := control{def: def, cmd: cmd, now: now}
	if c.inTargetState(w) {
		return Change{Workflow: w, Execution: e, Unchanged: true}, nil
	}
	switch {
	case w.State.Terminal():
		return Change{}, &Error{Code: CodeInvalidTransition, State: string(w.State),
			Detail: fmt.Sprintf("A workflow that is %s cannot be asked to %s.", w.State, cmd.Verb)}
	case cmd.Verb == VerbResume && w.State != WorkflowPaused: // with a step, else it is in its target state
		return Change{}, &Error{Code: CodeInvalidTransition, State: string(w.State),
			Detail: fmt.Sprintf("Only a workflow that is paused can be resumed at a step, and this one is %s; pause it first, or leave step out.", w.State)}
	}
	if e == nil {
		return Change{}, fmt.Errorf("control: the open workflow %s has no execution", w.ID)
	}
	current := *e
	if cmd.Reason != "" {
		current.Reason = cmd.Reason
	}
	switch cmd.Verb {
	case VerbPause:
		return c.pause(w, current)
	case VerbResume:
		return c.resume(w, current)
	case VerbSkip:
		return c.skip(w, current)
	case VerbReattempt:
		return c.reattempt(w, current)
	case VerbCancel:
		return c.end(w, current, eventCancel, eventCancel)
	case VerbFinish:
		return c.end(w, current, eventFinish, eventSupersede)
	}
	return Change{}, fmt.Errorf("control: no rule for the verb %q", cmd.Verb)
}

type control struct {
	def *Definition
	cmd Command
	now time.Time
}

func (c control) inTargetState(w Workflow) bool {
	switch c.cmd.Verb {
	case VerbPause:
		return w.State == WorkflowPaused
	case VerbResume:
		return c.cmd.Step == "" && (w.State == WorkflowReady || w.State == WorkflowPerforming)
	case VerbCancel:
		return w.State == WorkflowCanceled
	case VerbFinish:
		return w.State == WorkflowFinished
	}
	return false
}

func (c control) pause(w Workflow, e Execution) (Change, error) {
	if err := w.pause(PausedByAPI, c.cmd.Reason, c.now); err != nil {
		return Change{}, err
	}
	e.Held = e.State == ExecutionScheduled
	return Change{Workflow: w, Execution: &e}, nil
}

func (c control) resume(w Workflow, e Execution) (Change, error) {
	w.ExceptionsInRow = 0
	switch {
	case c.cmd.Step != "":
		return c.run(w, e, c.cmd.Step, eventResume, c.now)
	case e.State == ExecutionExecuting:
		err := w.move(eventRejoin, c.now)
		return Change{Workflow: w, Execution: &e}, err
	case e.State == ExecutionScheduled:
		e.Held = false
		err := w.move(eventResume, c.now)
		return Change{Workflow: w, Execution: &e}, err
	default:
		return c.run(w, e, w.CurrentStepName, eventResume, c.now)
	}
}

func (c control) skip(w Workflow, e Execution) (Change, error) {
	w.ExceptionsInRow = 0
	next, known := c.def.StepAfter(w.CurrentStepName)
	if !known {
		return Change{}, c.unknownStep(w.CurrentStepName)
	}
	if next != nil && e.Seq >= MaxExecutions {
		return Change{}, c.noMore(w)
	}
	change := Change{}
	if err := c.takeAway(&change, &e, eventSkip); err != nil {
		return Change{}, err
	}
	if next == nil {
		err := w.move(eventFinish, c.now)
		change.Workflow, change.Execution = w, &e
		return change, err
	}
	if err := w.becomeReady(c.now); err != nil {
		return Change{}, err
	}
	change.Workflow, change.Execution = w, &e
	change.schedule(c.cmd.NextID, next, &e, later(c.now, next.Wait), c.now)
	return change, nil
}

func (c control) reattempt(w Workflow, e Execution) (Change, error) {
	w.ExceptionsInRow = 0
	due := dueAt(c.cmd.At, c.cmd.Wait, 0, c.now)
	if e.State != ExecutionScheduled {
		return c.run(w, e, w.CurrentStepName, eventReattempt, due)
	}
	e.Fence = c.cmd.Fence
	e.Held, e.ScheduledFor = false, due
	err := w.move(eventReattempt, c.now)
	return Change{Workflow: w, Execution: &e}, err
}

func (c control) end(w Workflow, e Execution, event, executionEvent string) (Change, error) {
	change := Change{}
	if err := c.takeAway(&change, &e, executionEvent); err != nil {
		return Change{}, err
	}
	err := w.move(event, c.now)
	change.Workflow, change.Execution = w, &e
	return change, err
}

// run supersedes the execution if it is open and schedules a new one of the named step.
func (c control) run(w Workflow, e Execution, stepName, event string, due time.Time) (Change, error) {
	step, _, ok := c.def.Step(stepName)
	if !ok {
		return Change{}, c.unknownStep(stepName)
	}
	if e.Seq >= MaxExecutions {
		return Change{}, c.noMore(w)
	}
	change := Change{}
	if err := c.takeAway(&change, &e, eventSupersede); err != nil {
		return Change{}, err
	}
	if err := w.move(event, c.now); err != nil {
		return Change{}, err
	}
	change.Workflow, change.Execution = w, &e
	change.schedule(c.cmd.NextID, step, &e, due, c.now)
	return change, nil
}

// takeAway ends the execution if it is open. The new fence refuses the late answer of a delivery in flight,
// and marks the row as changed by this very call, so that a lost commit acknowledgement can be resolved.
func (c control) takeAway(change *Change, e *Execution, event string) error {
	change.Attempt = e.cutShort(c.cmd.Fence, ErrSuperseded, "Taken away by the verb "+string(c.cmd.Verb)+" while the delivery was in flight.", c.now)
	if !e.State.Open() {
		return nil
	}
	return e.move(event, c.now)
}

// noMore refuses a verb that needs another execution of a workflow that has had MaxExecutions.
func (c control) noMore(w Workflow) error {
	return &Error{Code: CodeInvalidTransition, State: string(w.State),
		Detail: tooManyExecutions + " Cancel or finish it."}
}

func (c control) unknownStep(name string) error {
	e := Errorf(CodeUnknownStep, "The workflow runs version %d of %s, which has no step %q.", c.def.Version, c.def.Type, name)
	e.Problems = []Problem{{Pointer: "#/step", Detail: "Name one of the steps of that version."}}
	return e
}

// PatchData applies a JSON merge patch to the data of an open workflow. Errors: unreadable_body,
// invalid_request for a patch that is no object, invalid_transition for a terminal workflow, data_too_large.
func PatchData(w Workflow, patch []byte, now time.Time) (Change, error) {
	if err := strictjson.Check(patch); err != nil {
		return Change{}, ReadError(err, CodeInvalidRequest)
	}
	if bytes.TrimSpace(patch)[0] != '{' {
		return Change{}, WithProblems(CodeInvalidRequest, []Problem{{Pointer: "#", Detail: "A merge patch on the workflow's data must be an object."}})
	}
	if w.State.Terminal() {
		return Change{}, &Error{Code: CodeInvalidTransition, State: string(w.State),
			Detail: fmt.Sprintf("The data of a workflow that is %s cannot be changed.", w.State)}
	}
	data, err := mergeData(w.Data, patch)
	if err != nil {
		return Change{}, err
	}
	w.Data, w.UpdatedAt = data, now
	return Change{Workflow: w}, nil
}
