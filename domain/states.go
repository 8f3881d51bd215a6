package domain

import "slices"

// WorkflowState is the state of a workflow.
type WorkflowState string

// The workflow states; finished and canceled are terminal.
const (
	WorkflowReady      WorkflowState = "ready"
	WorkflowPerforming WorkflowState = "performing"
	WorkflowPaused     WorkflowState = "paused"
	WorkflowFinished   WorkflowState = "finished"
	WorkflowCanceled   WorkflowState = "canceled"
)

// WorkflowStates lists every workflow state.
var WorkflowStates = []WorkflowState{WorkflowReady, WorkflowPerforming, WorkflowPaused, WorkflowFinished, WorkflowCanceled}

// OpenWorkflowStates lists those in which something can still happen to the workflow.
var OpenWorkflowStates = []WorkflowState{WorkflowReady, WorkflowPerforming, WorkflowPaused}

// Terminal tells whether nothing can happen to the workflow anymore.
func (s WorkflowState) Terminal() bool { return s == WorkflowFinished || s == WorkflowCanceled }

// ExecutionState is the state of a step execution.
type ExecutionState string

// The step execution states; all but scheduled and executing are terminal.
const (
	ExecutionScheduled ExecutionState = "scheduled"
	ExecutionExecuting ExecutionState = "executing"
	ExecutionCompleted ExecutionState = "completed"
	ExecutionFailed    ExecutionState = "failed"
	ExecutionCanceled  ExecutionState = "canceled"
	ExecutionSkipped   ExecutionState = "skipped"
)

// ExecutionStates lists every step execution state.
var ExecutionStates = []ExecutionState{ExecutionScheduled, ExecutionExecuting, ExecutionCompleted, ExecutionFailed, ExecutionCanceled, ExecutionSkipped}

// Open tells whether the execution still has work to do. At most one execution of a workflow is open.
func (s ExecutionState) Open() bool { return s == ExecutionScheduled || s == ExecutionExecuting }

// Outcome is what became of a step execution; empty while it is open.
type Outcome string

// The outcomes.
const (
	OutcomeCompleted   Outcome = "completed"
	OutcomeSkipped     Outcome = "skipped"
	OutcomeReattempted Outcome = "reattempted"
	OutcomePaused      Outcome = "paused"
	OutcomeCanceled    Outcome = "canceled"
	OutcomeFinished    Outcome = "finished"
	OutcomeFailed      Outcome = "failed"
	OutcomeSuperseded  Outcome = "superseded"
)

// Outcomes lists every outcome.
var Outcomes = []Outcome{OutcomeCompleted, OutcomeSkipped, OutcomeReattempted, OutcomePaused, OutcomeCanceled, OutcomeFinished, OutcomeFailed, OutcomeSuperseded}

// WorkflowMove is one legal move of a workflow: the event, where it may start and where it leads.
type WorkflowMove struct {
	Event string
	From  []WorkflowState
	To    WorkflowState
	Note  string
}

// The events that move a workflow.
const (
	eventClaim     = "claim"
	eventSettle    = "settle"
	eventPause     = "pause"
	eventResume    = "resume"
	eventRejoin    = "rejoin"
	eventReattempt = "reattempt"
	eventCancel    = "cancel"
	eventFinish    = "finish"
)

// WorkflowMoves is the table of every legal move of a workflow (DESIGN section 3). The domain moves a
// workflow through it only, docs/states.md is generated from it.
var WorkflowMoves = []WorkflowMove{
	{eventClaim, []WorkflowState{WorkflowReady}, WorkflowPerforming, "a server claimed the scheduled step execution"},
	{eventSettle, []WorkflowState{WorkflowReady, WorkflowPerforming}, WorkflowReady, "the step execution has ended, was skipped or goes back, and one is scheduled"},
	{eventPause, []WorkflowState{WorkflowReady, WorkflowPerforming}, WorkflowPaused, "by the verb, by an answer, or after a failure"},
	{eventResume, []WorkflowState{WorkflowPaused}, WorkflowReady, "the verb, nothing in flight"},
	{eventRejoin, []WorkflowState{WorkflowPaused}, WorkflowPerforming, "the resume verb while the step execution is still in flight"},
	{eventReattempt, OpenWorkflowStates, WorkflowReady, "the verb"},
	{eventCancel, OpenWorkflowStates, WorkflowCanceled, "by the verb, by an answer, by cancel_if, or after a failure"},
	{eventFinish, OpenWorkflowStates, WorkflowFinished, "by the verb, by an answer, or after the last step"},
}

