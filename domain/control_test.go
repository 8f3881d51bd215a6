package domain

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestControlInEverySituation is the table "Control from outside" of DESIGN section 3: every verb in every
// combination of workflow and execution state there is.
func TestControlInEverySituation(t *testing.T) {
	// The same words in several rows.
	const (
		over     = "invalid_transition finished"
		canceled = "invalid_transition canceled"
	)
	tests := []struct {
		cmd  Command
		want map[string]string
	}{
		{Command{Verb: VerbPause, Reason: "stop"}, map[string]string{
			"scheduled": "paused at b by api (stop) exceptions=2; b#2 scheduled +0s held",
			"later":     "paused at b by api (stop) exceptions=2; b#2 scheduled +30m0s held",
			"executing": "paused at b by api (stop) exceptions=2; b#2 executing",
			"held":      "unchanged", "held overdue": "unchanged", "paused executing": "unchanged", "failed": "unchanged", "pause answer": "unchanged",
			"finished": over, "canceled": canceled, "empty": over,
		}},
		{Command{Verb: VerbResume}, map[string]string{
			"scheduled": "unchanged", "later": "unchanged", "executing": "unchanged",
			"held":             "ready at b; b#2 scheduled +30m0s",
			"held overdue":     "ready at b; b#2 scheduled +-10m0s",
			"paused executing": "performing at b; b#2 executing",
			"failed":           "ready at b; b#2 failed/failed; b#3 scheduled +0s",
			"pause answer":     "ready at b; b#2 canceled/paused; b#3 scheduled +0s",
			"finished":         over, "canceled": canceled, "empty": over,
		}},
		{Command{Verb: VerbResume, Step: "a"}, map[string]string{
			"scheduled": "invalid_transition ready", "later": "invalid_transition ready", "executing": "invalid_transition performing",
			"held":             "ready at a; b#2 canceled/superseded; a#3 scheduled +0s",
			"held overdue":     "ready at a; b#2 canceled/superseded; a#3 scheduled +0s",
			"paused executing": "ready at a; b#2 canceled/superseded; a#3 scheduled +0s",
			"failed":           "ready at a; b#2 failed/failed; a#3 scheduled +0s",
			"pause answer":     "ready at a; b#2 canceled/paused; a#3 scheduled +0s",
			"finished":         over, "canceled": canceled, "empty": over,
		}},
		{Command{Verb: VerbResume, Step: "nowhere"}, map[string]string{
			"scheduled": "invalid_transition ready", "later": "invalid_transition ready", "executing": "invalid_transition performing",
			"held": "unknown_step", "held overdue": "unknown_step", "paused executing": "unknown_step", "failed": "unknown_step", "pause answer": "unknown_step",
			"finished": over, "canceled": canceled, "empty": over,
		}},
		{Command{Verb: VerbSkip}, map[string]string{
			"scheduled":        "ready at c; b#2 skipped/skipped; c#3 scheduled +10m0s",
			"later":            "ready at c; b#2 skipped/skipped; c#3 scheduled +10m0s",
			"executing":        "ready at c; b#2 skipped/skipped; c#3 scheduled +10m0s",
			"held":             "paused at c by api (maintenance); b#2 skipped/skipped; c#3 scheduled +10m0s held",
			"held overdue":     "paused at c by api (maintenance); b#2 skipped/skipped; c#3 scheduled +10m0s held",
			"paused executing": "paused at c by api (maintenance); b#2 skipped/skipped; c#3 scheduled +10m0s held",
			"failed":           "paused at c by failure (The receiver answered 410 (Gone).); b#2 failed/failed; c#3 scheduled +10m0s held",
			"pause answer":     "paused at c by answer (wait for Anna); b#2 canceled/paused; c#3 scheduled +10m0s held",
			"finished":         over, "canceled": canceled, "empty": over,
			"last scheduled": "finished; c#2 skipped/skipped", "last executing": "finished; c#2 skipped/skipped",
			"last held": "finished; c#2 skipped/skipped", "last paused executing": "finished; c#2 skipped/skipped",
			"last failed": "finished; c#2 failed/failed", "last pause answer": "finished; c#2 canceled/paused",
		}},
		{Command{Verb: VerbReattempt}, map[string]string{
			"scheduled":        "ready at b; b#2 scheduled +0s",
			"later":            "ready at b; b#2 scheduled +0s",
			"executing":        "ready at b; b#2 canceled/superseded; b#3 scheduled +0s",
			"held":             "ready at b; b#2 scheduled +0s",
			"held overdue":     "ready at b; b#2 scheduled +0s",
			"paused executing": "ready at b; b#2 canceled/superseded; b#3 scheduled +0s",
			"failed":           "ready at b; b#2 failed/failed; b#3 scheduled +0s",
			"pause answer":     "ready at b; b#2 canceled/paused; b#3 scheduled +0s",
			"finished":         over, "canceled": canceled, "empty": over,
		}},
		{Command{Verb: VerbReattempt, Wait: ptr(5 * time.Minute)}, map[string]string{
			"scheduled":        "ready at b; b#2 scheduled +5m0s",
			"later":            "ready at b; b#2 scheduled +5m0s",
			"executing":        "ready at b; b#2 canceled/superseded; b#3 scheduled +5m0s",
			"held":             "ready at b; b#2 scheduled +5m0s",
			"held overdue":     "ready at b; b#2 scheduled +5m0s",
			"paused executing": "ready at b; b#2 canceled/superseded; b#3 scheduled +5m0s",
			"failed":           "ready at b; b#2 failed/failed; b#3 scheduled +5m0s",
			"pause answer":     "ready at b; b#2 canceled/paused; b#3 scheduled +5m0s",
			"finished":         over, "canceled": canceled, "empty": over,
		}},
		{Command{Verb: VerbReattempt, At: ptr(t0.Add(2*time.Hour + 1).In(time.FixedZone("", 3600)))}, map[string]string{
			"executing": "ready at b; b#2 canceled/superseded; b#3 scheduled +2h0m0s",
			"held":      "ready at b; b#2 scheduled +2h0m0s",
		}},
		{Command{Verb: VerbReattempt, At: ptr(t0.Add(-time.Hour))}, map[string]string{
			"executing": "ready at b; b#2 canceled/superseded; b#3 scheduled +0s",
			"later":     "ready at b; b#2 scheduled +0s",
		}},
		{Command{Verb: VerbCancel}, map[string]string{
			"scheduled": "canceled exceptions=2; b#2 canceled/canceled", "later": "canceled exceptions=2; b#2 canceled/canceled",
			"executing": "canceled exceptions=2; b#2 canceled/canceled",
			"held":      "canceled exceptions=2; b#2 canceled/canceled", "held overdue": "canceled exceptions=2; b#2 canceled/canceled",
			"paused executing": "canceled exceptions=2; b#2 canceled/canceled",
			"failed":           "canceled exceptions=2; b#2 failed/failed",
			"pause answer":     "canceled exceptions=2; b#2 canceled/paused",
			"finished":         over, "canceled": "unchanged", "empty": over,
		}},
		{Command{Verb: VerbFinish}, map[string]string{
			"scheduled": "finished exceptions=2; b#2 canceled/superseded", "later": "finished exceptions=2; b#2 canceled/superseded",
			"executing": "finished exceptions=2; b#2 canceled/superseded",
			"held":      "finished exceptions=2; b#2 canceled/superseded", "held overdue": "finished exceptions=2; b#2 canceled/superseded",
			"paused executing": "finished exceptions=2; b#2 canceled/superseded",
			"failed":           "finished exceptions=2; b#2 failed/failed",
			"pause answer":     "finished exceptions=2; b#2 canceled/paused",
			"finished":         "unchanged", "canceled": canceled, "empty": "unchanged",
		}},
	}
	seen := map[string]map[string]bool{}
	for _, tt := range tests {
		kind := string(tt.cmd.Verb)
		if seen[kind] == nil {
			seen[kind] = map[string]bool{}
		}
		for _, name := range slices.Sorted(maps.Keys(tt.want)) {
			seen[kind][name] = true
			for _, guard := range []*uuid.UUID{nil, ptr(situation(name).w.CurrentExecutionID)} {
				cmd := tt.cmd
				cmd.NextID, cmd.Fence, cmd.StepExecutionID = nextID, newFence, guard
				c, err := situation(name).decide(t, t0, func(w Workflow, e *Execution) (Change, error) { return Control(abc(), w, e, cmd, t0) })
				expect(t, kind+" "+cmd.Step+" when "+name, show(c, err, t0), tt.want[name])
				checkTakenAway(t, kind+" when "+name, situation(name), c)
			}
		}
	}
	for _, name := range lastSituations {
		if !seen["skip"][name] {
			t.Errorf("the table has no row for skip when %s", name)
		}
	}
	for _, verb := range Verbs {
		for _, name := range situations {
			if !seen[string(verb)][name] {
				t.Errorf("the table has no row for %s when %s", verb, name)
			}
		}
	}
}

