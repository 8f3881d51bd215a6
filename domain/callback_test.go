package domain

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// withCallbacks is abc with steps that take late answers.
func withCallbacks() *Definition {
	def := abc()
	for i := range def.Steps {
		def.Steps[i].CallbackTimeout = time.Hour
	}
	return def
}

func callback(t *testing.T, r row, a *Answer) (Change, error) {
	t.Helper()
	return r.decide(t, t0, func(w Workflow, e *Execution) (Change, error) {
		return Callback(withCallbacks(), w, *e, a, CallbackParams{NextID: nextID, Fence: newFence}, t0)
	})
}

func TestAwait(t *testing.T) {
	for when, want := range map[string]string{
		"executing":        "performing at b exceptions=2; b#2 executing",
		"paused executing": "paused at b by api (maintenance) exceptions=2; b#2 executing",
		"waiting":          "settled", "scheduled": "fenced", "failed": "settled", "canceled": "settled",
	} {
		c, err := settleWith(t, withCallbacks(), situation(when), Result{Later: true, Status: 202, DurationMS: 31})
		if err != nil {
			expect(t, "202 when "+when, show(c, err, t0), want)
			continue
		}
		expect(t, "202 when "+when, show(c, err, t0), want)
		e := c.Execution
		if !e.AwaitsCallback() || !e.Deadline.Equal(t0.Add(time.Hour)) || e.Status != 202 || e.DurationMS != 31 ||
			!e.StartedAt.Equal(t0.Add(-2*time.Second)) || c.Attempt != nil || e.AnswerHash != "" {
			t.Errorf("202 when %s leaves %+v", when, e)
		}
	}
	r := situation("executing")
	if _, err := Settle(abc(), r.w, *r.e, Result{Later: true}, SettleParams{Fence: claimFence}, t0); err == nil {
		t.Error("a step without callback_timeout waits for a callback")
	}
}

// TestCallbackInEverySituation has each answer arrive in each state that the execution may be in.
func TestCallbackInEverySituation(t *testing.T) {
	outcomes := map[Action][2]string{ // when nobody has paused, and in a paused workflow
		ActionComplete: {"ready at c; b#2 completed/completed; c#3 scheduled +10m0s",
			"paused at c by api (maintenance); b#2 completed/completed; c#3 scheduled +10m0s held"},
		ActionSkip: {"ready at c; b#2 skipped/skipped; c#3 scheduled +10m0s",
			"paused at c by api (maintenance); b#2 skipped/skipped; c#3 scheduled +10m0s held"},
		ActionReattempt: {"ready at b; b#2 completed/reattempted; b#3 scheduled +1h0m0s",
			"paused at b by api (maintenance); b#2 completed/reattempted; b#3 scheduled +1h0m0s held"},
		ActionPause:  {"paused at b by answer (why); b#2 canceled/paused", "paused at b by api (maintenance); b#2 canceled/paused"},
		ActionCancel: {"canceled; b#2 canceled/canceled", "canceled; b#2 canceled/canceled"},
		ActionFinish: {"finished; b#2 completed/finished", "finished; b#2 completed/finished"},
		ActionFail: {"paused at b by failure (why) exceptions=3; b#2 failed/failed",
			"paused at b by api (maintenance) exceptions=3; b#2 failed/failed"},
	}
	for action, want := range outcomes {
		for _, when := range slices.Concat(situations, waitingSituations) {
			if when == "empty" {
				continue // nothing to answer
			}
			a := &Answer{Action: action, Reason: "why"}
			c, err := callback(t, situation(when), a)
			expected := want[0]
			switch when {
			case "held", "held overdue", "paused executing", "paused waiting":
				expected = want[1]
			case "waiting overdue", "called back late":
				expected = "callback_expired"
			case "failed", "pause answer", "finished", "canceled":
				expected = "execution_superseded"
			}
			expect(t, string(action)+" when "+when, show(c, err, t0), expected)
			if err == nil && (c.Execution.Fence != newFence || c.Execution.AnswerHash != a.hash() || c.Execution.Reason != "why") {
				t.Errorf("%s when %s leaves %+v", action, when, c.Execution)
			}
			inFlight := situation(when).e.State == ExecutionExecuting
			if err == nil && (c.Attempt != nil) != (inFlight && action == ActionFail) {
				t.Errorf("%s when %s records the attempt %+v", action, when, c.Attempt)
			}
			if err == nil && inFlight && (c.Execution.DurationMS != 2000 || c.Execution.Status != situation(when).e.Status) {
				t.Errorf("%s when %s leaves status %d, %d ms", action, when, c.Execution.Status, c.Execution.DurationMS)
			}
		}
	}
}

