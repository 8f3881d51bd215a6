package app

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newMetrics gives what /metrics answers: the build, the process, and this server's queue, doorbell and
// connections as they are at the moment of the scrape.
func (a *App) newMetrics() http.Handler {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "genevadrive_build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": a.version, "goversion": runtime.Version(), "dialect": a.store.Dialect(), "role": string(a.cfg.Role)},
	}, func() float64 { return 1 })
	registry.MustRegister(build, figures{a}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// figures reads the parts of an App when it is scraped.
type figures struct{ app *App }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("genevadrive_"+name, help, labels, nil)
}

var (
	readySteps    = describe("ready_steps", "Step executions that are due and wait here for a slot.", "queue")
	parkedSteps   = describe("parked_steps", "Of the ready ones, those that wait because their receiver has max_in_flight deliveries.")
	heldSteps     = describe("held_steps", "Step executions held here until they are due.")
	inFlightSteps = describe("in_flight_steps", "Step executions on a slot of this server.")
	idleSlots     = describe("idle_slots", "Slots without work.")
	droppedSteps  = describe("ready_dropped_total", "Step executions the ready list had no room for; the sweep finds them again.")
	bells         = describe("doorbell_bells_total", "Bells of the doorbell.", "event")
	bellHealthy   = describe("doorbell_healthy", "1 while what is rung is expected to arrive.")
	connections   = describe("database_connections", "Connections to the database.", "state")
	connWaits     = describe("database_connection_waits_total", "How often a statement had to wait for a connection.")
)

// Describe implements prometheus.Collector.
func (f figures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readySteps, parkedSteps, heldSteps, inFlightSteps, idleSlots, droppedSteps, bells, bellHealthy, connections, connWaits} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f figures) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	ready := f.app.ready.Stats()
	for name, n := range ready.Ready {
		gauge(readySteps, float64(n), name)
	}
	gauge(parkedSteps, float64(ready.Parked))
	gauge(heldSteps, float64(ready.Held))
	gauge(inFlightSteps, float64(ready.Running))
	gauge(idleSlots, float64(ready.Idle))
	counter(droppedSteps, ready.Dropped)

	rung := f.app.doorbell.Stats()
	counter(bells, rung.Rung, "rung")
	counter(bells, rung.Dropped, "dropped")
	counter(bells, rung.Arrived, "arrived")
	healthy := 0.0
	if f.app.doorbell.Healthy() {
		healthy = 1
	}
	gauge(bellHealthy, healthy)

	pool := f.app.store.Stats()
	gauge(connections, float64(pool.InUse), "in_use")
	gauge(connections, float64(pool.Idle), "idle")
	counter(connWaits, uint64(pool.WaitCount))
}
