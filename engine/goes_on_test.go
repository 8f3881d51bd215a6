package engine

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// TestWhatGoesOnInItsSlot is which results let a next step follow at once, so that the receiver's unit is kept.
func TestWhatGoesOnInItsSlot(t *testing.T) {
	def, err := domain.ParseDefinition([]byte(`type: Chain
webhook: {url: "http://localhost:1/steps"}
steps:
  - name: one
  - name: two
  - name: elsewhere
    webhook: {url: "http://localhost:2/steps"}
  - name: later
    wait: PT1H
    callback_timeout: PT1H
  - name: last
`), domain.SourceYAML, domain.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	p, now := newPlan(def), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	says := func(action domain.Action) domain.Result {
		return domain.Result{Answer: &domain.Answer{Action: action}, Status: 200}
	}
	for name, tt := range map[string]struct {
		step   string
		result domain.Result
		want   bool
	}{
		"the next step is due at once":        {"one", says(domain.ActionComplete), true},
		"it is skipped to":                    {"one", says(domain.ActionSkip), true},
		"the next step goes elsewhere":        {"two", says(domain.ActionComplete), false},
		"the next step waits":                 {"elsewhere", says(domain.ActionComplete), false},
		"there is no next step":               {"last", says(domain.ActionComplete), false},
		"the workflow ends":                   {"one", says(domain.ActionFinish), false},
		"the workflow pauses":                 {"one", says(domain.ActionPause), false},
		"the answer comes later":              {"later", domain.Result{Later: true, Status: 202}, false},
		"it failed and is tried again, later": {"one", domain.Result{Failure: &domain.Failure{Retryable: true}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := &Engine{Config: Config{Now: func() time.Time { return now }}}
			x := domain.Execution{ID: uuid.Max, StepName: tt.step, State: domain.ExecutionExecuting, Fence: "f", ClaimedBy: uuid.Max, Attempt: 1, StartedAt: &now, Deadline: &now}
			w := domain.Workflow{State: domain.WorkflowPerforming, CurrentStepName: tt.step, CurrentExecutionID: uuid.Max}
			step, _, _ := def.Step(tt.step)
			x.Queue, x.Priority = step.Queue, step.Priority
			if got := e.goesOn(&claimed{plan: p, step: step, workflow: w, execution: x}, tt.result); got != tt.want {
				t.Errorf("goes on: %v, want %v", got, tt.want)
			}
		})
	}
}
