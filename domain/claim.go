package domain

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// DeadlineMargin is what a claim lasts beyond the timeout budget of its attempt, so that the local context
// always ends first (DESIGN section 4).
const DeadlineMargin = 10 * time.Second

// Why a claim or settle did not happen. None of them is a fault.
var (
	ErrNotClaimable = errors.New("the step execution is not claimable: taken, held, ended, or its workflow is")
	ErrFenced       = errors.New("the claim has been taken away; the answer is discarded")
	ErrSettled      = errors.New("this claim has been settled already")
)

// EarlyError says that a claim came before its execution was due by the database's clock.
type EarlyError struct{ Remaining time.Duration }

func (e *EarlyError) Error() string { return fmt.Sprintf("not due for another %s", e.Remaining) }

// ClaimParams identify a claim; all of it is made before the transaction.
type ClaimParams struct {
	Fence  Fence
	Server uuid.UUID
	Budget time.Duration // timeout of the attempt, hook and POST together
	Hurry  bool          // test mode: one that is not due yet is brought forward to now
}

// Claim moves a due execution to executing and its workflow to performing. It returns ErrNotClaimable or an
// *EarlyError when there is nothing to claim (DESIGN section 4).
func Claim(w Workflow, e Execution, p ClaimParams, now time.Time) (Change, error) {
	if !claimable(&w, &e) {
		return Change{}, ErrNotClaimable
	}
	if wait := e.ScheduledFor.Sub(now); wait > 0 {
		if !p.Hurry {
			return Change{}, &EarlyError{Remaining: wait}
		}
		e.ScheduledFor = now
	}
	if err := errors.Join(w.move(eventClaim, now), e.move(eventClaim, now)); err != nil {
		return Change{}, err
	}
	deadline := later(now, p.Budget+DeadlineMargin)
	e.Attempt++
	e.Fence, e.ClaimedBy, e.Deadline = p.Fence, p.Server, &deadline
	return Change{Workflow: w, Execution: &e}, nil
}

// claimable tells whether a server may take the execution once it is due.
func claimable(w *Workflow, e *Execution) bool {
	return w.State == WorkflowReady && e.State == ExecutionScheduled && !e.Held && e.ID == w.CurrentExecutionID
}

// ThenClaim lets the server that settled an execution go on in the same transaction: with the one that the
// settle scheduled, if that is due at once; in a hurry also with a retry. ok is false, and the change as it
// was, when there is nothing to go on with.
func (c Change) ThenClaim(p ClaimParams, now time.Time) (claimed Change, ok bool) {
	due, ok := c.Due()
	if !ok || c.Next == nil && !p.Hurry {
		return c, false
	}
	following, err := Claim(c.Workflow, *due, p, now)
	if err != nil {
		return c, false
	}
	c.Workflow = following.Workflow
	if c.Next != nil {
		c.Next = following.Execution
	} else {
		c.Execution = following.Execution
	}
	return c, true
}

// HandBack gives a claimed execution back untouched, claimable by any server at once.
func HandBack(w Workflow, e Execution, fence Fence, now time.Time) (Change, error) {
	if err := checkFence(e, fence); err != nil {
		return Change{}, err
	}
	return release(w, e, eventHandBack, e.ScheduledFor, now)
}

// release puts an executing execution back to scheduled, same id, due at due.
func release(w Workflow, e Execution, event string, due, now time.Time) (Change, error) {
	if err := errors.Join(w.becomeReady(now), e.move(event, now)); err != nil {
		return Change{}, err
	}
	e.Held = w.State == WorkflowPaused
	e.ScheduledFor = due
	return Change{Workflow: w, Execution: &e}, nil
}

// checkFence tells whether fence still owns the execution: nil, ErrSettled when this very claim has had its
// say (an outcome, or a 202), or ErrFenced when it was taken away.
func checkFence(e Execution, fence Fence) error {
	switch {
	case e.Fence != fence:
		return ErrFenced
	case e.State != ExecutionExecuting || e.AwaitsCallback():
		return ErrSettled
	}
	return nil
}
