package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// CallbackParams carry what a callback needs beside the rows; all of it is made before the transaction.
type CallbackParams struct {
	NextID uuid.UUID
	Fence  Fence   // replaces the claim's, so that a delivery still in flight changes nothing
	Jitter float64 // [0,1), for the backoff
}

// Callback applies an answer that came over the API, whatever the attempt it was meant for, while the
// execution is scheduled or executing: the first valid answer wins (DESIGN section 5). The answer that has
// won is Unchanged when it comes again. Errors: already_completed for another one, execution_superseded if
// something else than an answer ended the execution, callback_expired from the deadline until the step is
// attempted again, data_too_large.
func Callback(def *Definition, w Workflow, e Execution, a *Answer, p CallbackParams, now time.Time) (Change, error) {
	if !e.State.Open() {
		return repeated(w, e, a, now)
	}
	if e.callbackExpired(now) {
		return Change{}, callbackExpired()
	}
	data, tooLarge := mergeData(w.Data, a.Data)
	if tooLarge != nil {
		return Change{}, tooLarge
	}
	w.Data, w.UpdatedAt = data, now
	e.Fence = p.Fence
	if a.Reason != "" {
		e.Reason = a.Reason
	}
	s := settlement{def: def, p: SettleParams{NextID: p.NextID, Jitter: p.Jitter}, now: now}
	c, err := s.callback(w, e, a)
	if err == nil {
		c.remember(a)
	}
	return c, err
}

func (s settlement) callback(w Workflow, e Execution, a *Answer) (Change, error) {
	executing := e.State == ExecutionExecuting
	if executing {
		e.DurationMS = s.lasted(&e)
	}
	if a.Action != ActionFail {
		return s.act(w, e, a)
	}
	f := a.failure(e.Status)
	if executing {
		return s.failure(w, e, Result{Failure: f, Status: e.Status, DurationMS: e.DurationMS})
	}
	// The attempt it speaks of has been recorded and counted; what is open is only whether there is another.
	e.Error = &f.ExecutionError
	if f.Retryable {
		return Change{Workflow: w, Execution: &e}, nil
	}
	return s.forGood(w, e, f.ExecutionError)
}

// await leaves the execution executing without a server until its callback comes, at most callback_timeout.
func (s settlement) await(w Workflow, e Execution, r Result) (Change, error) {
	step, _, ok := s.def.Step(e.StepName)
	if !ok || step.CallbackTimeout <= 0 {
		return Change{}, fmt.Errorf("settle: the step %q has no callback_timeout", e.StepName)
	}
	if err := e.move(eventAwait, s.now); err != nil {
		return Change{}, err
	}
	deadline := later(s.now, step.CallbackTimeout)
	e.ClaimedBy, e.Deadline = uuid.Nil, &deadline
	e.Status, e.DurationMS = r.Status, r.DurationMS
	w.UpdatedAt = s.now
	return Change{Workflow: w, Execution: &e}, nil
}

// callbackTimeout fails the attempt whose callback did not come in time.
func (s settlement) callbackTimeout(w Workflow, e Execution, fence Fence) (Change, error) {
	if e.Deadline.After(s.now) {
		return Change{}, ErrSettled
	}
	r := Result{Status: e.Status, DurationMS: s.lasted(&e), Failure: &Failure{Retryable: true, ExecutionError: ExecutionError{
		Code: ErrCallbackTimeout, Status: e.Status,
		Message: "The receiver promised an answer for later (202), and none came within the callback_timeout."}}}
	e.Fence, e.Status, e.DurationMS = fence, 0, 0
	return s.failure(w, e, r)
}

// lasted is how long the current attempt has taken, in milliseconds.
func (s settlement) lasted(e *Execution) int64 { return s.now.Sub(*e.StartedAt).Milliseconds() }

// callbackExpired tells whether the time for a callback is over: its deadline has passed, and the step has
// not been attempted again.
func (e *Execution) callbackExpired(now time.Time) bool {
	if e.State == ExecutionExecuting {
		return e.AwaitsCallback() && !e.Deadline.After(now)
	}
	timedOut := e.Error != nil && e.Error.Code == ErrCallbackTimeout
	return timedOut && (e.State == ExecutionScheduled || e.State == ExecutionFailed)
}

// repeated is the verdict on an answer to an execution that has ended.
func repeated(w Workflow, e Execution, a *Answer, now time.Time) (Change, error) {
	switch {
	case e.AnswerHash == a.hash():
		return Change{Workflow: w, Execution: &e, Unchanged: true}, nil
	case e.AnswerHash != "":
		return Change{}, Errorf(CodeAlreadyCompleted, "The step execution %s has had another answer; it is %s.", e.ID, e.Outcome)
	case e.callbackExpired(now):
		return Change{}, callbackExpired()
	}
	return Change{}, Errorf(CodeExecutionSuperseded, "The step execution %s is %s without an answer of the receiver; this one was not used.", e.ID, e.Outcome)
}

func callbackExpired() error {
	return Errorf(CodeCallbackExpired, "The callback deadline has passed and the attempt has failed as callback_timeout. "+
		"If attempts are left, the step is delivered again under the same webhook-id: answer that.")
}

// remember notes the answer that ended the execution.
func (c *Change) remember(a *Answer) {
	if e := c.Execution; e != nil && !e.State.Open() {
		e.AnswerHash = a.hash()
	}
}

// hash tells answers apart by what they say, however they are written. Empty data and an empty next say nothing.
func (a *Answer) hash() string {
	said := *a
	if tree, err := strictjson.ExactValue(a.Data); err == nil {
		said.Data, _ = canonicalJSON(tree) // what was read can be written
	}
	if string(said.Data) == "{}" {
		said.Data = nil
	}
	if said.Next != nil && *said.Next == (NextOptions{}) {
		said.Next = nil
	}
	text, _ := json.Marshal(said)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
