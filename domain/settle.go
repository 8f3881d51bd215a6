package domain

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// minReattemptWait keeps a reattempt whose wait nobody named from spinning (DESIGN section 3).
const minReattemptWait = time.Second

// Result is how the run of one attempt ended: an answer (of the receiver, the hook or a condition), a failure,
// or the promise of a later answer, exactly one of them.
type Result struct {
	Answer  *Answer
	Failure *Failure
	Later   bool // 202, on a step with callback_timeout

	Instead bool // the answer is not the step's own: the hook or a condition decided in its place

	Status     int // HTTP status of the delivery, 0: none
	DurationMS int64
	Excerpt    string // first 2 KiB of the response, kept with failures
}

// Failure is a failed attempt.
type Failure struct {
	ExecutionError
	Retryable  bool
	RetryAfter time.Duration // what the receiver asked for, 0: nothing
}

// SettleParams carry what a settle needs beside the rows; all of it is made before the transaction.
type SettleParams struct {
	Fence  Fence
	NextID uuid.UUID
	Jitter float64 // [0,1), for the backoff
}

// Settle decides what the result of an attempt does to its workflow (the table of DESIGN section 3). It
// returns ErrFenced or ErrSettled when the claim under this fence is no longer there to be settled.
func Settle(def *Definition, w Workflow, e Execution, r Result, p SettleParams, now time.Time) (Change, error) {
	if err := checkFence(e, p.Fence); err != nil {
		return Change{}, err
	}
	s := settlement{def: def, p: p, now: now}
	switch {
	case r.Later:
		return s.await(w, e, r)
	case r.Answer != nil:
		return s.answered(w, e, r)
	}
	return s.failure(w, e, r)
}

// FailUnstarted ends an execution that cannot even be claimed, since its step or endpoint is not there; its
// workflow pauses and no attempt is spent.
func FailUnstarted(w Workflow, e Execution, cause ExecutionError, now time.Time) (Change, error) {
	if !claimable(&w, &e) {
		return Change{}, ErrNotClaimable
	}
	e.Error = &cause
	if err := errors.Join(e.move(eventFail, now), w.pause(PausedByFailure, cause.Message, now)); err != nil {
		return Change{}, err
	}
	return Change{Workflow: w, Execution: &e}, nil
}

// Interrupt takes an execution from a server that died or let its deadline pass. It goes back to scheduled;
// after MaxInterruptions it has failed for good. One that awaits a callback is no server's: past its deadline
// the attempt has failed as callback_timeout, before that it is left alone (ErrSettled). p.Fence is that of the
// claim that is taken away, and fence takes its place; why is what the attempt that was cut short says.
func Interrupt(def *Definition, w Workflow, e Execution, why string, p SettleParams, fence Fence, now time.Time) (Change, error) {
	if e.AwaitsCallback() && e.Fence == p.Fence {
		return settlement{def: def, p: p, now: now}.callbackTimeout(w, e, fence)
	}
	if err := checkFence(e, p.Fence); err != nil {
		return Change{}, err
	}
	attempt := e.cutShort(fence, ErrInterrupted, why, now)
	e.Interruptions++
	e.Error = &attempt.Error
	var c Change
	var err error
	if e.Interruptions < MaxInterruptions {
		c, err = release(w, e, eventInterrupt, e.ScheduledFor, now)
	} else {
		c, err = settlement{def: def, p: p, now: now}.forGood(w, e, attempt.Error)
	}
	c.Attempt = attempt
	return c, err
}

type settlement struct {
	def *Definition
	p   SettleParams
	now time.Time
}

// answered applies the answer of a result, fail included.
func (s settlement) answered(w Workflow, e Execution, r Result) (Change, error) {
	a := r.Answer
	if a.Reason != "" {
		e.Reason = a.Reason
	}
	data, tooLarge := mergeData(w.Data, a.Data)
	if tooLarge != nil {
		r.Failure = &Failure{ExecutionError: ExecutionError{Code: ErrDataTooLarge, Message: tooLarge.Detail, Status: r.Status}}
		return s.failure(w, e, r)
	}
	var c Change
	var err error
	if a.Action == ActionFail {
		r.Failure = a.failure(r.Status)
		c, err = s.failure(w, e, r)
	} else {
		w.Data = data
		e.Status, e.DurationMS = r.Status, r.DurationMS
		c, err = s.act(w, e, a)
	}
	if step, _, ok := s.def.Step(e.StepName); err == nil && ok && step.CallbackTimeout > 0 && !r.Instead {
		c.remember(a)
	}
	return c, err
}