func TestCallbackThatFailsRetryably(t *testing.T) {
	again := &Answer{Action: ActionFail, Retryable: true, Message: "busy"}
	for when, want := range map[string]string{
		"waiting":        "ready at b exceptions=2; b#2 scheduled +5s",
		"paused waiting": "paused at b by api (maintenance) exceptions=2; b#2 scheduled +5s held",
		"executing":      "ready at b exceptions=2; b#2 scheduled +5s",
		// The attempt that is scheduled stands, and nothing is counted twice.
		"later": "ready at b exceptions=2; b#2 scheduled +30m0s",
		"held":  "paused at b by api (maintenance) exceptions=2; b#2 scheduled +30m0s held",
	} {
		before := situation(when)
		c, err := callback(t, before, again)
		expect(t, "fail when "+when, show(c, err, t0), want)
		counted := before.e.State == ExecutionExecuting
		if e := c.Execution; e.AnswerHash != "" || e.Error.Message != "busy" || (e.Failures == 1) != counted || (c.Attempt != nil) != counted {
			t.Errorf("fail when %s leaves %+v and the attempt %+v", when, e, c.Attempt)
		}
		if a := c.Attempt; a != nil && (a.Status != before.e.Status || a.DurationMS != 2000) {
			t.Errorf("fail when %s leaves the attempt %+v", when, a)
		}
	}
}

func TestCallbackKeepsTheReasonThatItDoesNotReplace(t *testing.T) {
	r := situation("waiting")
	r.e.Reason = "tried again by hand"
	c, err := callback(t, r, &Answer{Action: ActionComplete})
	if err != nil || c.Execution.Reason != "tried again by hand" {
		t.Errorf("reason %q, %v", c.Execution.Reason, err)
	}
}

// A claim past its deadline waits for the sweep, and has not timed out before that.
func TestCallbackPastTheDeadlineOfAClaim(t *testing.T) {
	r := situation("executing")
	r.e.Deadline = ptr(t0.Add(-time.Second))
	c, err := callback(t, r, &Answer{Action: ActionComplete})
	expect(t, "a callback", show(c, err, t0), "ready at c; b#2 completed/completed; c#3 scheduled +10m0s")
}

