package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"
)

// rows are the experiments; short ones have less load.
func rows(short bool) []row {
	scale := func(full, reduced int) int {
		if short {
			return reduced
		}
		return full
	}
	n, kills := scale(2000, 200), scale(40, 8)
	waiting := scale(10_000, 500)
	var all []row
	for _, database := range []string{"postgres", "mysql", "sqlite"} {
		servers := 3
		if database == "sqlite" {
			servers = 1
		}
		all = append(all, row{
			name: "SIGKILL loop, " + database, database: database, servers: servers,
			load: fmt.Sprintf("%d workflows × 4 steps, %d kills, %d servers", n, kills, servers),
			must: "0 lost, 0 out of order, 0 outcomes twice, 0 unexplained duplicates; recovery p99 ≤ 20 s",
			run:  func(s *system) error { return killLoop(s, n, kills) },
		})
	}
	for _, database := range []string{"postgres", "mysql"} {
		all = append(all,
			row{name: "SIGSTOP for 20 s, " + database, database: database, servers: 3,
				load: fmt.Sprintf("%d workflows × 4 steps, %d stops", n/4, scale(5, 1)),
				must: "late answers are fenced off; as the kill loop",
				run:  func(s *system) error { return stopLoop(s, n/4, scale(5, 1)) }},
			row{name: "database killed, " + database, database: database, servers: 2,
				load: fmt.Sprintf("%d workflows × 4 steps, %d kills", n/4, scale(5, 2)),
				must: "no acknowledged create lost; healthy ≤ 5 s after the database is",
				run:  func(s *system) error { return databaseLoop(s, n/4, scale(5, 2)) }},
		)
	}
	return append(all,
		row{name: "FLUSHALL while executions wait", database: "postgres", servers: 2,
			load: fmt.Sprintf("%d waiting, %d times", waiting, scale(5, 2)),
			must: "all run, none more than 5 s plus backlog late",
			run:  func(s *system) error { return flushAll(s, waiting, scale(5, 2)) }},
		row{name: "Redis stopped", database: "postgres", servers: 2,
			load: fmt.Sprintf("%d workflows × 4 steps, Redis away for %d s", n/4, scale(60, 10)),
			must: "the API answers 2xx as usual, steps ≤ 5 s plus backlog late",
			run:  func(s *system) error { return redisAway(s, n/4, time.Duration(scale(60, 10))*time.Second) }},
	)
}

// background makes the load of a row while faults happen, and afterwards judges it.
func background(s *system, n int, over time.Duration, faults func() error) error {
	if err := s.define("Chain", chainSteps); err != nil {
		return err
	}
	type made struct {
		ids []string
		err error
	}
	created := make(chan made, 1)
	go func() {
		ids, err := s.createMany("Chain", n, over)
		created <- made{ids, err}
	}()
	if err := faults(); err != nil {
		return err
	}
	m := <-created
	if m.err != nil {
		return m.err
	}
	j, err := s.judge(chainSteps)
	if err != nil {
		return err
	}
	unfinished := j.await(n, 2*time.Minute)
	v, err := j.check(m.ids)
	if err != nil {
		return errors.Join(unfinished, err)
	}
	p99 := percentile(v.recoveries, 0.99)
	s.note("%d acknowledged, %d lost, %d out of order, %d outcomes twice, %d unexplained duplicates", len(m.ids), v.lost, v.disorder, v.twice, v.unexplained+v.unknown)
	s.note("%d executions interrupted, recovery p99 %.1f s", v.interrupted, p99.Seconds())
	if p99 > 20*time.Second {
		unfinished = errors.Join(unfinished, errors.New("recovery took too long"))
	}
	return errors.Join(unfinished, v.err())
}

func killLoop(s *system, n, kills int) error {
	const between = 2 * time.Second // 1–3 s
	return background(s, n, time.Duration(kills)*between, func() error {
		for range kills {
			time.Sleep(between/2 + rand.N(between))
			v := s.servers[rand.IntN(len(s.servers))]
			v.kill()
			if err := v.start(); err != nil {
				return err
			}
		}
		s.note("%d kills", kills)
		return nil
	})
}

func stopLoop(s *system, n, stops int) error {
	const stopped = 20 * time.Second
	return background(s, n, time.Duration(stops)*(stopped+5*time.Second), func() error {
		for range stops {
			v := s.servers[rand.IntN(len(s.servers))]
			if err := v.signal(syscall.SIGSTOP); err != nil {
				return err
			}
			time.Sleep(stopped)
			if err := v.signal(syscall.SIGCONT); err != nil {
				return err
			}
			time.Sleep(5 * time.Second)
		}
		return nil
	})
}

func databaseLoop(s *system, n, kills int) error {
	return background(s, n, time.Duration(kills)*10*time.Second, func() error {
		var slowest time.Duration
		for range kills {
			time.Sleep(5 * time.Second)
			if err := s.database.Kill(); err != nil {
				return err
			}
			time.Sleep(2 * time.Second)
			if err := s.database.Start(); err != nil {
				return err
			}
			back := time.Now()
			for _, v := range s.servers {
				if err := v.awaitReady(30 * time.Second); err != nil {
					return err
				}
			}
			slowest = max(slowest, time.Since(back))
		}
		s.note("%d kills, ready again after at most %.1f s", kills, slowest.Seconds())
		if slowest > 5*time.Second {
			return errors.New("the servers took too long to recover")
		}
		return nil
	})
}
