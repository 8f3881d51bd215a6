package main

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

const (
	batchSize        = 1000
	batchConnections = 4
	batchRinging     = 500 * time.Millisecond // until the bells of batches have rung, in the background
)

// creates measures creates of a workflow whose first step is due in a month, in workflows a second.
func (s *system) creates() (float64, error) {
	began := time.Now()
	err := s.parallel(s.bench.size.creates, connections, func(c *connection) error { return c.create("Sleeper", "", nil) })
	return float64(s.bench.size.creates) / time.Since(began).Seconds(), err
}

// createBatches makes workflows by requests of a thousand, and fails unless each is made.
func (s *system) createBatches(typ, more string, n int) error {
	return s.parallel(n/batchSize, batchConnections, func(c *connection) error {
		all := make([][]byte, batchSize)
		for i := range all {
			all[i] = workflowBody(typ, more)
		}
		return c.createBatch(all)
	})
}

// createBatch makes all these workflows by one request. Of the answer it reads no more than create does: what became of
// each.
func (c *connection) createBatch(workflows [][]byte) error {
	body := append(append([]byte(`{"workflows":[`), bytes.Join(workflows, []byte(","))...), "]}"...)
	status, text, err := c.send("POST", "/v1/workflows/batch", body)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("batch create: %d %.300s %w", status, text, err)
	}
	if made := bytes.Count(text, []byte(`"status":201`)); made != len(workflows) {
		return fmt.Errorf("batch create made %d of %d workflows", made, len(workflows))
	}
	return nil
}

func (s *system) createRows(f *floor) error {
	var floors, ours, batches []float64
	n := s.bench.size.creates
	for round := range s.bench.rounds {
		d, err := f.do(order{What: "creates", Workflows: n, Workers: connections})
		if err != nil {
			return err
		}
		stop := s.profile("creates", round)
		single, err := s.creates()
		stop()
		if err != nil {
			return err
		}
		inBatches := 4 * n // which takes about as long
		began := time.Now()
		if err := s.createBatches("Sleeper", "", inBatches); err != nil {
			return err
		}
		batch := float64(inBatches) / time.Since(began).Seconds()
		time.Sleep(batchRinging)
		floors, ours, batches = append(floors, float64(n)/d.Took.Seconds()), append(ours, single), append(batches, batch)
		fmt.Printf("   %s: floor %.0f, product %.0f, batches %.0f creates/s\n", s.kind, floors[len(floors)-1], single, batch)
	}
	limit := 1.1
	if s.kind == "sqlite" {
		limit = 1
	}
	s.bench.report.compare("creates with a delayed first step, 16 connections", s, "%.0f/s", median(floors), median(ours), atLeast(limit))
	s.bench.report.compare(fmt.Sprintf("batch create, %d connections ÷ single creates (in place of the floor)", batchConnections), s, "%.0f/s", median(ours), median(batches), atLeast(4))
	return nil
}