// checkTakenAway checks the fence and the attempt of a control verb's change: a claim that is taken away gets
// another fence and leaves the attempt it cut short; one that goes on keeps its fence.
func checkTakenAway(t *testing.T, what string, before row, c Change) {
	t.Helper()
	if before.e == nil || c.Execution == nil || c.Unchanged {
		return
	}
	inFlight, goesOn := before.e.State == ExecutionExecuting, c.Execution.State == ExecutionExecuting
	switch {
	case inFlight && goesOn && c.Execution.Fence != before.e.Fence:
		t.Errorf("%s: the claim goes on under another fence", what)
	case inFlight && !goesOn && c.Execution.Fence != newFence:
		t.Errorf("%s: a late answer would still be taken", what)
	case (inFlight && !goesOn) != (c.Attempt != nil):
		t.Errorf("%s: attempt %v", what, c.Attempt)
	}
	if a := c.Attempt; a != nil && (a.Error.Code != ErrSuperseded || a.Attempt != 1 || a.DurationMS != 2000 || a.ExecutionID != currentID) {
		t.Errorf("%s: attempt %+v", what, a)
	}
	if _, err := Settle(abc(), c.Workflow, *c.Execution, Result{Answer: &Answer{Action: ActionComplete}}, SettleParams{Fence: claimFence}, t0); inFlight && !goesOn && err != ErrFenced {
		t.Errorf("%s: the late answer gives %v", what, err)
	}
}

