package telemetry

import (
	"database/sql"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

// Sources are the parts of a server whose figures are read when it is scraped.
type Sources struct {
	Version  string
	Role     engine.Role
	Queues   []string
	Engine   *engine.Engine
	Store    *persistence.Store
	Ready    *queue.ReadyList
	Doorbell queue.Doorbell
}

// Watch adds the figures of a server that has been put together. It is called once.
func (m *Metrics) Watch(s Sources) {
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": s.Version, "goversion": runtime.Version(), "dialect": s.Store.Dialect(), "role": string(s.Role)},
	}, func() float64 { return 1 })
	m.census = newCensus(s.Store, s.Queues)
	m.registry.MustRegister(build, figures{s}, m.census)
}

// figures are cheap: they are read at every scrape.
type figures struct{ Sources }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

var (
	readySteps    = describe("ready_steps", "Step executions that are due and wait here for a slot.", "queue")
	parkedSteps   = describe("parked_steps", "Of the ready ones, those that wait because their receiver, or their hook's, has max_in_flight deliveries.")
	heldSteps     = describe("held_steps", "Step executions held here until they are due.")
	inFlightSteps = describe("in_flight_steps", "Step executions on a slot of this server.")
	deliveries    = describe("in_flight_deliveries", "Attempts that are under way.")
	idleSlots     = describe("idle_slots", "Slots without work.")
	droppedSteps  = describe("ready_dropped_total", "Step executions the ready list had no room for; the sweep finds them again.")
	bells         = describe("doorbell_bells_total", "Bells of the doorbell: rung here, dropped here, arrived here.", "event")
	bellHealthy   = describe("doorbell_healthy", "1 while what is rung is expected to arrive.")
	leaseLive     = describe("lease_live", "1 while this server holds its lease, without which it claims nothing.")
	connections   = describe("database_connections", "Connections to the database.", "state")
	connMax       = describe("database_connections_max", "Connections to the database that there may be.")
	connWaits     = describe("database_connection_waits_total", "How often a statement had to wait for a connection.")
	connWaited    = describe("database_connection_wait_seconds_total", "How long statements waited for a connection, together.")
)

// Describe implements prometheus.Collector.
func (f figures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readySteps, parkedSteps, heldSteps, inFlightSteps, deliveries, idleSlots, droppedSteps,
		bells, bellHealthy, leaseLive, connections, connMax, connWaits, connWaited} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f figures) Collect(ch chan<- prometheus.Metric) {
	to := sink(ch)
	ready := f.Ready.Stats()
	for name, n := range ready.Ready {
		to.gauge(readySteps, float64(n), name)
	}
	to.gauge(parkedSteps, float64(ready.Parked))
	to.gauge(heldSteps, float64(ready.Held))
	to.gauge(inFlightSteps, float64(ready.Running))
	to.gauge(deliveries, float64(f.Engine.InFlight()))
	to.gauge(idleSlots, float64(ready.Idle))
	to.counter(droppedSteps, float64(ready.Dropped))

	rung := f.Doorbell.Stats()
	to.counter(bells, float64(rung.Rung), "rung")
	to.counter(bells, float64(rung.Dropped), "dropped")
	to.counter(bells, float64(rung.Arrived), "arrived")
	to.gauge(bellHealthy, truth(f.Doorbell.Healthy()))
	to.gauge(leaseLive, truth(f.Engine.LeaseLive()))
	to.pool(f.Store.Stats())
}

// sink is where a collector's metrics go.
type sink chan<- prometheus.Metric

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sink) counter(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (s sink) pool(stats sql.DBStats) {
	s.gauge(connections, float64(stats.InUse), "in_use")
	s.gauge(connections, float64(stats.Idle), "idle")
	s.gauge(connMax, float64(stats.MaxOpenConnections))
	s.counter(connWaits, float64(stats.WaitCount))
	s.counter(connWaited, stats.WaitDuration.Seconds())
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
