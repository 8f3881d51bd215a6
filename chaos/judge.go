package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// evidence is what a row has left behind: what was promised to clients, the database and the receiver's log.
type evidence struct {
	steps      []string // of the definition
	promised   []string // ids that creates were answered with
	workflows  map[string]*workflow
	deliveries []entry
	faults     []fault
	handBacks  bool // servers were stopped in order, and may have handed steps back
}

// charges is what the evidence proves against the service, and the figures beside it.
type charges struct {
	lost       []string // promised, but not finished
	disorder   []string // delivered or recorded out of order
	twice      []string // an outcome applied twice, or one that no delivery explains
	duplicates []string // a delivery repeated without a fault to explain it
	early      []string // delivered before it was due
	strangers  []string // a delivery or workflow that nobody asked for

	repeated    int // deliveries beyond the first
	interrupted int
	handedBack  int
	most        int             // interruptions of one execution
	recoveries  []time.Duration // from the claim of an interrupted attempt to the next one
	restarts    []time.Duration // and from when what was broken had come back
}

// err is nil if nothing is proven.
func (c *charges) err() error {
	var list []string
	for _, charge := range []struct {
		what  string
		cases []string
	}{{"lost", c.lost}, {"out of order", c.disorder}, {"outcome twice", c.twice}, {"unexplained", c.duplicates}, {"early", c.early}, {"unknown", c.strangers}} {
		if len(charge.cases) > 0 {
			list = append(list, fmt.Sprintf("%d %s: %s", len(charge.cases), charge.what, strings.Join(charge.cases[:min(2, len(charge.cases))], ", ")))
		}
	}
	if len(list) == 0 {
		return nil
	}
	return errors.New(strings.Join(list, "; "))
}

// summary is for the report.
func (c *charges) summary() string {
	return fmt.Sprintf("%d lost, %d out of order, %d outcomes twice, %d early, %d unexplained of %d repeated deliveries",
		len(c.lost), len(c.disorder), len(c.twice), len(c.early), len(c.duplicates)+len(c.strangers), c.repeated)
}

// judge holds workflows that each should have gone through all steps once against the receiver's log.
func judge(e evidence) *charges {
	c := &charges{}
	byExecution := map[string][]entry{}
	for _, d := range e.deliveries {
		byExecution[d.ID] = append(byExecution[d.ID], d)
	}
	promised := map[string]bool{}
	for _, id := range e.promised {
		if promised[id] {
			c.twice = append(c.twice, "two creates were answered with the workflow "+id)
		}
		promised[id] = true
		w := e.workflows[id]
		if w == nil || w.state != "finished" {
			c.lost = append(c.lost, fmt.Sprintf("workflow %s is %s", id, stateOf(w)))
			continue
		}
		c.order(e, w, byExecution)
		c.data(w)
		for _, x := range w.history {
			c.execution(e, x, byExecution[x.id])
			delete(byExecution, x.id)
		}
	}
	for id, w := range e.workflows {
		if !promised[id] {
			c.strangers = append(c.strangers, "nobody was told of workflow "+id)
		}
		for _, x := range w.history {
			delete(byExecution, x.id)
		}
	}
	for id, list := range byExecution {
		c.strangers = append(c.strangers, fmt.Sprintf("step execution %s, delivered for workflow %s, is not in the database", id, list[0].Workflow))
	}
	return c
}

func stateOf(w *workflow) string {
	if w == nil {
		return "not there"
	}
	if len(w.history) == 0 {
		return w.state + " without a history"
	}
	x := w.history[len(w.history)-1]
	return fmt.Sprintf("%s at %s, which is %s/%s after %d attempts and %d interruptions", w.state, x.step, x.state, x.outcome, x.attempt, x.interruptions)
}

// order holds the history of a workflow against the definition: each step once, each begun after the answer
// of the one before was given.
func (c *charges) order(e evidence, w *workflow, deliveries map[string][]entry) {
	var names []string
	var before time.Time
	for i, x := range w.history {
		names = append(names, x.step)
		if x.seq != i+1 || x.state != "completed" || x.outcome != "completed" {
			c.disorder = append(c.disorder, fmt.Sprintf("workflow %s has %s as number %d with %s/%s", w.id, x.step, x.seq, x.state, x.outcome))
		}
		var counted *entry
		for _, d := range deliveries[x.id] {
			if d.At.Before(before) {
				c.disorder = append(c.disorder, fmt.Sprintf("workflow %s: %s was delivered before the step before it had been", w.id, x.step))
			}
			if d.Attempt == x.attempt {
				counted = &d
			}
		}
		if counted == nil {
			c.twice = append(c.twice, fmt.Sprintf("%s of workflow %s has the outcome of attempt %d, which was not delivered", x.step, w.id, x.attempt))
			return
		}
		before = counted.At
	}
	switch {
	case slices.Equal(names, e.steps):
	case len(names) > len(e.steps):
		c.twice = append(c.twice, fmt.Sprintf("workflow %s went through %v", w.id, names))
	default:
		c.disorder = append(c.disorder, fmt.Sprintf("workflow %s went through %v", w.id, names))
	}
}

