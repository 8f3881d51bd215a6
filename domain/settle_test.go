package domain

import (
	"strings"
	"testing"
	"time"
)

func settleWith(t *testing.T, def *Definition, r row, result Result) (Change, error) {
	t.Helper()
	c, err := r.decide(t, t0, func(w Workflow, e *Execution) (Change, error) {
		return Settle(def, w, *e, result, SettleParams{Fence: claimFence, NextID: nextID}, t0)
	})
	if err == nil && c.Execution.Fence != claimFence {
		t.Errorf("a settle changed the fence to %q", c.Execution.Fence)
	}
	return c, err
}

// TestSettleAnswers is the upper half of the first table of DESIGN section 3.
func TestSettleAnswers(t *testing.T) {
	yesterday, tomorrow := t0.Add(-24*time.Hour), t0.Add(24*time.Hour+1).In(time.FixedZone("", -7200))
	const held = "paused at b by api (maintenance)"
	tests := []struct {
		answer             Answer
		executing, paused  string
		last, lastInPaused string // "": as finished, see below
	}{
		{Answer{Action: ActionComplete},
			"ready at c; b#2 completed/completed; c#3 scheduled +10m0s",
			"paused at c by api (maintenance); b#2 completed/completed; c#3 scheduled +10m0s held",
			"finished; c#2 completed/completed", "finished; c#2 completed/completed"},
		{Answer{Action: ActionSkip},
			"ready at c; b#2 skipped/skipped; c#3 scheduled +10m0s",
			"paused at c by api (maintenance); b#2 skipped/skipped; c#3 scheduled +10m0s held",
			"finished; c#2 skipped/skipped", "finished; c#2 skipped/skipped"},
		{Answer{Action: ActionReattempt},
			"ready at b; b#2 completed/reattempted; b#3 scheduled +1h0m0s",
			held + "; b#2 completed/reattempted; b#3 scheduled +1h0m0s held",
			"ready at c; c#2 completed/reattempted; c#3 scheduled +10m0s",
			"paused at c by api (maintenance); c#2 completed/reattempted; c#3 scheduled +10m0s held"},
		{Answer{Action: ActionReattempt, Wait: ptr(time.Duration(0))},
			"ready at b; b#2 completed/reattempted; b#3 scheduled +0s",
			held + "; b#2 completed/reattempted; b#3 scheduled +0s held", "", ""},
		{Answer{Action: ActionReattempt, Wait: ptr(90 * time.Second)},
			"ready at b; b#2 completed/reattempted; b#3 scheduled +1m30s",
			held + "; b#2 completed/reattempted; b#3 scheduled +1m30s held", "", ""},
		{Answer{Action: ActionReattempt, At: &tomorrow},
			"ready at b; b#2 completed/reattempted; b#3 scheduled +24h0m0s",
			held + "; b#2 completed/reattempted; b#3 scheduled +24h0m0s held", "", ""},
		{Answer{Action: ActionReattempt, At: &yesterday},
			"ready at b; b#2 completed/reattempted; b#3 scheduled +0s",
			held + "; b#2 completed/reattempted; b#3 scheduled +0s held", "", ""},
		{Answer{Action: ActionPause, Reason: "ask"},
			"paused at b by answer (ask); b#2 canceled/paused", held + "; b#2 canceled/paused",
			"paused at c by answer (ask); c#2 canceled/paused", "paused at c by api (maintenance); c#2 canceled/paused"},
		{Answer{Action: ActionCancel}, "canceled; b#2 canceled/canceled", "canceled; b#2 canceled/canceled",
			"canceled; c#2 canceled/canceled", "canceled; c#2 canceled/canceled"},
		{Answer{Action: ActionFinish}, "finished; b#2 completed/finished", "finished; b#2 completed/finished",
			"finished; c#2 completed/finished", "finished; c#2 completed/finished"},
		{Answer{Action: ActionComplete, Next: &NextOptions{Wait: ptr(time.Duration(0))}},
			"ready at c; b#2 completed/completed; c#3 scheduled +0s",
			"paused at c by api (maintenance); b#2 completed/completed; c#3 scheduled +0s held",
			"finished; c#2 completed/completed", ""},
		{Answer{Action: ActionSkip, Next: &NextOptions{At: &tomorrow}},
			"ready at c; b#2 skipped/skipped; c#3 scheduled +24h0m0s",
			"paused at c by api (maintenance); b#2 skipped/skipped; c#3 scheduled +24h0m0s held", "", ""},
		{Answer{Action: ActionComplete, Next: &NextOptions{At: &yesterday}},
			"ready at c; b#2 completed/completed; c#3 scheduled +0s",
			"paused at c by api (maintenance); b#2 completed/completed; c#3 scheduled +0s held", "", ""},
	}
	for _, tt := range tests {
		for when, want := range map[string]string{"executing": tt.executing, "paused executing": tt.paused,
			"last executing": tt.last, "last paused executing": tt.lastInPaused} {
			if want == "" {
				continue
			}
			answer := tt.answer
			c, err := settleWith(t, abc(), situation(when), Result{Answer: &answer, Status: 200, DurationMS: 31})
			expect(t, string(tt.answer.Action)+" when "+when, show(c, err, t0), want)
			if err == nil && (c.Attempt != nil || c.Execution.Status != 200 || c.Execution.DurationMS != 31 || c.Execution.Reason != answer.Reason) {
				t.Errorf("%s when %s leaves attempt %v, status %d, %d ms, reason %q", answer.Action, when, c.Attempt, c.Execution.Status, c.Execution.DurationMS, c.Execution.Reason)
			}
		}
		for _, when := range situations {
			want := "settled" // this very claim had its outcome
			switch when {
			case "executing", "paused executing", "empty":
				continue
			case "scheduled", "later", "held", "held overdue":
				want = "fenced" // the claim is another one's, or nobody's
			}
			_, err := settleWith(t, abc(), situation(when), Result{Answer: &tt.answer})
			expect(t, string(tt.answer.Action)+" when "+when, show(Change{}, err, t0), want)
		}
	}
}

