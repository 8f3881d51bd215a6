package telemetry

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	dto "github.com/prometheus/client_model/go"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

// sample gives the value of a counter or gauge, or a histogram's count and sum, with labels as "name=value".
func sample(t *testing.T, m *Metrics, name string, labels ...string) (value, sum float64) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			if hasLabels(metric, labels) {
				if h := metric.GetHistogram(); h != nil {
					return float64(h.GetSampleCount()), h.GetSampleSum()
				}
				return metric.GetCounter().GetValue() + metric.GetGauge().GetValue(), 0
			}
		}
	}
	return -1, 0
}

func hasLabels(m *dto.Metric, labels []string) bool {
	have := map[string]bool{}
	for _, l := range m.GetLabel() {
		have[l.GetName()+"="+l.GetValue()] = true
	}
	for _, l := range labels {
		if !have[l] {
			return false
		}
	}
	return true
}

func ended(state domain.ExecutionState, outcome domain.Outcome, when time.Time) *domain.Execution {
	x := &domain.Execution{State: state, Outcome: outcome}
	switch state {
	case domain.ExecutionCompleted:
		x.CompletedAt = &when
	case domain.ExecutionFailed:
		x.FailedAt = &when
	case domain.ExecutionCanceled:
		x.CanceledAt = &when
	case domain.ExecutionSkipped:
		x.SkippedAt = &when
	}
	return x
}

func TestChangesAreCounted(t *testing.T) {
	long := at.Add(-time.Hour)
	open := domain.Workflow{Type: "Signup", State: domain.WorkflowReady, CreatedAt: long}
	finished, canceled, paused, pausedBefore := open, open, open, open
	finished.State, finished.FinishedAt = domain.WorkflowFinished, &at
	canceled.State, canceled.CanceledAt = domain.WorkflowCanceled, &at
	paused.State, paused.Pause = domain.WorkflowPaused, &domain.Pause{By: domain.PausedByFailure, At: at}
	pausedBefore.State, pausedBefore.Pause = domain.WorkflowPaused, &domain.Pause{By: domain.PausedByAPI, At: long}
	created, born := open, finished
	created.CreatedAt, born.CreatedAt = at, at
	scheduled := &domain.Execution{State: domain.ExecutionScheduled}
	attempt := func(code domain.ErrorCode) *domain.Attempt {
		return &domain.Attempt{Error: domain.ExecutionError{Code: code}}
	}
	for _, tc := range []struct {
		name     string
		change   domain.Change
		step, to string // "": not counted
		created  bool
	}{
		{"created", domain.Change{Workflow: created, Next: scheduled}, "", "", true},
		{"created without steps", domain.Change{Workflow: born}, "", "finished", true},
		{"completed, and on", domain.Change{Workflow: open, Execution: ended("completed", "completed", at), Next: scheduled}, "completed", "", false},
		{"the last one", domain.Change{Workflow: finished, Execution: ended("completed", "completed", at)}, "completed", "finished", false},
		{"skipped", domain.Change{Workflow: open, Execution: ended("skipped", "skipped", at), Next: scheduled}, "skipped", "", false},
		{"reattempted", domain.Change{Workflow: open, Execution: ended("completed", "reattempted", at), Next: scheduled}, "reattempted", "", false},
		{"canceled", domain.Change{Workflow: canceled, Execution: ended("canceled", "canceled", at)}, "canceled", "canceled", false},
		{"failed for good", domain.Change{Workflow: paused, Execution: ended("failed", "failed", at), Attempt: attempt("timeout")}, "failed", "paused_by_failure", false},
		{"retried", domain.Change{Workflow: open, Execution: scheduled, Attempt: attempt("timeout")}, "retried", "", false},
		{"interrupted", domain.Change{Workflow: open, Execution: scheduled, Attempt: attempt("interrupted")}, "interrupted", "", false},
		{"claimed", domain.Change{Workflow: open, Execution: &domain.Execution{State: domain.ExecutionExecuting}}, "", "", false},
		{"scheduled anew", domain.Change{Workflow: open, Execution: scheduled}, "", "", false},
		{"paused from outside, and nothing else", domain.Change{Workflow: paused}, "", "paused_by_failure", false},
		{"a pause that was there before", domain.Change{Workflow: pausedBefore, Execution: ended("completed", "completed", at), Next: scheduled}, "completed", "", false},
		{"a failure of before, resumed", domain.Change{Workflow: open, Execution: ended("failed", "failed", long), Next: scheduled}, "", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := New()
			m.Changed(&tc.change, at)
			m.Changed(&tc.change, at)
			count := func(metric, label string, want ...string) {
				t.Helper()
				want = slices.DeleteFunc(want, func(value string) bool { return value == "" })
				if got := counted(t, m, metric, label); !maps.Equal(got, twice(want)) {
					t.Errorf("%s is %v by %s, want 2 of each of %q", metric, got, label, want)
				}
			}
			created := ""
			if tc.created {
				created = "created"
			}
			count("genevadrive_transitions_total", "outcome", tc.step)
			count("genevadrive_workflow_transitions_total", "to", tc.to, created)
		})
	}
}