func TestControlGuardedByStepExecution(t *testing.T) {
	for _, verb := range Verbs {
		for _, name := range situations {
			cmd := Command{Verb: verb, StepExecutionID: ptr(uuid.UUID{15: 99}), NextID: nextID, Fence: newFence}
			c, err := situation(name).decide(t, t0, func(w Workflow, e *Execution) (Change, error) { return Control(abc(), w, e, cmd, t0) })
			want := "stale_execution"
			if !situation(name).w.State.Terminal() {
				want += " " + currentID.String()
			}
			expect(t, string(verb)+" of another execution when "+name, show(c, err, t0), want)
		}
	}
	cmd := Command{Verb: VerbSkip, StepExecutionID: &currentID, NextID: nextID, Fence: newFence}
	once, err := situation("scheduled").decide(t, t0, func(w Workflow, e *Execution) (Change, error) { return Control(abc(), w, e, cmd, t0) })
	if err != nil {
		t.Fatal(err)
	}
	_, err = Control(abc(), once.Workflow, once.Next, cmd, t0)
	expect(t, "the same skip again", show(Change{}, err, t0), "stale_execution "+nextID.String())
}

func TestResumeAtAStepThatIsNotThereTellsWhichFieldIsWrong(t *testing.T) {
	r := situation("held")
	_, err := Control(abc(), r.w, r.e, Command{Verb: VerbResume, Step: "nowhere"}, t0)
	var problem *Error
	if !errors.As(err, &problem) || len(problem.Problems) != 1 || problem.Problems[0].Pointer != "#/step" || problem.Problems[0].Detail == "" {
		t.Errorf("got %+v", err)
	}
}

func TestResumeAtAStepTellsThatItNeedsAPause(t *testing.T) {
	for when, says := range map[string]string{
		"scheduled": "Only a workflow that is paused can be resumed at a step, and this one is ready; pause it first, or leave step out.",
		"executing": "Only a workflow that is paused can be resumed at a step, and this one is performing; pause it first, or leave step out.",
		"finished":  "A workflow that is finished cannot be asked to resume.",
	} {
		r := situation(when)
		_, err := Control(abc(), r.w, r.e, Command{Verb: VerbResume, Step: "a"}, t0)
		if err == nil || err.Error() != "invalid_transition: "+says {
			t.Errorf("%s gives %v, want %s", when, err, says)
		}
	}
}

func TestControlReason(t *testing.T) {
	for _, tt := range []struct{ given, had, want string }{{"because", "", "because"}, {"because", "old", "because"}, {"", "old", "old"}} {
		r := situation("executing")
		r.e.Reason = tt.had
		for _, verb := range []Verb{VerbPause, VerbSkip, VerbReattempt, VerbCancel, VerbFinish} {
			c, err := r.decide(t, t0, func(w Workflow, e *Execution) (Change, error) {
				return Control(abc(), w, e, Command{Verb: verb, Reason: tt.given, NextID: nextID, Fence: newFence}, t0)
			})
			if err != nil || c.Execution.Reason != tt.want {
				t.Errorf("%s: reason %q, %v, want %q", verb, c.Execution.Reason, err, tt.want)
			}
		}
	}
}

func TestControlBringsForwardUnderAMark(t *testing.T) {
	c, err := situation("later").decide(t, t0, func(w Workflow, e *Execution) (Change, error) {
		return Control(abc(), w, e, Command{Verb: VerbReattempt, NextID: nextID, Fence: newFence}, t0)
	})
	if err != nil || c.Execution.Fence != newFence {
		t.Errorf("fence %q, %v: a lost commit acknowledgement could not be resolved", c.Execution.Fence, err)
	}
	if due, ok := c.Due(); !ok || due.ID != currentID {
		t.Errorf("Due gives %v, %t", due, ok)
	}
}