func TestSettleNextOptions(t *testing.T) {
	for _, tt := range []struct {
		next     *NextOptions
		queue    string
		priority int
	}{
		{nil, "low", 7}, {&NextOptions{}, "low", 7}, {&NextOptions{Queue: "critical"}, "critical", 7},
		{&NextOptions{Priority: ptr(0)}, "low", 0}, {&NextOptions{Queue: "default", Priority: ptr(9)}, "default", 9},
	} {
		def := abc()
		c, err := settleWith(t, def, situation("executing"), Result{Answer: &Answer{Action: ActionComplete, Next: tt.next}})
		if err != nil || c.Next.Queue != tt.queue || c.Next.Priority != tt.priority {
			t.Errorf("next %+v gives queue %s, priority %d, %v", tt.next, c.Next.Queue, c.Next.Priority, err)
		}
		if def.Steps[2].Queue != "low" || def.Steps[2].Priority != 7 {
			t.Error("an answer changed the definition")
		}
	}
}

func TestSettleReattemptHasAtLeastASecondUnlessGiven(t *testing.T) {
	def := abc()
	def.Steps[1].Wait = 20 * time.Millisecond
	for _, tt := range []struct {
		answer Answer
		want   string
	}{
		{Answer{Action: ActionReattempt}, "+1s"}, {Answer{Action: ActionReattempt, Wait: ptr(30 * time.Millisecond)}, "+30ms"},
	} {
		c, err := settleWith(t, def, situation("executing"), Result{Answer: &tt.answer})
		expect(t, "reattempt", show(c, err, t0), "ready at b; b#2 completed/reattempted; b#3 scheduled "+tt.want)
	}
}

func TestSettleData(t *testing.T) {
	big := `{"big":"` + strings.Repeat("x", MaxDataBytes) + `"}`
	for _, action := range []Action{ActionComplete, ActionSkip, ActionReattempt, ActionPause, ActionCancel, ActionFinish} {
		c, err := settleWith(t, abc(), situation("executing"), Result{Answer: &Answer{Action: action, Data: []byte(`{"kept":null,"new":{"x":1,"y":null}}`)}})
		if err != nil || string(c.Workflow.Data) != `{"new":{"x":1}}` {
			t.Errorf("%s leaves data %s, %v", action, c.Workflow.Data, err)
		}
		c, err = settleWith(t, abc(), situation("executing"), Result{Answer: &Answer{Action: action, Reason: "r", Data: []byte(big)}, Status: 200, DurationMS: 5, Excerpt: "{"})
		if err != nil || c.Execution.Error == nil || c.Attempt == nil {
			t.Fatalf("%s with too much data: %+v, %v", action, c, err)
		}
		if c.Workflow.State != WorkflowPaused || c.Execution.State != ExecutionFailed || string(c.Workflow.Data) != `{"kept":1}` ||
			c.Execution.Error.Code != ErrDataTooLarge || !strings.Contains(c.Execution.Error.Message, "262144 are allowed") || c.Execution.Error.Status != 200 || c.Execution.Failures != 1 || c.Attempt.Error.Code != ErrDataTooLarge ||
			c.Attempt.Status != 200 || c.Attempt.DurationMS != 5 || c.Attempt.Excerpt != "{" {
			t.Errorf("%s with too much data: %s, %+v", action, show(c, nil, t0), c.Execution.Error)
		}
	}
}

