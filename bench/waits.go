package main

import (
	"fmt"
	"time"
)

// lateness measures single steps with a wait of one to two seconds on a service that has nothing else to do,
// in milliseconds. A step that comes early is an error.
func (s *system) lateness() ([]float64, error) {
	r, n := s.bench.receiver, s.bench.single
	if err := r.empty(); err != nil {
		return nil, err
	}
	c := s.connect(0)
	defer c.close()
	due := map[string]time.Time{}
	for i := range n {
		var w struct {
			ID      string
			Current struct {
				Due time.Time `json:"scheduled_for"`
			} `json:"current_execution"`
		}
		wait := fmt.Sprintf(`,"wait":"PT1.%03dS"`, (i*377)%1000) // spread over the second
		if err := c.create("Single", wait, &w); err != nil {
			return nil, err
		}
		due[w.ID] = w.Current.Due
		time.Sleep(100 * time.Millisecond)
	}
	list, err := s.delivered("Single", n)
	if err != nil {
		return nil, err
	}
	var late []float64
	for _, d := range list {
		by := time.Unix(0, d.Arrived).Sub(due[d.Workflow])
		if by < 0 {
			return nil, fmt.Errorf("the step of %s came %s early", d.Workflow, -by)
		}
		late = append(late, float64(by)/1e6)
	}
	return late, nil
}

func (s *system) latenessRow() error {
	late, err := s.lateness()
	if err != nil {
		return err
	}
	p50, p99 := 10.0, 50.0
	if s.kind == "sqlite" {
		p50, p99 = 5, 20
	}
	s.bench.report.limit("lateness of single delayed steps, p50", s, "%.1f ms", median(late), atMost(p50))
	s.bench.report.limit("lateness of single delayed steps, p99", s, "%.1f ms", percentile(late, 0.99), atMost(p99))
	return nil
}

// burstRow makes many steps due at the same second and measures when the last one starts.
func (s *system) burstRow() error {
	n := s.bench.burst
	due, err := s.makeBurst(n)
	if err != nil {
		return err
	}
	list, err := s.delivered("Single", n)
	if err != nil {
		return err
	}
	first, last := list[0].Arrived, int64(0)
	for _, d := range list {
		first, last = min(first, d.Arrived), max(last, d.Arrived)
	}
	if first < due.UnixNano() {
		return fmt.Errorf("the first of %d steps came %s early", n, due.Sub(time.Unix(0, first)))
	}
	s.bench.report.limit(fmt.Sprintf("%d steps due at the same second: all started within", n), s, "%.2f s", time.Unix(0, last).Sub(due).Seconds(), atMost(4))
	return nil
}

// makeBurst creates workflows whose steps are due at the second it gives; if the machine was too slow to have
// them all before, once more with more time.
func (s *system) makeBurst(n int) (due time.Time, err error) {
	for _, lead := range []time.Duration{10 * time.Second, 40 * time.Second} {
		if err = s.bench.receiver.empty(); err != nil {
			return due, err
		}
		due = time.Now().Add(lead).Truncate(time.Second)
		at := fmt.Sprintf(`,"at":%q`, due.UTC().Format(time.RFC3339))
		if err = s.createBatches("Single", at, n); err != nil {
			return due, err
		}
		if time.Now().Before(due.Add(-2 * time.Second)) {
			return due, nil
		}
		if _, err = s.bench.receiver.each(n, patience); err != nil {
			return due, err
		}
	}
	return due, fmt.Errorf("creating %d workflows took until shortly before they were due", n)
}
