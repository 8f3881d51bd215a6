package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	connections = 16
	chainSteps  = 3
	chainEvery  = 20 * time.Millisecond
	patience    = 90 * time.Second
)

// load is what a round of throughput is made of; a zero field means the usual.
type load struct {
	typ         string // Chain
	workflows   int    // bench.workflows
	connections int    // connections
}

// speed is what a round measured.
type speed struct {
	rate float64 // steps a second
	cpu  float64 // CPU seconds for 1,000 steps, of all processes
}

// throughput runs workflows of three steps without a wait, from the first create to the last answer of the
// receiver, and fails unless each step was delivered once and all workflows end.
func (s *system) throughput(l load) (speed, error) {
	if l.typ == "" {
		l.typ = "Chain"
	}
	if l.workflows == 0 {
		l.workflows = s.bench.workflows
	}
	if l.connections == 0 {
		l.connections = connections
	}
	r, steps := s.bench.receiver, l.workflows*chainSteps
	if err := r.empty(); err != nil {
		return speed{}, err
	}
	cpu, began := cpuOf(s.processes()...), time.Now()
	if err := s.parallel(l.workflows, l.connections, func(c *connection) error { return c.create(l.typ, "", nil) }); err != nil {
		return speed{}, err
	}
	list, err := s.delivered(l.typ, steps)
	if err != nil {
		return speed{}, err
	}
	return speed{
		rate: float64(steps) / time.Unix(0, lastAnswer(list)).Sub(began).Seconds(),
		cpu:  (cpuOf(s.processes()...) - cpu).Seconds() / float64(steps) * 1000,
	}, nil
}

func lastAnswer(list []delivery) int64 {
	last := int64(0)
	for _, d := range list {
		last = max(last, d.Answered)
	}
	return last
}

// throughput is the floor's round: the same steps by as many workers. Its workflows are in the database before.
func (f *floor) throughput(s *system) (speed, error) {
	r, steps := s.bench.receiver, s.bench.workflows*chainSteps
	if err := r.empty(); err != nil {
		return speed{}, err
	}
	o := order{What: "prepare", Workflows: s.bench.workflows, Workers: connections}
	if _, err := f.do(o); err != nil {
		return speed{}, err
	}
	o.What = "perform"
	pids := append(s.storage(), f.pid)
	cpu := cpuOf(pids...)
	d, err := f.do(o)
	if err != nil {
		return speed{}, err
	}
	cpu = cpuOf(pids...) - cpu
	_, err = r.each(steps, patience)
	return speed{rate: float64(steps) / d.Took.Seconds(), cpu: cpu.Seconds() / float64(steps) * 1000}, err
}

func (s *system) throughputRows(f *floor) error {
	var floors, ours [2][]float64
	for round := range s.bench.rounds + 1 {
		theirs, err := f.throughput(s)
		if err != nil {
			return err
		}
		stop := s.profile("throughput", round)
		mine, err := s.throughput(load{})
		stop()
		if err != nil {
			return err
		}
		fmt.Printf("   %s: floor %.0f steps/s %.2f s, product %.0f steps/s %.2f s\n", s.kind, theirs.rate, theirs.cpu, mine.rate, mine.cpu)
		if round == 0 { // it warms up
			continue
		}
		floors[0], floors[1] = append(floors[0], theirs.rate), append(floors[1], theirs.cpu)
		ours[0], ours[1] = append(ours[0], mine.rate), append(ours[1], mine.cpu)
	}
	limit := 0.7
	if s.kind == "sqlite" {
		limit = 1.3
	}
	s.bench.report.compare("throughput", s, "%.0f steps/s", median(floors[0]), median(ours[0]), atLeast(1.5))
	s.bench.report.compare("CPU s per 1,000 steps, all processes", s, "%.3f", median(floors[1]), median(ours[1]), atMost(limit))
	return nil
}

// profile takes a CPU profile of the service in a round, if that is wanted; what it gives waits for its end.
func (s *system) profile(name string, round int) func() {
	if s.bench.profile == "" {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, err := http.Get("http://" + s.servers[0].ops + "/debug/pprof/profile?seconds=2")
		if err != nil {
			return
		}
		defer resp.Body.Close()
		if file, err := os.Create(filepath.Join(s.bench.profile, fmt.Sprintf("%s-%s-%d.pprof", s.kind, name, round))); err == nil {
			_, _ = io.Copy(file, resp.Body)
			_ = file.Close()
		}
	}()
	return func() { <-done }
}