// act does what an answer asks for, whose data is merged by then. The action fail is not for it: see failure.
func (s settlement) act(w Workflow, e Execution, a *Answer) (Change, error) {
	w.ExceptionsInRow = 0
	switch a.Action {
	case ActionComplete:
		return s.advance(w, e, eventComplete, a.Next)
	case ActionSkip:
		return s.advance(w, e, eventSkip, a.Next)
	case ActionReattempt:
		return s.again(w, e, eventReattempt, func(own time.Duration) time.Time {
			return dueAt(a.At, a.Wait, max(own, minReattemptWait), s.now)
		})
	case ActionPause:
		err := errors.Join(e.move(eventPause, s.now), w.pause(PausedByAnswer, a.Reason, s.now))
		return Change{Workflow: w, Execution: &e}, err
	case ActionCancel:
		err := errors.Join(e.move(eventCancel, s.now), w.move(eventCancel, s.now))
		return Change{Workflow: w, Execution: &e}, err
	case ActionFinish:
		err := errors.Join(e.move(eventFinish, s.now), w.move(eventFinish, s.now))
		return Change{Workflow: w, Execution: &e}, err
	}
	return Change{}, fmt.Errorf("settle: no rule for the action %q", a.Action)
}

// failure is a failed attempt: another one after the backoff, or failed for good.
func (s settlement) failure(w Workflow, e Execution, r Result) (Change, error) {
	f := r.Failure
	e.Failures++
	e.Error = &f.ExecutionError
	attempt := &Attempt{ExecutionID: e.ID, Attempt: e.Attempt, StartedAt: *e.StartedAt,
		DurationMS: r.DurationMS, Status: r.Status, Error: f.ExecutionError, Excerpt: r.Excerpt}

	step, _, known := s.def.Step(e.StepName)
	var c Change
	var err error
	if known && f.Retryable && e.Failures < step.Retry.MaxAttempts {
		c, err = release(w, e, eventRetry, later(s.now, step.Retry.Backoff(e.Failures, f.RetryAfter, s.p.Jitter)), s.now)
	} else {
		c, err = s.forGood(w, e, f.ExecutionError)
	}
	c.Attempt = attempt
	return c, err
}

// forGood applies on_exception.
func (s settlement) forGood(w Workflow, e Execution, cause ExecutionError) (Change, error) {
	e.Error = &cause
	policy := OnException{Action: OnExceptionPause}
	if step, _, ok := s.def.Step(e.StepName); ok && cause.Code != ErrStepMissing && cause.Code != ErrEndpointMissing {
		policy = step.OnException
	}
	action := policy.Action
	w.ExceptionsInRow++
	if action == OnExceptionReattempt && w.ExceptionsInRow > policy.MaxReattempts {
		action = policy.Then
	}
	switch action {
	case OnExceptionReattempt:
		return s.again(w, e, eventFailReattempt, func(own time.Duration) time.Time {
			return dueAt(nil, policy.Wait, max(own, minReattemptWait), s.now)
		})
	case OnExceptionSkip:
		w.ExceptionsInRow = 0
		return s.advance(w, e, eventFailSkip, nil)
	case OnExceptionCancel:
		err := errors.Join(e.move(eventFailCancel, s.now), w.move(eventCancel, s.now))
		return Change{Workflow: w, Execution: &e}, err
	default:
		err := errors.Join(e.move(eventFail, s.now), w.pause(PausedByFailure, cause.Message, s.now))
		return Change{Workflow: w, Execution: &e}, err
	}
}

// advance ends the execution and schedules the step after it; without one the workflow is finished.
func (s settlement) advance(w Workflow, e Execution, event string, next *NextOptions) (Change, error) {
	step, known := s.def.StepAfter(e.StepName)
	if !known {
		return s.forGood(w, e, s.def.StepMissing(e.StepName))
	}
	if step == nil {
		err := errors.Join(e.move(event, s.now), w.move(eventFinish, s.now))
		return Change{Workflow: w, Execution: &e}, err
	}
	target := *step
	due := later(s.now, step.Wait)
	if next != nil {
		due = dueAt(next.At, next.Wait, step.Wait, s.now)
		if next.Queue != "" {
			target.Queue = next.Queue
		}
		if next.Priority != nil {
			target.Priority = *next.Priority
		}
	}
	return s.succeed(w, e, event, &target, due)
}

// again ends the execution and schedules its step once more.
func (s settlement) again(w Workflow, e Execution, event string, due func(ownWait time.Duration) time.Time) (Change, error) {
	step, _, known := s.def.Step(e.StepName)
	if !known {
		return s.forGood(w, e, s.def.StepMissing(e.StepName))
	}
	return s.succeed(w, e, event, step, due(step.Wait))
}

func (s settlement) succeed(w Workflow, e Execution, event string, step *Step, due time.Time) (Change, error) {
	if e.Seq >= MaxExecutions {
		return s.tooMany(w, e)
	}
	if err := errors.Join(e.move(event, s.now), w.becomeReady(s.now)); err != nil {
		return Change{}, err
	}
	c := Change{Workflow: w, Execution: &e}
	c.schedule(s.p.NextID, step, &e, due, s.now)
	return c, nil
}

func (s settlement) tooMany(w Workflow, e Execution) (Change, error) {
	e.Error = &ExecutionError{Code: ErrTooManyExecutions, Message: tooManyExecutions}
	err := errors.Join(e.move(eventPause, s.now), w.pause(PausedByFailure, e.Error.Message, s.now))
	return Change{Workflow: w, Execution: &e}, err
}
