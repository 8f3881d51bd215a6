package domain

import (
	"strings"
	"testing"
	"time"
)

// TestSettleFailures is the lower half of the first table of DESIGN section 3: each class of failure, with
// each policy, at each count. The step b allows three attempts, 10 s and 20 s apart at most.
func TestSettleFailures(t *testing.T) {
	const (
		retry, final = true, false
		died         = "(The receiver answered 500.)"
	)
	reattempt := OnException{Action: OnExceptionReattempt, MaxReattempts: 3, Then: OnExceptionCancel}
	with := func(p OnException, change func(*OnException)) OnException { change(&p); return p }
	tests := []struct {
		name      string
		policy    OnException
		retryable bool
		failures  int // before
		inRow     int // before
		when      string
		want      string
	}{
		{"first of three", OnException{Action: OnExceptionPause}, retry, 0, 0, "executing", "ready at b; b#2 scheduled +5s"},
		{"second of three", OnException{Action: OnExceptionPause}, retry, 1, 0, "executing", "ready at b; b#2 scheduled +10s"},
		{"third of three", OnException{Action: OnExceptionPause}, retry, 2, 0, "executing", "paused at b by failure " + died + " exceptions=1; b#2 failed/failed"},
		{"not retryable", OnException{Action: OnExceptionPause}, final, 0, 0, "executing", "paused at b by failure " + died + " exceptions=1; b#2 failed/failed"},
		{"paused meanwhile, retried", OnException{Action: OnExceptionPause}, retry, 0, 0, "paused executing", "paused at b by api (maintenance); b#2 scheduled +5s held"},
		{"paused meanwhile, for good", OnException{Action: OnExceptionPause}, final, 0, 0, "paused executing", "paused at b by api (maintenance) exceptions=1; b#2 failed/failed"},
		{"a retry keeps the exceptions", reattempt, retry, 0, 2, "executing", "ready at b exceptions=2; b#2 scheduled +5s"},
		{"cancel", OnException{Action: OnExceptionCancel}, final, 0, 0, "executing", "canceled exceptions=1; b#2 failed/canceled"},
		{"cancel, paused meanwhile", OnException{Action: OnExceptionCancel}, final, 0, 0, "paused executing", "canceled exceptions=1; b#2 failed/canceled"},
		{"cancel, retries left", OnException{Action: OnExceptionCancel}, retry, 0, 0, "executing", "ready at b; b#2 scheduled +5s"},
		{"skip", OnException{Action: OnExceptionSkip}, final, 0, 2, "executing", "ready at c; b#2 failed/skipped; c#3 scheduled +10m0s"},
		{"skip, paused meanwhile", OnException{Action: OnExceptionSkip}, final, 0, 0, "paused executing", "paused at c by api (maintenance); b#2 failed/skipped; c#3 scheduled +10m0s held"},
		{"skip the last", OnException{Action: OnExceptionSkip}, final, 0, 0, "last executing", "finished; c#2 failed/skipped"},
		{"reattempt, first", reattempt, final, 0, 0, "executing", "ready at b exceptions=1; b#2 failed/reattempted; b#3 scheduled +1h0m0s"},
		{"reattempt, last", reattempt, final, 0, 2, "executing", "ready at b exceptions=3; b#2 failed/reattempted; b#3 scheduled +1h0m0s"},
		{"reattempt, then cancel", reattempt, final, 0, 3, "executing", "canceled exceptions=4; b#2 failed/canceled"},
		{"reattempt, then skip", with(reattempt, func(p *OnException) { p.Then = OnExceptionSkip }), final, 0, 3, "executing", "ready at c; b#2 failed/skipped; c#3 scheduled +10m0s"},
		{"reattempt, then pause", with(reattempt, func(p *OnException) { p.Then = OnExceptionPause }), final, 0, 3, "executing", "paused at b by failure " + died + " exceptions=4; b#2 failed/failed"},
		{"reattempt, then nothing said", with(reattempt, func(p *OnException) { p.Then = "" }), final, 0, 3, "executing", "paused at b by failure " + died + " exceptions=4; b#2 failed/failed"},
		{"reattempt after a given wait", with(reattempt, func(p *OnException) { p.Wait = ptr(time.Minute) }), final, 0, 0, "executing", "ready at b exceptions=1; b#2 failed/reattempted; b#3 scheduled +1m0s"},
		{"reattempt, paused meanwhile", reattempt, final, 0, 0, "paused executing", "paused at b by api (maintenance) exceptions=1; b#2 failed/reattempted; b#3 scheduled +1h0m0s held"},
		{"reattempt, out of attempts", reattempt, retry, 2, 0, "executing", "ready at b exceptions=1; b#2 failed/reattempted; b#3 scheduled +1h0m0s"},
	}
	for _, tt := range tests {
		def, r := abc(), situation(tt.when)
		for i := range def.Steps {
			def.Steps[i].OnException = tt.policy
		}
		r.e.Failures, r.e.Attempt, r.w.ExceptionsInRow = tt.failures, 4, tt.inRow
		cause := ExecutionError{Code: ErrHTTPStatus, Message: "The receiver answered 500.", Status: 500}
		c, err := settleWith(t, def, r, Result{Status: 500, DurationMS: 31, Excerpt: "oops", Failure: &Failure{ExecutionError: cause, Retryable: tt.retryable}})
		expect(t, tt.name, show(c, err, t0), tt.want)
		if c.Execution.Failures != tt.failures+1 || *c.Execution.Error != cause || c.Execution.Status != 0 {
			t.Errorf("%s: failures %d, error %v, status %d", tt.name, c.Execution.Failures, c.Execution.Error, c.Execution.Status)
		}
		wanted := Attempt{ExecutionID: currentID, Attempt: 4, StartedAt: t0.Add(-2 * time.Second), DurationMS: 31, Status: 500, Error: cause, Excerpt: "oops"}
		if c.Attempt == nil || *c.Attempt != wanted {
			t.Errorf("%s: attempt %+v", tt.name, c.Attempt)
		}
	}
}