// latency is what a round with about one chain at a time measured, in milliseconds.
type latency struct{ first, next, next99 float64 }

// latencyOf takes deliveries apart; sent says when each workflow began to be created.
func latencyOf(list []delivery, sent map[string]int64) (latency, error) {
	byWorkflow := map[string][]delivery{}
	for _, d := range list {
		byWorkflow[d.Workflow] = append(byWorkflow[d.Workflow], d)
	}
	var first, next []float64
	for id, at := range sent {
		steps := byWorkflow[id]
		if len(steps) != chainSteps {
			return latency{}, fmt.Errorf("the workflow %s had %d deliveries in place of %d", id, len(steps), chainSteps)
		}
		slices.SortFunc(steps, func(a, b delivery) int { return int(a.Arrived - b.Arrived) })
		first = append(first, float64(steps[0].Arrived-at)/1e6)
		for i := 1; i < len(steps); i++ {
			next = append(next, float64(steps[i].Arrived-steps[i-1].Answered)/1e6)
		}
	}
	return latency{first: median(first), next: median(next), next99: percentile(next, 0.99)}, nil
}

// latency creates a workflow every 20 ms over one connection.
func (s *system) latency() (latency, error) {
	r := s.bench.receiver
	if err := r.empty(); err != nil {
		return latency{}, err
	}
	c := s.connect(0)
	defer c.close()
	sent := map[string]int64{}
	tick := time.NewTicker(chainEvery)
	defer tick.Stop()
	for range s.bench.chains {
		<-tick.C
		at := time.Now().UnixNano()
		status, answer, err := c.send("POST", "/v1/workflows", workflowBody("Chain", ""))
		var w struct{ ID string }
		if err == nil {
			err = json.Unmarshal(answer, &w)
		}
		if err != nil || status != http.StatusCreated {
			return latency{}, fmt.Errorf("create: %d %w", status, err)
		}
		sent[w.ID] = at
	}
	list, err := s.delivered("Chain", s.bench.chains*chainSteps)
	if err != nil {
		return latency{}, err
	}
	return latencyOf(list, sent)
}

func (f *floor) latency(s *system) (latency, error) {
	r := s.bench.receiver
	if err := r.empty(); err != nil {
		return latency{}, err
	}
	d, err := f.do(order{What: "chains", Workflows: s.bench.chains, Every: chainEvery})
	if err != nil {
		return latency{}, err
	}
	list, err := r.each(s.bench.chains*chainSteps, patience)
	if err != nil {
		return latency{}, err
	}
	return latencyOf(list, d.Sent)
}

func (s *system) latencyRows(f *floor) error {
	var floors, ours []latency
	for range s.bench.latencies {
		theirs, err := f.latency(s)
		if err != nil {
			return err
		}
		mine, err := s.latency()
		if err != nil {
			return err
		}
		fmt.Printf("   %s: floor %.2f, product %.2f ms\n", s.kind, theirs, mine)
		floors, ours = append(floors, theirs), append(ours, mine)
	}
	limit := 1.25
	if s.kind == "sqlite" {
		limit = 1.3
	}
	report := s.bench.report
	report.compare("create → first POST, p50", s, "%.2f ms", medianOf(floors, firstOf), medianOf(ours, firstOf), atMost(1.5))
	report.compare("answer → next POST, p50", s, "%.2f ms", medianOf(floors, nextOf), medianOf(ours, nextOf), atMost(limit))
	report.add(row{name: "answer → next POST, p99", system: s, floor: fmt.Sprintf("%.2f ms", medianOf(floors, next99Of)),
		product: fmt.Sprintf("%.2f ms", medianOf(ours, next99Of)), target: "≤ 3 ms", verdict: holds(medianOf(ours, next99Of) <= 3)})
	return nil
}

func firstOf(l latency) float64  { return l.first }
func nextOf(l latency) float64   { return l.next }
func next99Of(l latency) float64 { return l.next99 }
