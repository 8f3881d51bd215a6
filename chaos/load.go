package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

// chainSteps are the steps of the workflow of most rows: two due at once, two after a wait.
var chainSteps = []map[string]any{
	{"name": "one"}, {"name": "two", "wait": "PT1S"}, {"name": "three"}, {"name": "four", "wait": "PT0.5S"},
}

// define registers a type whose steps go to the receiver. Attempts are many and close together, since the
// faults of a run are.
func (s *system) define(typ string, steps []map[string]any) error {
	_, err := s.call(s.servers[0], "PUT", "/v1/definitions/"+typ, "", map[string]any{
		"webhook": map[string]any{"url": s.receiver, "timeout": "PT10S", "max_in_flight": 200},
		"retry":   map[string]any{"max_attempts": 50, "initial": "PT0.2S", "multiplier": 1.5, "max": "PT2S"},
		"steps":   steps,
	}, nil)
	return err
}

// create makes a workflow and gives its id. It repeats the request, on any server, under one Idempotency-Key
// until it is acknowledged or patience ends.
func (s *system) create(typ, subject string, patience time.Duration) (string, error) {
	key := uuid.NewString()
	deadline := time.Now().Add(patience)
	for {
		var w struct{ ID string }
		v := s.servers[rand.IntN(len(s.servers))]
		status, err := s.call(v, "POST", "/v1/workflows", key,
			map[string]any{"type": typ, "subject": map[string]any{"type": "Run", "id": subject}}, &w)
		switch {
		case err == nil:
			return w.ID, nil
		case status >= 400 && status < 500:
			return "", err
		case time.Now().After(deadline):
			return "", fmt.Errorf("create was not acknowledged in %s: %w", patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// createMany makes n workflows over some connections, spread over a time, and gives the acknowledged ids.
func (s *system) createMany(typ string, n int, over time.Duration) (ids []string, err error) {
	const connections = 16
	var mu sync.Mutex
	var wg sync.WaitGroup
	turn := make(chan int)
	for range connections {
		wg.Go(func() {
			for i := range turn {
				id, e := s.create(typ, fmt.Sprint(i), time.Minute)
				mu.Lock()
				if e != nil {
					err = e
				} else {
					ids = append(ids, id)
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		turn <- i
		time.Sleep(over / time.Duration(n))
	}
	close(turn)
	wg.Wait()
	return ids, err
}
