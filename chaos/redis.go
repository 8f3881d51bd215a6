package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// flushAll empties Redis while executions wait, several times, and measures how late they start.
func flushAll(s *system, n, times int) error {
	wait := 20 * time.Second
	steps := []map[string]any{{"name": "waits", "wait": wait.String()}}
	if err := s.define("Waits", steps); err != nil {
		return err
	}
	opts, err := redis.ParseURL(s.redis.URL)
	if err != nil {
		return err
	}
	client := redis.NewClient(opts)
	defer client.Close()
	ids, err := s.createMany("Waits", n, wait/2)
	if err != nil {
		return err
	}
	for range times {
		if err := client.FlushAll(context.Background()).Err(); err != nil {
			return err
		}
		time.Sleep(500 * time.Millisecond)
	}
	return s.lateness("Waits", steps, ids, wait+time.Minute)
}

// lateness waits for the workflows to end, judges them, and notes how late their steps were delivered.
func (s *system) lateness(typ string, steps []map[string]any, ids []string, patience time.Duration) error {
	j, err := s.judge(steps)
	if err != nil {
		return err
	}
	unfinished := j.await(len(ids), patience)
	v, err := j.check(ids)
	if err != nil {
		return errors.Join(unfinished, err)
	}
	entries, err := readLog(s.log)
	if err != nil {
		return err
	}
	var late []time.Duration
	for _, e := range entries {
		late = append(late, e.At.Sub(e.Due))
	}
	worst := percentile(late, 1)
	s.note("%d of %s ran, %d lost, %d unexplained duplicates, lateness p50 %d ms, worst %.1f s",
		len(ids)-v.lost, typ, v.lost, v.unexplained+v.unknown, percentile(late, 0.5).Milliseconds(), worst.Seconds())
	if worst > 8*time.Second { // 5 s and the backlog of this load
		unfinished = errors.Join(unfinished, fmt.Errorf("a step was %.1f s late", worst.Seconds()))
	}
	return errors.Join(unfinished, v.err())
}

// redisAway stops Redis for a time under load.
func redisAway(s *system, n int, away time.Duration) error {
	if err := s.define("Chain", chainSteps); err != nil {
		return err
	}
	type made struct {
		ids []string
		err error
	}
	created := make(chan made, 1)
	started := time.Now()
	if err := s.redis.Kill(); err != nil {
		return err
	}
	go func() {
		ids, err := s.createMany("Chain", n, away)
		created <- made{ids, err}
	}()
	time.Sleep(away - time.Since(started))
	if err := s.redis.Start(); err != nil {
		return err
	}
	m := <-created
	if m.err != nil {
		return m.err
	}
	return s.lateness("Chain", chainSteps, m.ids, 2*time.Minute)
}
