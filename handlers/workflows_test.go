package handlers

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// Each value of a row stands under its own name; what it has not is null.
func TestWorkflowAndExecutionViews(t *testing.T) {
	after := func(seconds int) *time.Time {
		at := someTime.Add(time.Duration(seconds) * time.Second)
		return &at
	}
	id := func(last string) uuid.UUID { return uuid.MustParse(workflowID[:35] + last) }
	fault := &domain.ExecutionError{Code: domain.ErrHTTPStatus, Message: "no", Backtrace: "line 1", Status: 500}
	execution := domain.Execution{ID: id("1"), WorkflowID: id("2"), Seq: 3, StepName: "remind", State: domain.ExecutionFailed, Outcome: domain.OutcomeFailed,
		Attempt: 4, ScheduledFor: someTime, StartedAt: after(1), CompletedAt: after(2), FailedAt: after(3), CanceledAt: after(4), SkippedAt: after(5),
		Error: fault, Reason: "why", Queue: "critical", Priority: 7, JobID: "job", CreatedAt: *after(6)}
	workflow := domain.Workflow{ID: id("2"), Type: "Signup", DefinitionVersion: 8, SubjectType: "User", SubjectID: "42", State: domain.WorkflowPaused,
		CurrentStepName: "remind", AllowMultiple: true, Data: json.RawMessage(`{"n":1.50}`), Pause: &domain.Pause{By: domain.PausedByAnswer, Reason: "later", At: *after(7)},
		StartedAt: after(8), FinishedAt: after(9), CanceledAt: after(10), CreatedAt: *after(11), UpdatedAt: *after(12)}
	at := func(second string) string { return `"2026-01-02T03:04:` + second + `.000006Z"` }
	shown := `{"attempt":4,"canceled_at":` + at("09") + `,"completed_at":` + at("07") + `,"created_at":` + at("11") +
		`,"error":{"backtrace":"line 1","code":"http_status","message":"no","status":500},"failed_at":` + at("08") +
		`,"id":"` + id("1").String() + `","job_id":"job","outcome":"failed","priority":7,"queue":"critical","reason":"why","scheduled_for":` + at("05") +
		`,"seq":3,"skipped_at":` + at("10") + `,"started_at":` + at("06") + `,"state":"failed","step_name":"remind","workflow_id":"` + id("2").String() + `"}`
	for name, tt := range map[string]struct {
		view any
		want string
	}{
		"a step execution": {executionView(execution), shown},
		"a scheduled one": {executionView(domain.Execution{ID: id("1"), WorkflowID: id("2"), Seq: 1, StepName: "a", State: domain.ExecutionScheduled, ScheduledFor: someTime,
			Queue: "default", CreatedAt: someTime}),
			`{"attempt":0,"canceled_at":null,"completed_at":null,"created_at":` + at("05") + `,"error":null,"failed_at":null,"id":"` + id("1").String() +
				`","job_id":null,"outcome":null,"priority":0,"queue":"default","reason":null,"scheduled_for":` + at("05") +
				`,"seq":1,"skipped_at":null,"started_at":null,"state":"scheduled","step_name":"a","workflow_id":"` + id("2").String() + `"}`},
		"a workflow": {workflowView(engine.Workflow{Workflow: workflow, Current: &execution}),
			`{"allow_multiple":true,"canceled_at":` + at("15") + `,"created_at":` + at("16") + `,"current_execution":` + shown +
				`,"current_step_name":"remind","data":{"n":1.50},"definition_version":8,"finished_at":` + at("14") + `,"id":"` + id("2").String() +
				`","pause":{"at":` + at("12") + `,"by":"answer","reason":"later"},"paused_at":` + at("12") + `,"started_at":` + at("13") +
				`,"state":"paused","subject":{"id":"42","type":"User"},"type":"Signup","updated_at":` + at("17") + `}`},
		"an attempt": {attemptView(engine.Attempt{Attempt: 2, StartedAt: someTime, DurationMS: 31, Status: 500, Error: fault, Excerpt: "oops"}),
			`{"attempt":2,"duration_ms":31,"error":{"backtrace":"line 1","code":"http_status","message":"no","status":500},"response_excerpt":"oops","started_at":` + at("05") + `,"status":500}`},
		"a successful one": {attemptView(engine.Attempt{Attempt: 1, StartedAt: someTime, DurationMS: 5}),
			`{"attempt":1,"duration_ms":5,"error":null,"response_excerpt":null,"started_at":` + at("05") + `,"status":null}`},
	} {
		got, err := json.Marshal(tt.view)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s is shown as\n%s, %v, want\n%s", name, got, err, tt.want)
		}
	}
}