func TestSettleKeepsWhatWentBefore(t *testing.T) {
	r := situation("executing")
	r.e.Error, r.e.Failures, r.e.Reason = &ExecutionError{Code: ErrTimeout}, 1, "tried again by hand"
	c, err := settleWith(t, abc(), r, Result{Answer: &Answer{Action: ActionComplete}})
	if err != nil || c.Execution.Error == nil || c.Execution.Error.Code != ErrTimeout || c.Execution.Failures != 1 || c.Execution.Reason != "tried again by hand" {
		t.Errorf("error %v, failures %d, reason %q, %v", c.Execution.Error, c.Execution.Failures, c.Execution.Reason, err)
	}
	c, err = settleWith(t, abc(), r, Result{Answer: &Answer{Action: ActionSkip, Reason: "no mail address"}})
	if err != nil || c.Execution.Reason != "no mail address" {
		t.Errorf("reason %q, %v", c.Execution.Reason, err)
	}
}

func TestSettlePastTheLastExecution(t *testing.T) {
	const full = "paused at b by failure (The workflow has had 10000 step executions, the most one workflow may have.)"
	failed := Failure{ExecutionError: ExecutionError{Code: ErrTimeout, Message: "m"}}
	for _, tt := range []struct {
		result Result
		policy ExceptionAction
		when   string
		want   string
	}{
		{Result{Answer: &Answer{Action: ActionComplete}}, "pause", "executing", full + "; b#10000 canceled/paused"},
		{Result{Answer: &Answer{Action: ActionSkip}}, "pause", "executing", full + "; b#10000 canceled/paused"},
		{Result{Answer: &Answer{Action: ActionReattempt}}, "pause", "executing", full + "; b#10000 canceled/paused"},
		{Result{Answer: &Answer{Action: ActionComplete}}, "pause", "paused executing", "paused at b by api (maintenance); b#10000 canceled/paused"},
		{Result{Answer: &Answer{Action: ActionComplete}}, "pause", "last executing", "finished; c#10000 completed/completed"},
		{Result{Answer: &Answer{Action: ActionFinish}}, "pause", "executing", "finished; b#10000 completed/finished"},
		{Result{Failure: &failed}, "reattempt", "executing", full + " exceptions=3; b#10000 canceled/paused"},
		{Result{Failure: &failed}, "skip", "executing", full + "; b#10000 canceled/paused"},
		{Result{Failure: &failed}, "cancel", "executing", "canceled exceptions=3; b#10000 failed/canceled"},
	} {
		def, r := abc(), situation(tt.when)
		def.Steps[1].OnException = OnException{Action: tt.policy, MaxReattempts: 25, Then: OnExceptionPause}
		r.e.Seq = MaxExecutions
		c, err := settleWith(t, def, r, tt.result)
		expect(t, "at the limit when "+tt.when, show(c, err, t0), tt.want)
		if strings.Contains(tt.want, "canceled/paused") && c.Execution.Error.Code != ErrTooManyExecutions {
			t.Errorf("error %v", c.Execution.Error)
		}
	}
}

func TestSettleAStepThatIsNotThere(t *testing.T) {
	failure := &Failure{Retryable: true, ExecutionError: ExecutionError{Code: ErrTimeout, Message: "late"}}
	for _, tt := range []struct {
		result Result
		code   ErrorCode
		want   string
	}{
		{Result{Answer: &Answer{Action: ActionComplete}}, ErrStepMissing, `paused at gone by failure (Version 7 of Letters has no step "gone".) exceptions=1; gone#2 failed/failed`},
		{Result{Answer: &Answer{Action: ActionSkip}}, ErrStepMissing, `paused at gone by failure (Version 7 of Letters has no step "gone".) exceptions=1; gone#2 failed/failed`},
		{Result{Answer: &Answer{Action: ActionReattempt}}, ErrStepMissing, `paused at gone by failure (Version 7 of Letters has no step "gone".) exceptions=1; gone#2 failed/failed`},
		{Result{Answer: &Answer{Action: ActionFinish}}, "", "finished; gone#2 completed/finished"},
		{Result{Failure: failure}, ErrTimeout, "paused at gone by failure (late) exceptions=3; gone#2 failed/failed"},
	} {
		r := situation("executing")
		r.w.CurrentStepName, r.e.StepName = "gone", "gone"
		c, err := settleWith(t, abc(), r, tt.result)
		expect(t, "step gone", show(c, err, t0), tt.want)
		if tt.code != "" && (c.Execution.Error == nil || c.Execution.Error.Code != tt.code) {
			t.Errorf("error %v, want %s", c.Execution.Error, tt.code)
		}
	}
}

func TestSettleUnknownAction(t *testing.T) {
	r := situation("executing")
	if _, err := Settle(abc(), r.w, *r.e, Result{Answer: &Answer{Action: "dance"}}, SettleParams{Fence: claimFence}, t0); err == nil || CodeOf(err) != CodeInternal {
		t.Errorf("got %v", err)
	}
}
