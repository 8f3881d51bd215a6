package domain

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

func TestMoveTables(t *testing.T) {
	seen := map[string]bool{}
	once := func(machine, event string, from any) {
		key := fmt.Sprint(machine, event, from)
		if seen[key] {
			t.Errorf("%s: two rows for %s from %s", machine, event, from)
		}
		seen[key] = true
	}
	for _, m := range WorkflowMoves {
		for _, from := range m.From {
			once("workflow", m.Event, from)
			if from.Terminal() || !slices.Contains(WorkflowStates, from) || !slices.Contains(WorkflowStates, m.To) {
				t.Errorf("a workflow must not %s from %s to %s", m.Event, from, m.To)
			}
		}
	}
	given := map[Outcome]bool{}
	for _, m := range ExecutionMoves {
		given[m.Outcome] = true
		for _, from := range m.From {
			once("execution", m.Event, from)
			if !from.Open() || !slices.Contains(ExecutionStates, m.To) || m.To.Open() != (m.Outcome == "") {
				t.Errorf("an execution must not %s from %s to %s/%s", m.Event, from, m.To, m.Outcome)
			}
		}
	}
	for _, o := range Outcomes {
		if !given[o] {
			t.Errorf("no move gives the outcome %s", o)
		}
	}
}

// TestMovesAreTakenByTheTableOnly asks for every event in every state.
func TestMovesAreTakenByTheTableOnly(t *testing.T) {
	for _, m := range WorkflowMoves {
		for _, from := range WorkflowStates {
			w := Workflow{State: from, CurrentStepName: "b"}
			err := w.move(m.Event, t0)
			legal := slices.Contains(m.From, from)
			switch {
			case legal && (err != nil || w.State != m.To):
				t.Errorf("%s from %s gives %s, %v", m.Event, from, w.State, err)
			case !legal && (CodeOf(err) != CodeInvalidTransition || w.State != from):
				t.Errorf("%s from %s gives %s, %v", m.Event, from, w.State, err)
			}
		}
	}
	for _, m := range ExecutionMoves {
		for _, from := range ExecutionStates {
			e := Execution{State: from}
			err := e.move(m.Event, t0)
			legal := slices.Contains(m.From, from)
			switch {
			case legal && (err != nil || e.State != m.To || e.Outcome != m.Outcome):
				t.Errorf("%s from %s gives %s/%s, %v", m.Event, from, e.State, e.Outcome, err)
			case !legal && (CodeOf(err) != CodeInvalidTransition || e.State != from):
				t.Errorf("%s from %s gives %s, %v", m.Event, from, e.State, err)
			}
		}
	}
}

// TestEveryMoveIsReached performs everything that can be asked of every situation. What then happened must
// be the tables' moves, all of them and no others.
func TestEveryMoveIsReached(t *testing.T) {
	workflows, executions := map[string]bool{}, map[string]bool{}
	def := abc()
	rules := []func(w Workflow, e *Execution) (Change, error){
		func(w Workflow, e *Execution) (Change, error) { return Claim(w, *e, claimParams, t0) },
		func(w Workflow, e *Execution) (Change, error) { return HandBack(w, *e, claimFence, t0) },
		func(w Workflow, e *Execution) (Change, error) { return FailUnstarted(w, *e, ExecutionError{}, t0) },
		func(w Workflow, e *Execution) (Change, error) {
			return Interrupt(def, w, *e, "", SettleParams{Fence: claimFence, NextID: nextID}, newFence, t0)
		},
	}
	for _, verb := range Verbs {
		for _, step := range []string{"", "a"} {
			rules = append(rules, func(w Workflow, e *Execution) (Change, error) {
				return Control(def, w, e, Command{Verb: verb, Step: step, NextID: nextID, Fence: newFence}, t0)
			})
		}
	}
	settle := func(r Result) {
		rules = append(rules, func(w Workflow, e *Execution) (Change, error) {
			return Settle(def, w, *e, r, SettleParams{Fence: claimFence, NextID: nextID}, t0)
		})
	}
	for _, action := range actions {
		settle(Result{Answer: &Answer{Action: Action(action)}})
		for _, retryable := range []bool{true, false} {
			rules = append(rules, func(w Workflow, e *Execution) (Change, error) {
				return Callback(def, w, *e, &Answer{Action: Action(action), Retryable: retryable}, CallbackParams{NextID: nextID, Fence: newFence}, t0)
			})
		}
	}
	settle(Result{Later: true, Status: 202})
	settle(Result{Failure: &Failure{Retryable: true, RetryAfter: time.Minute}})
	settle(Result{Failure: &Failure{}})

	for _, policy := range []ExceptionAction{OnExceptionPause, OnExceptionCancel, OnExceptionSkip, OnExceptionReattempt} {
		for i := range def.Steps {
			def.Steps[i].OnException = OnException{Action: policy, MaxReattempts: 25}
			def.Steps[i].CallbackTimeout = time.Minute
		}
		for _, when := range slices.Concat(situations, lastSituations, waitingSituations) {
			before := situation(when)
			if before.e == nil {
				continue
			}
			for _, rule := range rules {
				c, err := before.decide(t, t0, rule)
				if err != nil || c.Unchanged {
					continue
				}
				if c.Workflow.State != before.w.State {
					workflows[fmt.Sprintf("%s to %s", before.w.State, c.Workflow.State)] = true
				}
				if c.Execution.State != before.e.State {
					executions[fmt.Sprintf("%s to %s/%s", before.e.State, c.Execution.State, c.Execution.Outcome)] = true
				}
			}
		}
	}

	wantWorkflows, wantExecutions := map[string]bool{}, map[string]bool{}
	for _, m := range WorkflowMoves {
		for _, from := range m.From {
			if from != m.To {
				wantWorkflows[fmt.Sprintf("%s to %s", from, m.To)] = true
			}
		}
	}
	for _, m := range ExecutionMoves {
		for _, from := range m.From {
			if from != m.To {
				wantExecutions[fmt.Sprintf("%s to %s/%s", from, m.To, m.Outcome)] = true
			}
		}
	}
	compare := func(machine string, got, want map[string]bool) {
		for _, move := range slices.Sorted(maps.Keys(want)) {
			if !got[move] {
				t.Errorf("%s: no rule ever moves %s, as the table says", machine, move)
			}
		}
		for _, move := range slices.Sorted(maps.Keys(got)) {
			if !want[move] {
				t.Errorf("%s: moved %s, which the table does not know", machine, move)
			}
		}
	}
	compare("workflow", workflows, wantWorkflows)
	compare("execution", executions, wantExecutions)
}