// TestTheFirstAnswerWins repeats answers, as callbacks and after a 2xx, in other words and with other sense.
func TestTheFirstAnswerWins(t *testing.T) {
	answer := func(text string) *Answer {
		a, err := ParseAnswer([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	const won = `{"action":"complete","data":{"a":1,"b":{"c":[1,2]}}}`
	ended := map[string]Change{}
	var err error
	if ended["a callback"], err = callback(t, situation("waiting"), answer(won)); err != nil {
		t.Fatal(err)
	}
	if ended["a 2xx"], err = settleWith(t, withCallbacks(), situation("executing"), Result{Answer: answer(won), Status: 200}); err != nil {
		t.Fatal(err)
	}
	for first, c := range ended {
		now := row{c.Workflow, c.Execution}
		for text, want := range map[string]string{
			won: "unchanged",
			` {"data": {"b": {"c": [1, 2]}, "a": 1}} `: "unchanged",
			`{"data": {"b": {"c": [2, 1]}, "a": 1}}`:   "already_completed",
			``:                                         "already_completed",
			`{"action":"cancel"}`:                      "already_completed",
			strings.TrimSuffix(won, "}") + `,"next":{"priority":1}}`: "already_completed",
		} {
			again, err := Callback(withCallbacks(), now.w, *now.e, answer(text), CallbackParams{NextID: nextID, Fence: "third"}, t0)
			expect(t, text+" after "+first, show(again, err, t0), want)
		}
	}
	// Empty data and an empty next say nothing, but an empty object within data does.
	same := []string{``, `{}`, `{"data": { }}`, `{"next": {}}`, `{"next": {"wait": null}, "data": {}}`, `{"action": "complete", "data": null}`}
	for _, first := range append(same, `{"data": {"a": {}}}`) {
		c, err := callback(t, situation("waiting"), answer(first))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range same {
			want := "unchanged"
			if !slices.Contains(same, first) {
				want = "already_completed"
			}
			again, err := Callback(withCallbacks(), c.Workflow, *c.Execution, answer(text), CallbackParams{NextID: nextID, Fence: "third"}, t0)
			expect(t, text+" after "+first, show(again, err, t0), want)
		}
	}
	var hashes [2]string
	for i, text := range []string{`{"data":{"n":123456789012345678901234567890.5}}`, `{"data":{"n":123456789012345678901234567891.5}}`} {
		hashes[i] = answer(text).hash()
	}
	if hashes[0] == hashes[1] {
		t.Error("answers whose numbers no float64 tells apart are the same")
	}
	// What a condition or the hook decided is no answer of the receiver, and other steps keep nothing.
	for _, tt := range []struct {
		def    *Definition
		result Result
	}{{withCallbacks(), Result{Answer: answer(won), Instead: true}}, {abc(), Result{Answer: answer(won)}}} {
		c, err := settleWith(t, tt.def, situation("executing"), tt.result)
		if err != nil || c.Execution.AnswerHash != "" {
			t.Errorf("%+v leaves the hash %q, %v", tt.result, c.Execution.AnswerHash, err)
		}
	}
}

func TestCallbackWithTooMuchDataChangesNothing(t *testing.T) {
	big, _ := json.Marshal(map[string]string{"x": strings.Repeat("x", MaxDataBytes)})
	if _, err := callback(t, situation("waiting"), &Answer{Action: ActionComplete, Data: big}); CodeOf(err) != CodeDataTooLarge {
		t.Errorf("got %v", err)
	}
}

func TestCallbackTimeout(t *testing.T) {
	interrupt := func(def *Definition, r row) (Change, error) {
		return r.decide(t, t0, func(w Workflow, e *Execution) (Change, error) {
			return Interrupt(def, w, *e, "", SettleParams{Fence: claimFence, NextID: nextID}, newFence, t0)
		})
	}
	_, err := interrupt(withCallbacks(), situation("waiting"))
	expect(t, "before the deadline", show(Change{}, err, t0), "settled")
	older := situation("waiting overdue")
	older.e.Fence = "of a later claim"
	_, err = interrupt(withCallbacks(), older)
	expect(t, "under an older claim", show(Change{}, err, t0), "fenced")

	c, err := interrupt(withCallbacks(), situation("waiting overdue"))
	expect(t, "past it", show(c, err, t0), "ready at b exceptions=2; b#2 scheduled +5s")
	if a, e := c.Attempt, c.Execution; a == nil || a.Error.Code != ErrCallbackTimeout || a.Error.Message == "" || a.Error.Status != 202 ||
		a.Status != 202 || a.DurationMS != 2000 || *e.Error != a.Error || e.Failures != 1 || e.Interruptions != 0 ||
		e.Fence != newFence || e.Status != 0 || e.DurationMS != 0 {
		t.Errorf("left the attempt %+v and %+v", a, e)
	}
	_, err = callback(t, row{c.Workflow, c.Execution}, &Answer{Action: ActionComplete})
	expect(t, "a callback after it", show(Change{}, err, t0), "callback_expired")

	def := withCallbacks()
	def.Steps[1].Retry.MaxAttempts = 1
	c, err = interrupt(def, situation("waiting overdue"))
	expect(t, "the last attempt", show(c, err, t0), "paused at b by failure ("+c.Execution.Error.Message+") exceptions=3; b#2 failed/failed")
	_, err = callback(t, row{c.Workflow, c.Execution}, &Answer{Action: ActionComplete})
	expect(t, "a callback after the last attempt", show(Change{}, err, t0), "callback_expired")
}