func TestSettleReattemptPolicyHasAtLeastASecond(t *testing.T) {
	def := abc()
	def.Steps[1].Wait = 0
	def.Steps[1].OnException = OnException{Action: OnExceptionReattempt, MaxReattempts: 3}
	c, err := settleWith(t, def, situation("executing"), Result{Failure: &Failure{ExecutionError: ExecutionError{Code: ErrTimeout}}})
	expect(t, "no wait", show(c, err, t0), "ready at b exceptions=3; b#2 failed/reattempted; b#3 scheduled +1s")
}

// A missing step or endpoint pauses whatever the policy says.
func TestSettleMissingPausesAlways(t *testing.T) {
	for _, code := range []ErrorCode{ErrStepMissing, ErrEndpointMissing} {
		for _, action := range []ExceptionAction{OnExceptionCancel, OnExceptionSkip, OnExceptionReattempt} {
			def := abc()
			def.Steps[1].OnException = OnException{Action: action, MaxReattempts: 25}
			c, err := settleWith(t, def, situation("executing"), Result{Failure: &Failure{ExecutionError: ExecutionError{Code: code, Message: "m"}}})
			expect(t, string(code)+" with "+string(action), show(c, err, t0), "paused at b by failure (m) exceptions=3; b#2 failed/failed")
		}
	}
}

func TestSettleFailAnswer(t *testing.T) {
	tests := []struct {
		answer  Answer
		want    string
		message string
	}{
		{Answer{Action: ActionFail}, "paused at b by failure (The receiver answered that the step has failed.) exceptions=3; b#2 failed/failed", "The receiver answered that the step has failed."},
		{Answer{Action: ActionFail, Reason: "r"}, "paused at b by failure (r) exceptions=3; b#2 failed/failed", "r"},
		{Answer{Action: ActionFail, Message: "m", Backtrace: "main.go:1", Reason: "r"}, "paused at b by failure (m) exceptions=3; b#2 failed/failed", "m"},
		{Answer{Action: ActionFail, Message: "m", Retryable: true}, "ready at b exceptions=2; b#2 scheduled +5s", "m"},
	}
	for _, tt := range tests {
		answer := tt.answer
		c, err := settleWith(t, abc(), situation("executing"), Result{Answer: &answer, Status: 200})
		expect(t, "fail", show(c, err, t0), tt.want)
		wanted := ExecutionError{Code: ErrReceiverFailed, Message: tt.message, Backtrace: answer.Backtrace, Status: 200}
		if *c.Execution.Error != wanted || c.Attempt.Error != wanted || c.Execution.Reason != answer.Reason {
			t.Errorf("error %+v, reason %q", c.Execution.Error, c.Execution.Reason)
		}
	}
}

func TestSettleHonoursRetryAfter(t *testing.T) {
	c, err := settleWith(t, abc(), situation("executing"), Result{Failure: &Failure{Retryable: true, RetryAfter: 3 * time.Hour}})
	expect(t, "Retry-After", show(c, err, t0), "ready at b exceptions=2; b#2 scheduled +3h0m0s")
}

