package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// capacity measures how many steps a second the servers perform of a burst that is due at one moment, while
// nothing is broken.
func (s *system) capacity(n int) (float64, error) {
	if err := s.define("Burst", []step{{"name": "burst"}}, manner{}); err != nil {
		return 0, err
	}
	due := time.Now().Add(time.Duration(n)*4*time.Millisecond + 2*time.Second)
	_, err := s.each(n, 16, 0, func(i int) (string, error) {
		return "", s.until(patience, "POST", "/v1/workflows", uuid.NewString(), map[string]any{"type": "Burst",
			"subject": map[string]any{"type": "Run", "id": fmt.Sprint(i)}, "at": due.UTC().Format(time.RFC3339Nano)}, nil)
	})
	if err != nil {
		return 0, err
	}
	if err := s.await("Burst", n, patience, "finished"); err != nil {
		return 0, err
	}
	entries, err := s.deliveriesOf("burst")
	if err != nil {
		return 0, err
	}
	first, last := entries[0].At, entries[0].At
	for _, e := range entries {
		if e.At.Before(first) {
			first = e.At
		}
		if e.At.After(last) {
			last = e.At
		}
	}
	return float64(n) / max(last.Sub(first), time.Millisecond).Seconds(), nil
}

// deliveriesOf gives the first delivery of each execution of some steps.
func (s *system) deliveriesOf(names ...string) ([]entry, error) {
	entries, err := readLog(s.log)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var list []entry
	for _, e := range entries {
		if slices.Contains(names, e.Step) && !seen[e.ID] {
			seen[e.ID] = true
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("nothing of %v was delivered", names)
	}
	return list, nil
}

// lateness gives how late each delivery was, and how much of that is more than its backlog: what a queue
// that performs rate steps a second, in the order in which they are due, would still have had before it.
func lateness(deliveries []entry, rate float64) (late, beyond []time.Duration) {
	sorted := slices.SortedFunc(slices.Values(deliveries), func(a, b entry) int { return a.Due.Compare(b.Due) })
	each := time.Duration(float64(time.Second) / rate)
	var free time.Time // when the queue would have performed all that was due before
	for _, d := range sorted {
		if free.Before(d.Due) {
			free = d.Due
		}
		free = free.Add(each)
		late = append(late, d.At.Sub(d.Due))
		beyond = append(beyond, d.At.Sub(free))
	}
	return late, beyond
}

// punctual judges the lateness of some steps: beyond their backlog by grace at the most.
func (s *system) punctual(rate float64, grace time.Duration, names ...string) error {
	deliveries, err := s.deliveriesOf(names...)
	if err != nil {
		return err
	}
	late, beyond := lateness(deliveries, rate)
	worst := percentile(beyond, 1)
	s.note("late by %.2f s at the median, p99 %.2f s, at most %.2f s; beyond the backlog of a queue at half the %.0f steps/s of an undisturbed burst at most %.2f s",
		percentile(late, 0.5).Seconds(), percentile(late, 0.99).Seconds(), percentile(late, 1).Seconds(), 2*rate, max(0, worst).Seconds())
	if worst > grace {
		return fmt.Errorf("a step was %.1f s late beyond its backlog", worst.Seconds())
	}
	return nil
}

// flushAll empties Redis while executions wait and while they become due.
func flushAll(s *system, n, times int, grace time.Duration) error {
	if err := s.measureBaseline(); err != nil {
		return err
	}
	rate, err := s.capacity(min(n/5, 1000))
	if err != nil {
		return err
	}
	opts, err := redis.ParseURL(s.redis.URL)
	if err != nil {
		return err
	}
	client := redis.NewClient(opts)
	defer client.Close()
	over := time.Duration(n) * 1500 * time.Microsecond
	wait := (2*over + 5*time.Second).Truncate(time.Second)
	steps := []step{{"name": "waits", "wait": wait.String()}}
	if err := s.define("Waits", steps, manner{}); err != nil {
		return err
	}
	started := time.Now()
	ids, err := s.createMany("Waits", n, over)
	if err != nil {
		return err
	}
	s.note("%d created in %.0f s, due %s later each", len(ids), time.Since(started).Seconds(), wait)
	for range times { // the first before any is due, the last while they become due
		if err := client.FlushAll(context.Background()).Err(); err != nil {
			return err
		}
		time.Sleep(wait / time.Duration(times))
	}
	c, err := s.verdict("Waits", steps, ids)
	if c == nil {
		return err
	}
	s.note("flushed %d times, %s", times, c.summary())
	return errors.Join(err, s.punctual(rate/2, grace, "waits"))
}

// redisAway stops Redis for a time under load and compares the API's latency with the time before.
func redisAway(s *system, n int, away, grace time.Duration) error {
	if err := s.measureBaseline(); err != nil {
		return err
	}
	rate, err := s.capacity(min(n, 300))
	if err != nil {
		return err
	}
	steps := chainSteps()
	if err := s.define("Calm", steps, manner{}); err != nil {
		return err
	}
	if err := s.define("Away", steps, manner{}); err != nil {
		return err
	}
	before, _, err := s.timed("Calm", n/4, away/4)
	if err != nil {
		return err
	}
	failed := s.failures()
	started := time.Now()
	if err := s.redis.Kill(); err != nil {
		return err
	}
	during, ids, err := s.timed("Away", n, away-time.Since(started))
	if err != nil {
		return err
	}
	if err := s.redis.Start(); err != nil {
		return err
	}
	s.note("away for %.0f s: creates took %.1f ms at the median and %.1f ms at p99, before that %.1f and %.1f ms; %d of %d answered other than 2xx",
		time.Since(started).Seconds(), ms(percentile(during, 0.5)), ms(percentile(during, 0.99)), ms(percentile(before, 0.5)), ms(percentile(before, 0.99)),
		s.failures()-failed, len(during))
	c, err := s.verdict("Away", steps, ids)
	if c == nil {
		return err
	}
	s.note("%s", c.summary())
	if s.failures() > failed {
		err = errors.Join(err, errors.New("a request was not answered 2xx while Redis was away"))
	}
	// The machine has other work too; waiting for Redis would take hundreds of milliseconds each time.
	slack := grace / 50
	if was, is := percentile(before, 0.5), percentile(during, 0.5); is > 2*was+slack/4 {
		err = errors.Join(err, fmt.Errorf("the API took %.1f ms at the median instead of %.1f ms", ms(is), ms(was)))
	}
	// At p99 a moment in which the machine stands still shows as well; a short run has too few requests for that.
	if was, is := percentile(before, 0.99), percentile(during, 0.99); !s.runner.options.short && is > 3*was+2*slack {
		err = errors.Join(err, fmt.Errorf("the API took %.1f ms at p99 instead of %.1f ms", ms(is), ms(was)))
	}
	return errors.Join(err, s.punctual(rate/2, grace, "one", "two", "three", "four"))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// timed makes n workflows spread over a time and gives how long each request took.
func (s *system) timed(typ string, n int, over time.Duration) (took []time.Duration, ids []string, err error) {
	var mu sync.Mutex
	ids, err = s.each(n, 16, over, func(i int) (string, error) {
		started := time.Now()
		id, err := s.create(typ, fmt.Sprintf("%s-%d", typ, i))
		mu.Lock()
		defer mu.Unlock()
		took = append(took, time.Since(started))
		return id, err
	})
	return took, ids, err
}
