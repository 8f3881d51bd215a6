package main

import (
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"
)

// step is a step of a definition, as the API takes it.
type step = map[string]any

// chainSteps are the steps of the workflow of most rows: two due at once, two after a wait.
func chainSteps() []step {
	return []step{{"name": "one"}, {"name": "two", "wait": "PT1S"}, {"name": "three"}, {"name": "four", "wait": "PT0.5S"}}
}

// manner is how the receiver behaves towards a type of workflow.
type manner struct {
	think time.Duration // it takes between half of this and this
	fail  float64       // share of deliveries that it answers with 500
	later bool          // it answers 202 where a later answer may be given
}

// define registers a type whose steps go to the receiver. Attempts are many and close together, since the
// faults of a run are.
func (s *system) define(typ string, steps []step, m manner) error {
	query := url.Values{"think": {m.think.String()}, "fail": {fmt.Sprint(m.fail)}, "later": {fmt.Sprint(m.later)}}
	return s.until(patience, "PUT", "/v1/definitions/"+typ, "", map[string]any{
		"webhook": map[string]any{"url": s.receiver + "/?" + query.Encode(), "timeout": "PT10S", "max_in_flight": 400},
		"retry":   map[string]any{"max_attempts": 50, "initial": "PT0.2S", "multiplier": 1.5, "max": "PT2S"},
		"steps":   steps,
	}, nil)
}

// create makes a workflow and gives its id. It repeats the request, on any server, under one Idempotency-Key
// until it is acknowledged or patience ends.
func (s *system) create(typ, subject string) (string, error) {
	var w struct{ ID string }
	err := s.until(patience, "POST", "/v1/workflows", uuid.NewString(),
		map[string]any{"type": typ, "subject": map[string]any{"type": "Run", "id": subject}}, &w)
	return w.ID, err
}

// createMany makes n workflows over some connections, spread over a time, and gives the acknowledged ids.
func (s *system) createMany(typ string, n int, over time.Duration) (ids []string, err error) {
	return s.each(n, 16, over, func(i int) (string, error) { return s.create(typ, fmt.Sprintf("%s-%d", typ, i)) })
}

// each calls f for 0 to n-1 on some goroutines, spread over a time, and gives what it gave. After an error
// the rest is left out.
func (s *system) each(n, goroutines int, over time.Duration, f func(i int) (string, error)) (list []string, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	turn := make(chan int)
	for range goroutines {
		wg.Go(func() {
			for i := range turn {
				id, e := f(i)
				mu.Lock()
				if e != nil {
					err = e
				} else {
					list = append(list, id)
				}
				mu.Unlock()
			}
		})
	}
	started := time.Now()
	for i := range n {
		mu.Lock()
		failed := err != nil
		mu.Unlock()
		if failed {
			break
		}
		turn <- i
		if ahead := over*time.Duration(i)/time.Duration(n) - time.Since(started); ahead > 0 {
			time.Sleep(ahead)
		}
	}
	close(turn)
	wg.Wait()
	return list, err
}
