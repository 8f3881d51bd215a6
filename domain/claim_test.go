package domain

import (
	"testing"
	"time"
)

var claimParams = ClaimParams{Fence: claimFence, Server: serverID, Budget: 30 * time.Second}

func TestClaimInEverySituation(t *testing.T) {
	want := map[string]string{
		"scheduled": "performing at b exceptions=2; b#2 executing",
		"later":     "early by 30m0s",
		"executing": "not claimable", "held": "not claimable", "held overdue": "not claimable", "paused executing": "not claimable",
		"failed": "not claimable", "pause answer": "not claimable", "finished": "not claimable", "canceled": "not claimable",
	}
	for _, when := range situations {
		if when == "empty" {
			continue // nothing to name
		}
		c, err := situation(when).decide(t, t0, func(w Workflow, e *Execution) (Change, error) { return Claim(w, *e, claimParams, t0) })
		expect(t, "claim when "+when, show(c, err, t0), want[when])
	}
}

func TestClaim(t *testing.T) {
	r := situation("scheduled")
	r.e.Attempt, r.e.Fence, r.e.ScheduledFor = 2, "an older claim", t0.Add(-time.Minute)
	for range 2 {
		c, err := r.decide(t, t0, func(w Workflow, e *Execution) (Change, error) { return Claim(w, *e, claimParams, t0) })
		if err != nil {
			t.Fatal(err)
		}
		e := c.Execution
		if e.Attempt != 3 || e.Fence != claimFence || e.ClaimedBy != serverID || !e.StartedAt.Equal(t0) ||
			!e.Deadline.Equal(t0.Add(30*time.Second+DeadlineMargin)) || !e.ScheduledFor.Equal(t0.Add(-time.Minute)) {
			t.Errorf("claimed as %+v", e)
		}
		first := t0
		if r.w.StartedAt != nil {
			first = *r.w.StartedAt
		}
		if !c.Workflow.StartedAt.Equal(first) {
			t.Errorf("started_at %s, want the first claim %s", c.Workflow.StartedAt, first)
		}
		r.w.StartedAt = ptr(t0.Add(-24 * time.Hour))
	}
	r.e.ScheduledFor = t0.Add(time.Microsecond)
	_, err := Claim(r.w, *r.e, claimParams, t0)
	expect(t, "a microsecond early", show(Change{}, err, t0), "early by 1µs")
	r.e.ScheduledFor = t0
	r.w.CurrentExecutionID = nextID
	_, err = Claim(r.w, *r.e, claimParams, t0)
	expect(t, "an older execution", show(Change{}, err, t0), "not claimable")
	r.w.CurrentExecutionID, r.e.Held = currentID, true
	_, err = Claim(r.w, *r.e, claimParams, t0)
	expect(t, "held, whatever the workflow says", show(Change{}, err, t0), "not claimable")
}

// TestClaimInAHurry brings forward what is not due, and takes nothing that could not be claimed otherwise.
func TestClaimInAHurry(t *testing.T) {
	hurried := claimParams
	hurried.Hurry = true
	for when, want := range map[string]string{
		"scheduled": "performing at b exceptions=2; b#2 executing", "later": "performing at b exceptions=2; b#2 executing",
		"executing": "not claimable", "held": "not claimable", "failed": "not claimable", "finished": "not claimable",
	} {
		c, err := situation(when).decide(t, t0, func(w Workflow, e *Execution) (Change, error) { return Claim(w, *e, hurried, t0) })
		expect(t, "hurried claim when "+when, show(c, err, t0), want)
		if err == nil && !c.Execution.ScheduledFor.Equal(t0) {
			t.Errorf("%s: claimed at %s, due %s", when, t0, c.Execution.ScheduledFor)
		}
	}
	r := situation("executing")
	impatient := abc()
	impatient.Steps[1].Retry.Initial = 0
	retry, err := Settle(impatient, r.w, *r.e, Result{Failure: &Failure{Retryable: true}}, SettleParams{Fence: claimFence}, t0)
	if c, ok := retry.ThenClaim(claimParams, t0); err != nil || ok || c.Execution.State != ExecutionScheduled {
		t.Errorf("a retry that is due at once was claimed without a hurry: %s", show(c, err, t0))
	}
	retry, err = Settle(abc(), r.w, *r.e, Result{Failure: &Failure{Retryable: true}}, SettleParams{Fence: claimFence}, t0)
	if err != nil {
		t.Fatal(err)
	}
	hurried.Fence = newFence
	c, ok := retry.ThenClaim(hurried, t0)
	if x := c.Execution; !ok || c.Workflow.State != WorkflowPerforming || x.State != ExecutionExecuting || x.Attempt != 2 || x.Failures != 1 ||
		x.Fence != newFence || !x.ScheduledFor.Equal(t0) || c.Attempt.Attempt != 1 {
		t.Errorf("a hurried retry: %s", show(c, nil, t0))
	}
}

