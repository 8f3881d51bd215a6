package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// judge waits until all workflows have ended, or nothing has moved for a while, and then holds the database
// against the receiver's log.
type judge struct {
	system *system
	store  *persistence.Store
	steps  []string
}

func (s *system) judge(steps []map[string]any) (*judge, error) {
	store, err := persistence.Open(context.Background(), persistence.Config{URL: s.url, MaxConns: 4})
	if err != nil {
		return nil, err
	}
	s.program.Cleanup(func() { _ = store.Close() })
	j := &judge{system: s, store: store}
	for _, step := range steps {
		j.steps = append(j.steps, step["name"].(string))
	}
	return j, nil
}

// await waits until as many workflows have ended.
func (j *judge) await(n int, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		var ended int
		err := j.store.DB().NewSelect().ColumnExpr("count(*)").TableExpr("geneva_drive_workflows").
			Where("state IN ('finished', 'canceled', 'paused')").Scan(context.Background(), &ended)
		if err == nil && ended >= n {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s only %d of %d workflows have ended (%v)", patience, ended, n, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// verdict counts what must not be.
type verdict struct {
	lost        int // acknowledged, but not finished
	disorder    int // steps delivered or recorded out of order
	twice       int // an outcome applied more than once
	unexplained int // a delivery repeated without a new claim to explain it
	unknown     int // a delivery of no execution in the database
	interrupted int // executions that were interrupted at least once
	recoveries  []time.Duration
}

func (v verdict) err() error {
	if v.lost+v.disorder+v.twice+v.unexplained+v.unknown == 0 {
		return nil
	}
	return errors.New("the promises do not hold")
}

// check judges the acknowledged workflows.
func (j *judge) check(ids []string) (verdict, error) {
	entries, err := readLog(j.system.log)
	if err != nil {
		return verdict{}, err
	}
	deliveries := map[string][]entry{}
	for _, e := range entries {
		deliveries[e.ID] = append(deliveries[e.ID], e)
	}
	var v verdict
	known := map[string]bool{}
	for _, id := range ids {
		history, err := j.history(id)
		if err != nil {
			return v, err
		}
		row, err := j.store.Workflow(context.Background(), uuid.MustParse(id))
		if err != nil || row.Workflow.State != domain.WorkflowFinished {
			v.lost++
		}
		j.order(&v, history, deliveries)
		for _, x := range history {
			known[x.ID.String()] = true
			j.execution(&v, x, deliveries[x.ID.String()])
		}
	}
	for id := range deliveries {
		if !known[id] {
			v.unknown++
		}
	}
	return v, nil
}

func (j *judge) history(id string) ([]domain.Execution, error) {
	list, _, err := j.store.History(context.Background(), uuid.MustParse(id), persistence.Page{Limit: 200})
	return list, err
}

// order holds the steps of a workflow against the definition: each once, each begun after the one before.
func (j *judge) order(v *verdict, history []domain.Execution, deliveries map[string][]entry) {
	var names []string
	var last time.Time
	for _, x := range history {
		names = append(names, x.StepName)
		first := deliveries[x.ID.String()]
		if len(first) == 0 || first[0].At.Before(last) {
			v.disorder++
			return
		}
		last = first[0].At
	}
	switch {
	case slices.Equal(names, j.steps):
	case len(names) > len(j.steps):
		v.twice++
	default:
		v.disorder++
	}
}

// execution holds the deliveries of one execution against its claims: one for each attempt at the most.
func (j *judge) execution(v *verdict, x domain.Execution, deliveries []entry) {
	seen := map[string]bool{}
	for i, d := range deliveries {
		if seen[d.Attempt] || d.At.Before(d.Due.Add(-time.Millisecond)) {
			v.unexplained++
		}
		seen[d.Attempt] = true
		if i > 0 {
			v.recoveries = append(v.recoveries, d.At.Sub(deliveries[i-1].At))
		}
	}
	if len(deliveries) > x.Attempt {
		v.unexplained++
	}
	if x.Interruptions > 0 {
		v.interrupted++
	}
}

// percentile gives the p-th percentile of durations, 0 for none.
func percentile(list []time.Duration, p float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, int(p*float64(len(list))))]
}