// ExecutionMove is one legal move of a step execution, with the outcome it leaves.
type ExecutionMove struct {
	Event   string
	From    []ExecutionState
	To      ExecutionState
	Outcome Outcome
	Note    string
}

// The events that move a step execution beside those that share a workflow event's name.
const (
	eventComplete      = "complete"
	eventSkip          = "skip"
	eventAwait         = "await"
	eventRetry         = "retry"
	eventHandBack      = "hand_back"
	eventInterrupt     = "interrupt"
	eventFail          = "fail"
	eventFailCancel    = "fail_then_cancel"
	eventFailSkip      = "fail_then_skip"
	eventFailReattempt = "fail_then_reattempt"
	eventSupersede     = "supersede"
)

var (
	openExecution = []ExecutionState{ExecutionScheduled, ExecutionExecuting}
	executingOnly = []ExecutionState{ExecutionExecuting}
)

// ExecutionMoves is the table of every legal move of a step execution (DESIGN section 3).
var ExecutionMoves = []ExecutionMove{
	{eventClaim, []ExecutionState{ExecutionScheduled}, ExecutionExecuting, "", "due, not held, and the workflow ready"},
	{eventAwait, executingOnly, ExecutionExecuting, "", "the receiver answered 202: no server's, until the callback or its deadline"},
	{eventComplete, openExecution, ExecutionCompleted, OutcomeCompleted, "the answer complete; from scheduled by a callback"},
	{eventSkip, openExecution, ExecutionSkipped, OutcomeSkipped, "the answer, callback or verb skip, skip_if true, or if false"},
	{eventReattempt, openExecution, ExecutionCompleted, OutcomeReattempted, "the answer reattempt; from scheduled by a callback"},
	{eventPause, openExecution, ExecutionCanceled, OutcomePaused, "the answer pause, or too many executions; from scheduled by a callback"},
	{eventCancel, openExecution, ExecutionCanceled, OutcomeCanceled, "the answer, callback or verb cancel, or cancel_if true"},
	{eventFinish, openExecution, ExecutionCompleted, OutcomeFinished, "the answer finish; from scheduled by a callback"},
	{eventRetry, executingOnly, ExecutionScheduled, "", "a failed attempt with attempts left, after the backoff"},
	{eventHandBack, executingOnly, ExecutionScheduled, "", "given back by its server, at shutdown or for fairness"},
	{eventInterrupt, executingOnly, ExecutionScheduled, "", "its server died or its deadline passed"},
	{eventFail, openExecution, ExecutionFailed, OutcomeFailed, "failed for good, on_exception: pause; or its step or endpoint is missing"},
	{eventFailCancel, openExecution, ExecutionFailed, OutcomeCanceled, "failed for good, on_exception: cancel; from scheduled by a callback"},
	{eventFailSkip, openExecution, ExecutionFailed, OutcomeSkipped, "failed for good, on_exception: skip; from scheduled by a callback"},
	{eventFailReattempt, openExecution, ExecutionFailed, OutcomeReattempted, "failed for good, on_exception: reattempt; from scheduled by a callback"},
	{eventSupersede, openExecution, ExecutionCanceled, OutcomeSuperseded, "the verbs finish, reattempt, or resume with a step"},
}

func workflowMove(event string, from WorkflowState) (WorkflowMove, error) {
	for _, m := range WorkflowMoves {
		if m.Event == event && slices.Contains(m.From, from) {
			return m, nil
		}
	}
	return WorkflowMove{}, &Error{Code: CodeInvalidTransition, State: string(from),
		Detail: "The workflow is " + string(from) + "; it cannot take the event " + event + "."}
}

func executionMove(event string, from ExecutionState) (ExecutionMove, error) {
	for _, m := range ExecutionMoves {
		if m.Event == event && slices.Contains(m.From, from) {
			return m, nil
		}
	}
	return ExecutionMove{}, &Error{Code: CodeInvalidTransition, State: string(from),
		Detail: "The step execution is " + string(from) + "; it cannot take the event " + event + "."}
}
