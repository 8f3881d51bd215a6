package telemetry

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// Metrics is the service's metrics: the Observer of an engine, and what /metrics answers.
type Metrics struct {
	registry *prometheus.Registry
	types    *types

	steps     *children[[2]string, prometheus.Counter] // by type and outcome
	workflows *children[[2]string, prometheus.Counter] // by type and state
	attempts  *children[string, prometheus.Observer]   // by result
	rescues   *children[engine.Rescue, prometheus.Counter]
	lateness  prometheus.Histogram
	decisions prometheus.Histogram
	discarded prometheus.Counter
	buried    prometheus.Counter
	requests  *children[request, prometheus.Counter]
	took      *children[request, prometheus.Observer] // whatever the status

	census *census // nil until Watch
}

// New makes the metrics of a server whose engine is not there yet: see Watch.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), types: newTypes()}
	m.steps = m.counters("transitions_total", "Step executions that ended, by outcome, or went back to wait: retried, interrupted.", "outcome")
	m.workflows = m.counters("workflow_transitions_total", "Workflows that were created, paused (by whom), finished or canceled.", "to")

	attempts := m.histograms("attempt_duration_seconds",
		"How long attempts took, conditions and hook included, by result: ok, condition (nothing was sent), or the error code.",
		[]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}, "result")
	m.attempts = newChildren(func(result string) prometheus.Observer { return attempts.WithLabelValues(result) })
	m.attempts.get("ok")
	m.lateness = m.histogram("step_lateness_seconds",
		"How long steps could have been claimed before they were, by the database's clock.",
		[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60, 300})
	m.decisions = m.histogram("commit_decisions", "Decisions that one transaction took together.",
		[]float64{1, 2, 4, 8, 16, 32, 64, 128})

	rescues := m.counterVec("rescues_total", "Steps that would have stood still without the sweep, by why.", "why")
	m.rescues = newChildren(func(why engine.Rescue) prometheus.Counter { return rescues.WithLabelValues(string(why)) })
	for _, why := range engine.Rescues {
		m.rescues.get(why)
	}
	m.discarded = m.counter("attempts_discarded_total", "Attempts whose claim had been taken away, so that they had no effect.")
	m.buried = m.counter("servers_buried_total", "Servers that this one declared dead.")
	m.measureRequests()
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers /metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Close ends what runs in the background.
func (m *Metrics) Close() {
	if m.census != nil {
		m.census.close()
	}
}

// Changed implements engine.Observer.
func (m *Metrics) Changed(change *domain.Change, now time.Time) {
	typ := m.types.label(change.Workflow.Type)
	if outcome := stepOutcome(change, now); outcome != "" {
		m.steps.get([2]string{typ, outcome}).Inc()
	}
	created, to := workflowMoves(change, now)
	if created {
		m.workflows.get([2]string{typ, "created"}).Inc()
	}
	if to != "" {
		m.workflows.get([2]string{typ, to}).Inc()
	}
}

// Attempted implements engine.Observer.
func (m *Metrics) Attempted(a engine.AttemptFigures) {
	result := string(a.Error)
	switch {
	case result != "":
	case a.Delivered:
		result = "ok"
	default:
		result = "condition"
	}
	m.attempts.get(result).Observe(a.Took.Seconds())
	m.lateness.Observe(a.Late.Seconds())
	if a.Discarded {
		m.discarded.Inc()
	}
}

// Committed implements engine.Observer.
func (m *Metrics) Committed(decisions int) { m.decisions.Observe(float64(decisions)) }

// Rescued implements engine.Observer.
func (m *Metrics) Rescued(r engine.Rescue) { m.rescues.get(r).Inc() }

// Buried implements engine.Observer.
func (m *Metrics) Buried() { m.buried.Inc() }

const namespace = "genevadrive"

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

// counters are by type and one more label.
func (m *Metrics) counters(name, help, label string) *children[[2]string, prometheus.Counter] {
	vec := m.counterVec(name, help, "type", label)
	return newChildren(func(labels [2]string) prometheus.Counter { return vec.WithLabelValues(labels[:]...) })
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}