func TestThenClaim(t *testing.T) {
	now := &NextOptions{Wait: ptr(time.Duration(0))}
	tests := []struct {
		name   string
		when   string
		answer Answer
		want   string
		ok     bool
	}{
		{"due at once", "executing", Answer{Action: ActionComplete, Next: now}, "performing at c; b#2 completed/completed; c#3 executing", true},
		{"due later", "executing", Answer{Action: ActionComplete}, "ready at c; b#2 completed/completed; c#3 scheduled +10m0s", false},
		{"held", "paused executing", Answer{Action: ActionComplete, Next: now}, "paused at c by api (maintenance); b#2 completed/completed; c#3 scheduled +0s held", false},
		{"reattempted at once", "executing", Answer{Action: ActionReattempt, Wait: now.Wait}, "performing at b; b#2 completed/reattempted; b#3 executing", true},
		{"nothing follows", "executing", Answer{Action: ActionFinish}, "finished; b#2 completed/finished", false},
	}
	for _, tt := range tests {
		var ok bool
		c, err := situation(tt.when).decide(t, t0, func(w Workflow, e *Execution) (Change, error) {
			c, err := Settle(abc(), w, *e, Result{Answer: &tt.answer}, SettleParams{Fence: claimFence, NextID: nextID}, t0)
			if err != nil {
				return c, err
			}
			p := claimParams
			p.Fence = newFence
			c, ok = c.ThenClaim(p, t0)
			return c, nil
		})
		expect(t, tt.name, show(c, err, t0), tt.want)
		if ok != tt.ok || c.Execution.Fence != claimFence {
			t.Errorf("%s: ok %t, fence %q", tt.name, ok, c.Execution.Fence)
		}
		if _, due := c.Due(); due != (!ok && tt.name == "due later") {
			t.Errorf("%s: Due says %t", tt.name, due)
		}
		if ok && (c.Next.Attempt != 1 || c.Next.Fence != newFence || c.Next.ClaimedBy != serverID || !c.Next.StartedAt.Equal(t0)) {
			t.Errorf("%s: claimed as %+v", tt.name, c.Next)
		}
	}
}

func TestHandBackInEverySituation(t *testing.T) {
	want := map[string]string{
		"executing":        "ready at b exceptions=2; b#2 scheduled +0s",
		"paused executing": "paused at b by api (maintenance) exceptions=2; b#2 scheduled +0s held",
		"scheduled":        "fenced", "later": "fenced", "held": "fenced", "held overdue": "fenced",
		"failed": "settled", "pause answer": "settled", "finished": "settled", "canceled": "settled",
	}
	for _, when := range situations {
		if when == "empty" {
			continue
		}
		c, err := situation(when).decide(t, t0, func(w Workflow, e *Execution) (Change, error) { return HandBack(w, *e, claimFence, t0) })
		expect(t, "hand back when "+when, show(c, err, t0), want[when])
		if err == nil && (c.Attempt != nil || c.Execution.Error != nil || c.Execution.Failures+c.Execution.Interruptions != 0 || c.Execution.Attempt != 1) {
			t.Errorf("a hand-back counted: %+v", c.Execution)
		}
	}
}

func TestAnAnswerAfterAHandBackIsRefused(t *testing.T) {
	r := situation("executing")
	c, err := HandBack(r.w, *r.e, claimFence, t0)
	if err != nil {
		t.Fatal(err)
	}
	again := row{c.Workflow, c.Execution}
	_, err = settleWith(t, abc(), again, Result{Answer: &Answer{Action: ActionComplete}})
	expect(t, "handed back", show(Change{}, err, t0), "settled")
	p := claimParams
	p.Fence = newFence
	if c, err = Claim(again.w, *again.e, p, t0); err != nil {
		t.Fatal(err)
	}
	_, err = settleWith(t, abc(), row{c.Workflow, c.Execution}, Result{Answer: &Answer{Action: ActionComplete}})
	expect(t, "claimed by another", show(Change{}, err, t0), "fenced")
}