// counted is what a counter holds of the type Signup, by a label.
func counted(t *testing.T, m *Metrics, name, label string) map[string]float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name && hasLabels(metric, []string{"type=Signup"}) {
				for _, l := range metric.GetLabel() {
					if l.GetName() == label {
						got[l.GetValue()] = metric.GetCounter().GetValue()
					}
				}
			}
		}
	}
	return got
}

func twice(values []string) map[string]float64 {
	m := map[string]float64{}
	for _, v := range values {
		m[v] = 2
	}
	return m
}

func TestAttemptsAreMeasured(t *testing.T) {
	m := New()
	m.Attempted(engine.AttemptFigures{Took: 2 * time.Second, Late: time.Second, Delivered: true})
	m.Attempted(engine.AttemptFigures{Took: time.Millisecond})
	m.Attempted(engine.AttemptFigures{Took: 30 * time.Second, Late: 2 * time.Second, Delivered: true, Error: domain.ErrTimeout, Discarded: true})
	m.Committed(17)
	m.Rescued(engine.RescueDeadServer)
	m.Buried()
	for _, tc := range []struct {
		name, label string
		value, sum  float64
	}{
		{"genevadrive_attempt_duration_seconds", "result=ok", 1, 2},
		{"genevadrive_attempt_duration_seconds", "result=condition", 1, .001},
		{"genevadrive_attempt_duration_seconds", "result=timeout", 1, 30},
		{"genevadrive_step_lateness_seconds", "", 3, 3},
		{"genevadrive_commit_decisions", "", 1, 17},
		{"genevadrive_attempts_discarded_total", "", 1, 0},
		{"genevadrive_servers_buried_total", "", 1, 0},
		{"genevadrive_rescues_total", "why=dead_server", 1, 0},
		{"genevadrive_rescues_total", "why=unheard", 0, 0},
	} {
		var labels []string
		if tc.label != "" {
			labels = []string{tc.label}
		}
		if value, sum := sample(t, m, tc.name, labels...); value != tc.value || sum != tc.sum {
			t.Errorf("%s{%s} is %v (sum %v), want %v (sum %v)", tc.name, tc.label, value, sum, tc.value, tc.sum)
		}
	}
}

func TestTypesAreBounded(t *testing.T) {
	m := New()
	var all sync.WaitGroup
	for i := range maxTypes + 50 {
		all.Go(func() {
			w := domain.Workflow{Type: fmt.Sprintf("Type%d", i), CreatedAt: at}
			m.Changed(&domain.Change{Workflow: w}, at)
		})
	}
	all.Wait()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); f.GetName() == "genevadrive_workflow_transitions_total" && n != maxTypes+1 {
			t.Errorf("%d types have series, want %d and %q", n, maxTypes, otherTypes)
		}
	}
	if got, _ := sample(t, m, "genevadrive_workflow_transitions_total", "type=other"); got != 50 {
		t.Errorf("the other types are counted %v times, want 50", got)
	}
}

func TestTheHotPathAllocatesNothing(t *testing.T) {
	m := New()
	change := domain.Change{Workflow: domain.Workflow{Type: "Signup", ID: uuid.UUID{1}}, Execution: ended("completed", "completed", at)}
	if n := testing.AllocsPerRun(100, func() {
		m.Changed(&change, at)
		m.Attempted(engine.AttemptFigures{Took: time.Second, Delivered: true, Error: domain.ErrTimeout})
		m.Committed(1)
	}); n != 0 {
		t.Errorf("an attempt costs %v allocations", n)
	}
}

func BenchmarkAttempt(b *testing.B) {
	m := New()
	change := domain.Change{Workflow: domain.Workflow{Type: "Signup"}, Execution: ended("completed", "completed", at)}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Changed(&change, at)
			m.Attempted(engine.AttemptFigures{Took: time.Second, Delivered: true})
			m.Committed(1)
		}
	})
}

func TestNamesAreThoseOfOpenMetrics(t *testing.T) {
	m := New()
	m.Changed(&domain.Change{Workflow: domain.Workflow{Type: "Signup", CreatedAt: at}}, at)
	request := httptest.NewRequest("GET", "/metrics", nil)
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, request)
	body := answer.Body.String()
	for _, want := range []string{"# TYPE genevadrive_workflow_transitions counter\n", "# TYPE genevadrive_attempt_duration_seconds histogram\n",
		`genevadrive_workflow_transitions_total{to="created",type="Signup"} 1.0`, "go_goroutines ", "process_open_fds ", "process_resident_memory_bytes ", "# EOF\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("there is no %q in\n%s", want, body)
		}
	}
}
