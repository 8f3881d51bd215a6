package domain

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// reporter is what *testing.T and *rapid.T have in common here.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

const (
	claimFence Fence = "fence of the claim"
	newFence   Fence = "fence of whoever takes the claim away"
)

var (
	workflowID = uuid.UUID{15: 1}
	currentID  = uuid.UUID{15: 2}
	nextID     = uuid.UUID{15: 3}
	serverID   = uuid.UUID{15: 4}
)

func ptr[T any](v T) *T { return &v }

// abc is a definition with three steps; a test changes what it is about in a copy of its own.
func abc() *Definition {
	pause := OnException{Action: OnExceptionPause}
	retry := Retry{MaxAttempts: 3, Initial: 10 * time.Second, Multiplier: 2, Max: time.Minute}
	return &Definition{Type: "Letters", Version: 7, Steps: []Step{
		{Name: "a", Queue: "default", Priority: 5, OnException: pause, Retry: retry},
		{Name: "b", Queue: "default", Priority: 5, OnException: pause, Retry: retry, Wait: time.Hour},
		{Name: "c", Queue: "low", Priority: 7, OnException: pause, Retry: retry, Wait: 10 * time.Minute},
	}}
}

// row is a workflow with its newest execution, as persistence gives it.
type row struct {
	w Workflow
	e *Execution
}

// situations are the combinations of workflow and execution state that there are, with b as the current step
// and two exceptions in a row behind it. "last …" stands at c, after which nothing comes.
var situations = []string{"scheduled", "later", "executing", "held", "held overdue", "paused executing",
	"failed", "pause answer", "finished", "canceled", "empty"}

// waitingSituations are those of a step that answered 202, and of one that failed to call back.
var waitingSituations = []string{"waiting", "paused waiting", "waiting overdue", "called back late"}

var lastSituations = []string{"last scheduled", "last executing", "last held", "last paused executing", "last failed", "last pause answer"}

func situation(name string) row {
	w := Workflow{ID: workflowID, Type: "Letters", DefinitionVersion: 7, SubjectType: "User", SubjectID: "42",
		State: WorkflowReady, CurrentStepName: "b", CurrentExecutionID: currentID, Data: json.RawMessage(`{"kept":1}`),
		ExceptionsInRow: 2, LockVersion: 9, CreatedAt: t0.Add(-2 * time.Hour), UpdatedAt: t0.Add(-time.Hour)}
	e := Execution{ID: currentID, WorkflowID: workflowID, Seq: 2, StepName: "b", State: ExecutionScheduled,
		ScheduledFor: t0, Queue: "default", Priority: 5, CreatedAt: t0.Add(-time.Hour)}
	short, last := strings.CutPrefix(name, "last ")
	if last {
		w.CurrentStepName, e.StepName, e.Queue, e.Priority = "c", "c", "low", 7
	}
	paused := func(by PausedBy, reason string) {
		w.State, w.Pause = WorkflowPaused, &Pause{By: by, Reason: reason, At: t0.Add(-time.Minute)}
	}
	claimed := func() {
		w.State, w.StartedAt = WorkflowPerforming, ptr(t0.Add(-time.Hour))
		e.State, e.Attempt, e.Fence, e.ClaimedBy = ExecutionExecuting, 1, claimFence, serverID
		e.StartedAt, e.Deadline = ptr(t0.Add(-2*time.Second)), ptr(t0.Add(38*time.Second))
	}
	ended := func(event string) {
		claimed()
		if err := e.move(event, t0.Add(-time.Second)); err != nil {
			panic(err)
		}
	}
	terminal := func(state WorkflowState, at **time.Time) {
		w.State, w.CurrentStepName = state, ""
		*at = ptr(t0.Add(-time.Second))
	}
	switch short {
	case "scheduled":
	case "later":
		e.ScheduledFor = t0.Add(30 * time.Minute)
	case "executing":
		claimed()
	case "held", "held overdue":
		paused(PausedByAPI, "maintenance")
		e.Held, e.ScheduledFor = true, t0.Add(30*time.Minute)
		if short == "held overdue" {
			e.ScheduledFor = t0.Add(-10 * time.Minute)
		}
	case "paused executing":
		claimed()
		paused(PausedByAPI, "maintenance")
	case "waiting", "paused waiting", "waiting overdue":
		claimed()
		e.ClaimedBy, e.Status, e.DurationMS, e.Deadline = uuid.Nil, 202, 31, ptr(t0.Add(time.Hour))
		if short == "paused waiting" {
			paused(PausedByAPI, "maintenance")
		}
		if short == "waiting overdue" {
			e.Deadline = ptr(t0.Add(-time.Microsecond))
		}
	case "called back late":
		e.Attempt, e.Failures, e.Fence, e.StartedAt = 1, 1, claimFence, ptr(t0.Add(-time.Hour))
		e.Error = &ExecutionError{Code: ErrCallbackTimeout, Message: "m", Status: 202}
	case "failed":
		ended(eventFail)
		e.Error = &ExecutionError{Code: ErrHTTPStatus, Message: "The receiver answered 410 (Gone).", Status: 410}
		paused(PausedByFailure, e.Error.Message)
	case "pause answer":
		ended(eventPause)
		paused(PausedByAnswer, "wait for Anna")
	case "finished":
		ended(eventComplete)
		terminal(WorkflowFinished, &w.FinishedAt)
	case "canceled":
		ended(eventCancel)
		terminal(WorkflowCanceled, &w.CanceledAt)
	case "empty":
		terminal(WorkflowFinished, &w.FinishedAt)
		w.CurrentExecutionID, w.StartedAt = uuid.Nil, nil
		return row{w, nil}
	default:
		panic("no situation " + name)
	}
	return row{w, &e}
}