// data holds a workflow's data, to which every answer that was applied adds, against the attempt each step
// says it took the outcome of.
func (c *charges) data(w *workflow) {
	var left map[string]string
	if err := json.Unmarshal([]byte(w.data), &left); err != nil {
		c.twice = append(c.twice, fmt.Sprintf("the data of workflow %s cannot be read: %v", w.id, err))
		return
	}
	want := map[string]string{}
	for _, x := range w.history {
		if x.state == "completed" {
			want[x.step] = applied(x.id, x.attempt)
		}
	}
	for name, value := range want {
		if left[name] != value {
			c.twice = append(c.twice, fmt.Sprintf("workflow %s has the answer %s in its data where %s was recorded as applied", w.id, left[name], value))
		}
	}
	for name := range left {
		if want[name] == "" {
			c.twice = append(c.twice, fmt.Sprintf("workflow %s has an answer of %s in its data, which was not completed", w.id, name))
		}
	}
}

// execution holds the deliveries of a completed execution against its attempts: one delivery of each at the
// most, and for every attempt but the last a fault that explains why there was another.
func (c *charges) execution(e evidence, x *execution, deliveries []entry) {
	c.most = max(c.most, x.interruptions)
	c.repeated += max(0, len(deliveries)-1)
	seen := map[int]bool{}
	for _, d := range deliveries {
		if seen[d.Attempt] || d.Attempt > x.attempt {
			c.duplicates = append(c.duplicates, fmt.Sprintf("attempt %d of step execution %s was delivered twice or never claimed", d.Attempt, x.id))
		}
		seen[d.Attempt] = true
		if d.At.Before(d.Due.Add(-clockSlack)) {
			c.early = append(c.early, fmt.Sprintf("step execution %s, %s too early", x.id, d.Due.Sub(d.At)))
		}
	}
	recorded := map[int]attempt{}
	interruptions := 0
	for _, a := range x.attempts {
		recorded[a.number] = a
		if a.code == "interrupted" {
			interruptions++
			c.interrupted++
			if next, ok := startOf(x, a.number+1); ok {
				c.recoveries = append(c.recoveries, next.Sub(a.started))
				if i := slices.IndexFunc(e.faults, func(f fault) bool { return f.to.After(a.started) }); i >= 0 {
					c.restarts = append(c.restarts, max(0, next.Sub(e.faults[i].to)))
				}
			}
		}
	}
	if interruptions != x.interruptions {
		c.duplicates = append(c.duplicates, fmt.Sprintf("step execution %s counts %d interruptions and records %d", x.id, x.interruptions, interruptions))
	}
	for n := 1; n < x.attempt; n++ {
		a, ok := recorded[n]
		switch {
		case !ok && e.handBacks:
			c.handedBack++
		case !ok && !seen[n] && len(e.faults) > 0: // its claim was heard of too late for a delivery
			c.handedBack++
		case !ok:
			c.duplicates = append(c.duplicates, fmt.Sprintf("nothing says what became of attempt %d of step execution %s", n, x.id))
		case !e.explained(a):
			c.duplicates = append(c.duplicates, fmt.Sprintf("attempt %d of step execution %s was %s while nothing was broken", n, x.id, a.code))
		}
	}
}

// clockSlack is what the clocks of two processes of one machine may differ by, rounding included.
const clockSlack = time.Millisecond

// explained tells whether a fault explains that an attempt came to nothing: a delivery that took too long is
// its own explanation, an interruption needs something to have been broken after its claim.
func (e evidence) explained(a attempt) bool {
	switch a.code {
	case "timeout":
		return true
	case "interrupted":
		end := a.started.Add(a.took + time.Second)
		return slices.ContainsFunc(e.faults, func(f fault) bool { return f.from.Before(end) && f.to.After(a.started) })
	}
	return false
}

// startOf is when an attempt of a completed execution was claimed.
func startOf(x *execution, n int) (time.Time, bool) {
	if n == x.attempt {
		return x.started, true
	}
	for _, a := range x.attempts {
		if a.number == n {
			return a.started, true
		}
	}
	return time.Time{}, false
}

// percentile gives the p-th percentile of durations, 0 for none.
func percentile(list []time.Duration, p float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}