func TestControlPastTheLastExecution(t *testing.T) {
	for _, tt := range []struct {
		cmd  Command
		when string
		want string
	}{
		{Command{Verb: VerbSkip}, "executing", "invalid_transition performing"},
		{Command{Verb: VerbSkip}, "held", "invalid_transition paused"},
		{Command{Verb: VerbSkip}, "last executing", "finished; c#10000 skipped/skipped"},
		{Command{Verb: VerbReattempt}, "executing", "invalid_transition performing"},
		{Command{Verb: VerbReattempt}, "later", "ready at b; b#10000 scheduled +0s"},
		{Command{Verb: VerbResume}, "failed", "invalid_transition paused"},
		{Command{Verb: VerbResume}, "held", "ready at b; b#10000 scheduled +30m0s"},
		{Command{Verb: VerbResume, Step: "a"}, "held", "invalid_transition paused"},
		{Command{Verb: VerbCancel}, "failed", "canceled exceptions=2; b#10000 failed/failed"},
	} {
		r := situation(tt.when)
		r.e.Seq = MaxExecutions
		tt.cmd.NextID, tt.cmd.Fence = nextID, newFence
		c, err := r.decide(t, t0, func(w Workflow, e *Execution) (Change, error) { return Control(abc(), w, e, tt.cmd, t0) })
		expect(t, string(tt.cmd.Verb)+" at the limit when "+tt.when, show(c, err, t0), tt.want)
	}
}

func TestControlOfAStepThatIsNotThere(t *testing.T) {
	for _, tt := range []struct {
		verb Verb
		when string
		want string
	}{
		{VerbSkip, "failed", "unknown_step"}, {VerbResume, "failed", "unknown_step"}, {VerbReattempt, "executing", "unknown_step"},
		{VerbCancel, "executing", "canceled exceptions=2; gone#2 canceled/canceled"},
		{VerbFinish, "failed", "finished exceptions=2; gone#2 failed/failed"},
	} {
		r := situation(tt.when)
		r.w.CurrentStepName, r.e.StepName = "gone", "gone"
		c, err := r.decide(t, t0, func(w Workflow, e *Execution) (Change, error) {
			return Control(abc(), w, e, Command{Verb: tt.verb, NextID: nextID, Fence: newFence}, t0)
		})
		expect(t, string(tt.verb), show(c, err, t0), tt.want)
	}
}

func TestControlOfAnUnknownVerbOrABrokenRow(t *testing.T) {
	r := situation("executing")
	if _, err := Control(abc(), r.w, r.e, Command{Verb: "dance"}, t0); err == nil || CodeOf(err) != CodeInternal {
		t.Errorf("an unknown verb gives %v", err)
	}
	if _, err := Control(abc(), r.w, nil, Command{Verb: VerbPause}, t0); err == nil || CodeOf(err) != CodeInternal {
		t.Errorf("an open workflow without executions gives %v", err)
	}
}

func TestPatchData(t *testing.T) {
	tests := []struct{ data, patch, want string }{
		{`{"a":1}`, `{"a":2,"b":{"c":null}}`, `{"a":2,"b":{}}`},
		{`{"a":1}`, `{"a":null}`, `{}`},
		{`{"a":1}`, " {} ", `{"a":1}`},
		{`{}`, `[]`, "invalid_request"}, {`{}`, `null`, "invalid_request"}, {`{}`, `"x"`, "invalid_request"},
		{`{}`, ``, "unreadable_body"}, {`{}`, `{"a":1,"a":2}`, "unreadable_body"}, {`{}`, `{`, "unreadable_body"},
		{`{}`, `{"a":"` + string(slices.Repeat([]byte("x"), MaxDataBytes-8)) + `"}`, ""},
		{`{}`, `{"a":"` + string(slices.Repeat([]byte("x"), MaxDataBytes-7)) + `"}`, "data_too_large"},
	}
	for _, tt := range tests {
		for _, name := range []string{"executing", "held"} {
			r := situation(name)
			r.w.Data = []byte(tt.data)
			c, err := r.decide(t, t0, func(w Workflow, _ *Execution) (Change, error) { return PatchData(w, []byte(tt.patch), t0) })
			got := string(c.Workflow.Data)
			if err != nil {
				got = string(CodeOf(err))
			} else if tt.want == "" && len(got) == MaxDataBytes {
				got = ""
			}
			if got != tt.want {
				t.Errorf("%s patched with %.40s: %.80s, want %s", tt.data, tt.patch, got, tt.want)
			}
		}
	}
}

func TestPatchDataOfATerminalWorkflow(t *testing.T) {
	for _, name := range []string{"finished", "canceled"} {
		r := situation(name)
		_, err := PatchData(r.w, []byte(`{"a":1}`), t0)
		expect(t, name, show(Change{}, err, t0), "invalid_transition "+name)
	}
	_, err := PatchData(situation("finished").w, []byte(`[]`), t0)
	expect(t, "a patch that is none", string(CodeOf(err)), "invalid_request")
}