// decide runs a rule on a copy of the row, and checks that it left the row alone and what must hold for
// every change.
func (r row) decide(t reporter, now time.Time, rule func(w Workflow, e *Execution) (Change, error)) (Change, error) {
	t.Helper()
	w, e := r.w, (*Execution)(nil)
	if r.e != nil {
		e = ptr(*r.e)
	}
	before := fmt.Sprintf("%+v %+v %s", w, e, w.Data)
	c, err := rule(w, e)
	if after := fmt.Sprintf("%+v %+v %s", w, e, w.Data); after != before {
		t.Errorf("the rule wrote to its arguments:\n%s\n%s", before, after)
	}
	if err != nil {
		if c.Workflow.ID != uuid.Nil || c.Execution != nil || c.Next != nil {
			t.Errorf("an error came with a change: %v", err)
		}
		var problem *Error
		if errors.As(err, &problem) && problem.Detail == "" && len(problem.Problems) == 0 {
			t.Errorf("%s says nothing to the client", problem.Code)
		}
		return c, err
	}
	for _, fault := range r.faults(c, now) {
		t.Errorf("%s, in %s", fault, show(c, nil, now))
	}
	return c, nil
}

// faults lists the invariants of DESIGN section 3 that a change breaks.
func (r row) faults(c Change, now time.Time) (found []string) {
	must := func(ok bool, format string, args ...any) {
		if !ok {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	w := c.Workflow
	if c.Unchanged {
		must(reflect.DeepEqual(w, r.w) && reflect.DeepEqual(c.Execution, r.e) && c.Next == nil && c.Attempt == nil, "Unchanged, but something changed")
		return found
	}
	must(w.State == r.w.State || slices.ContainsFunc(WorkflowMoves, func(m WorkflowMove) bool {
		return slices.Contains(m.From, r.w.State) && m.To == w.State
	}), "no move leads a workflow from %s to %s", r.w.State, w.State)
	kept := w
	kept.State, kept.CurrentStepName, kept.CurrentExecutionID = r.w.State, r.w.CurrentStepName, r.w.CurrentExecutionID
	kept.Data, kept.ExceptionsInRow, kept.Pause, kept.UpdatedAt = r.w.Data, r.w.ExceptionsInRow, r.w.Pause, r.w.UpdatedAt
	kept.StartedAt, kept.FinishedAt, kept.CanceledAt = r.w.StartedAt, r.w.FinishedAt, r.w.CanceledAt
	must(reflect.DeepEqual(kept, r.w), "a field of the workflow changed that no rule changes")
	must(w.UpdatedAt.Equal(now), "updated_at is not now")
	must((w.Pause != nil) == (w.State == WorkflowPaused), "pause is %v in a workflow %s", w.Pause, w.State)
	must(w.Pause == nil || w.Pause.At.Equal(now) || r.w.Pause != nil && w.Pause.At.Equal(r.w.Pause.At), "paused at neither now nor before: %+v", w.Pause)
	must((w.FinishedAt != nil) == (w.State == WorkflowFinished), "finished_at does not fit the state %s", w.State)
	must((w.CanceledAt != nil) == (w.State == WorkflowCanceled), "canceled_at does not fit the state %s", w.State)
	must((w.CurrentStepName == "") == w.State.Terminal(), "current_step_name is %q in a workflow %s", w.CurrentStepName, w.State)
	must(r.w.StartedAt == nil || reflect.DeepEqual(w.StartedAt, r.w.StartedAt), "started_at is not the first claim's")

	must(c.Execution == nil || r.e == nil || c.Execution.ID == r.e.ID, "the change is about another execution")
	newest, open := r.e, 0
	if e := c.Execution; e != nil {
		newest = e
		found = append(found, r.executionFaults(e, w)...)
		if e.State.Open() {
			open++
		}
	}
	if n := c.Next; n != nil {
		seq := 1
		if newest != nil {
			seq = newest.Seq + 1
		}
		newest = n
		found = append(found, row{}.executionFaults(n, w)...)
		must(n.Seq == seq && n.WorkflowID == w.ID && n.CreatedAt.Equal(now), "the next execution has seq %d, workflow %s, created_at %s", n.Seq, n.WorkflowID, n.CreatedAt)
		must(n.ID != uuid.Nil && (c.Execution == nil || n.ID != c.Execution.ID), "the next execution has the id %s", n.ID)
		must(n.State.Open() && n.Failures == 0 && n.Interruptions == 0, "the next execution starts with a past")
		must(!n.ScheduledFor.Before(now), "the next execution is due in the past")
		must(n.ScheduledFor.Location() == time.UTC && n.ScheduledFor.Nanosecond()%1000 == 0, "due %s is not in UTC microseconds", n.ScheduledFor)
		open++
	}
	must(open <= 1, "%d executions are open", open)
	if newest == nil {
		must(w.CurrentExecutionID == uuid.Nil && w.State == WorkflowFinished, "no execution, yet %s", w.State)
		return found
	}
	must(w.CurrentExecutionID == newest.ID, "current_execution is not the newest one")
	must(w.State.Terminal() || w.CurrentStepName == newest.StepName, "current_step_name is not the newest execution's")
	wanted := map[WorkflowState][]ExecutionState{
		WorkflowReady: {ExecutionScheduled}, WorkflowPerforming: {ExecutionExecuting},
		WorkflowPaused:   {ExecutionScheduled, ExecutionExecuting, ExecutionFailed, ExecutionCanceled},
		WorkflowFinished: {ExecutionCompleted, ExecutionFailed, ExecutionCanceled, ExecutionSkipped},
		WorkflowCanceled: {ExecutionFailed, ExecutionCanceled},
	}
	must(slices.Contains(wanted[w.State], newest.State), "a workflow %s with an execution %s", w.State, newest.State)
	return found
}

func (r row) executionFaults(e *Execution, w Workflow) (found []string) {
	must := func(ok bool, format string, args ...any) {
		if !ok {
			found = append(found, fmt.Sprintf("execution: "+format, args...))
		}
	}
	if b := r.e; b != nil {
		must(e.State == b.State && e.Outcome == b.Outcome || slices.ContainsFunc(ExecutionMoves, func(m ExecutionMove) bool {
			return slices.Contains(m.From, b.State) && m.To == e.State && m.Outcome == e.Outcome
		}), "no move leads from %s to %s/%s", b.State, e.State, e.Outcome)
		must(b.State.Open() || e.State == b.State, "it was over and is %s", e.State)
		must(e.Seq == b.Seq && e.WorkflowID == b.WorkflowID && e.StepName == b.StepName && e.CreatedAt.Equal(b.CreatedAt) &&
			e.Queue == b.Queue && e.Priority == b.Priority, "its identity changed")
		must(e.Attempt == b.Attempt || b.State == ExecutionScheduled && e.State == ExecutionExecuting && e.Attempt == b.Attempt+1, "attempt went from %d to %d", b.Attempt, e.Attempt)
		must(e.Failures >= b.Failures && e.Failures <= b.Failures+1 && e.Failures <= e.Attempt, "failures went from %d to %d", b.Failures, e.Failures)
		must(e.Interruptions >= b.Interruptions && e.Interruptions <= b.Interruptions+1, "interruptions went from %d to %d", b.Interruptions, e.Interruptions)
	}
	must(e.Held == (e.State == ExecutionScheduled && w.State == WorkflowPaused), "held is %t, state %s, workflow %s", e.Held, e.State, w.State)
	must((e.Outcome == "") == e.State.Open(), "outcome %q of an execution %s", e.Outcome, e.State)
	executing := e.State == ExecutionExecuting
	must((e.Deadline != nil) == executing && (e.ClaimedBy == uuid.Nil || executing), "deadline %v, claimed_by %s of an execution %s", e.Deadline, e.ClaimedBy, e.State)
	must(!executing || e.StartedAt != nil && e.Fence != "" && e.Attempt > 0, "executing without a claim")
	for state, at := range map[ExecutionState]*time.Time{ExecutionCompleted: e.CompletedAt, ExecutionFailed: e.FailedAt,
		ExecutionCanceled: e.CanceledAt, ExecutionSkipped: e.SkippedAt} {
		must((at != nil) == (e.State == state), "%s_at is %v in state %s", state, at, e.State)
	}
	return found
}

// show writes a decision in one line, for tables.
func show(c Change, err error, now time.Time) string {
	var problem *Error
	var early *EarlyError
	switch {
	case errors.As(err, &problem):
		return strings.TrimSpace(string(problem.Code) + " " + problem.State + problem.ExecutionID)
	case errors.As(err, &early):
		return "early by " + early.Remaining.String()
	case err != nil:
		return map[error]string{ErrNotClaimable: "not claimable", ErrFenced: "fenced", ErrSettled: "settled"}[err]
	case c.Unchanged:
		return "unchanged"
	}
	var b strings.Builder
	b.WriteString(string(c.Workflow.State))
	if c.Workflow.CurrentStepName != "" {
		b.WriteString(" at " + c.Workflow.CurrentStepName)
	}
	if p := c.Workflow.Pause; p != nil {
		fmt.Fprintf(&b, " by %s (%s)", p.By, p.Reason)
	}
	if n := c.Workflow.ExceptionsInRow; n > 0 {
		fmt.Fprintf(&b, " exceptions=%d", n)
	}
	for _, e := range []*Execution{c.Execution, c.Next} {
		if e == nil {
			continue
		}
		fmt.Fprintf(&b, "; %s#%d %s", e.StepName, e.Seq, e.State)
		if e.Outcome != "" {
			b.WriteString("/" + string(e.Outcome))
		}
		if e.State == ExecutionScheduled {
			fmt.Fprintf(&b, " +%s", e.ScheduledFor.Sub(now))
		}
		if e.Held {
			b.WriteString(" held")
		}
	}
	return b.String()
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}