// TestRetriesAreSpread: each way to a retry draws its wait by the jitter it was given, so that what failed together is not
// tried again together.
func TestRetriesAreSpread(t *testing.T) {
	const middle = "ready at b exceptions=2; b#2 scheduled +7.5s"
	settle := SettleParams{Fence: claimFence, NextID: nextID, Jitter: 0.5}
	r := situation("executing")
	c, err := Settle(abc(), r.w, *r.e, Result{Failure: &Failure{Retryable: true}}, settle, t0)
	expect(t, "a failure", show(c, err, t0), middle)
	r = situation("waiting overdue")
	c, err = Interrupt(withCallbacks(), r.w, *r.e, "", settle, newFence, t0)
	expect(t, "a callback that did not come", show(c, err, t0), middle)
	r = situation("waiting")
	c, err = Callback(withCallbacks(), r.w, *r.e, &Answer{Action: ActionFail, Retryable: true},
		CallbackParams{NextID: nextID, Fence: newFence, Jitter: 0.5}, t0)
	expect(t, "a callback that failed", show(c, err, t0), middle)
}

// TestInterrupt: a dead server or a passed deadline puts the execution back, until the fifth time.
func TestInterrupt(t *testing.T) {
	tests := []struct {
		before int
		policy ExceptionAction
		when   string
		want   string
	}{
		{0, "pause", "executing", "ready at b exceptions=2; b#2 scheduled +0s"},
		{3, "cancel", "executing", "ready at b exceptions=2; b#2 scheduled +0s"},
		{3, "pause", "paused executing", "paused at b by api (maintenance) exceptions=2; b#2 scheduled +0s held"},
		{4, "pause", "executing", "paused at b by failure (It died.) exceptions=3; b#2 failed/failed"},
		{4, "pause", "paused executing", "paused at b by api (maintenance) exceptions=3; b#2 failed/failed"},
		{4, "cancel", "executing", "canceled exceptions=3; b#2 failed/canceled"},
		{4, "skip", "executing", "ready at c; b#2 failed/skipped; c#3 scheduled +10m0s"},
		{4, "reattempt", "executing", "ready at b exceptions=3; b#2 failed/reattempted; b#3 scheduled +1h0m0s"},
	}
	for _, tt := range tests {
		def, r := abc(), situation(tt.when)
		def.Steps[1].OnException = OnException{Action: tt.policy, MaxReattempts: 25}
		r.e.Interruptions = tt.before
		c, err := r.decide(t, t0, func(w Workflow, e *Execution) (Change, error) {
			return Interrupt(def, w, *e, "It died.", SettleParams{Fence: claimFence, NextID: nextID}, newFence, t0)
		})
		expect(t, "interrupt when "+tt.when, show(c, err, t0), tt.want)
		if c.Execution.Interruptions != tt.before+1 || c.Execution.Failures != 0 || c.Execution.Fence != newFence {
			t.Errorf("interruptions %d, failures %d, fence %q", c.Execution.Interruptions, c.Execution.Failures, c.Execution.Fence)
		}
		wanted := Attempt{ExecutionID: currentID, Attempt: 1, StartedAt: t0.Add(-2 * time.Second), DurationMS: 2000,
			Error: ExecutionError{Code: ErrInterrupted, Message: "It died."}}
		if c.Attempt == nil || *c.Attempt != wanted || *c.Execution.Error != wanted.Error {
			t.Errorf("attempt %+v, error %v", c.Attempt, c.Execution.Error)
		}
	}
	for _, when := range situations {
		if strings.HasSuffix(when, "executing") || when == "empty" {
			continue
		}
		r := situation(when)
		_, err := r.decide(t, t0, func(w Workflow, e *Execution) (Change, error) {
			return Interrupt(abc(), w, *e, "", SettleParams{Fence: e.Fence, NextID: nextID}, newFence, t0)
		})
		expect(t, "interrupt when "+when, show(Change{}, err, t0), "settled")
	}
	r := situation("executing")
	_, err := Interrupt(abc(), r.w, *r.e, "", SettleParams{Fence: "another claim", NextID: nextID}, newFence, t0)
	expect(t, "interrupt of another claim", show(Change{}, err, t0), "fenced")
}

func TestFailUnstarted(t *testing.T) {
	cause := ExecutionError{Code: ErrEndpointMissing, Message: "There is no endpoint app."}
	for _, when := range situations {
		want := "not claimable"
		if when == "scheduled" || when == "later" {
			want = "paused at b by failure (There is no endpoint app.) exceptions=2; b#2 failed/failed"
		}
		if when == "empty" {
			continue
		}
		c, err := situation(when).decide(t, t0, func(w Workflow, e *Execution) (Change, error) { return FailUnstarted(w, *e, cause, t0) })
		expect(t, "FailUnstarted when "+when, show(c, err, t0), want)
		if err == nil && (c.Attempt != nil || c.Execution.Attempt != 0 || c.Execution.Failures != 0 || *c.Execution.Error != cause) {
			t.Errorf("an attempt was spent: %+v", c.Execution)
		}
	}
	r := situation("scheduled")
	r.w.CurrentExecutionID = nextID
	_, err := FailUnstarted(r.w, *r.e, cause, t0)
	expect(t, "an older execution", show(Change{}, err, t0), "not claimable")
}
