package main

import (
	"fmt"
	"strings"
	"time"
)

// database measures the rows that PostgreSQL and SQLite share.
func (b *bench) database(kind string) error {
	s, err := b.newSystem(kind)
	defer s.close()
	if err != nil {
		return err
	}
	b.report.settings(s)
	b.phase(kind+": idle", func() error { return s.idle() })
	f, err := s.startFloor()
	if err != nil {
		return err
	}
	b.phase(kind+": throughput", func() error { return s.throughputRows(f) })
	b.phase(kind+": latency", func() error { return s.latencyRows(f) })
	b.phase(kind+": creates", func() error { return s.createRows(f) })
	b.phase(kind+": lateness", func() error { return s.latenessRow() })
	b.phase(kind+": burst", func() error { return s.burstRow() })
	b.phase(kind+": backlog", func() error { return s.backlogRows() })
	return nil
}

// phase measures some rows, unless the time is up. Its error is told and does not end the run.
func (b *bench) phase(name string, measure func() error) {
	if !strings.Contains(name, b.options.phase) {
		return
	}
	if b.ctx.Err() != nil {
		b.report.leftOut(name)
		return
	}
	started := time.Now()
	switch err := measure(); {
	case err != nil && b.ctx.Err() != nil:
		b.report.leftOut(name)
	case err != nil:
		b.report.fault("%s: %v", name, err)
	}
	fmt.Printf("   %s took %.1f s\n", name, time.Since(started).Seconds())
}

// mariadb compares MariaDB with PostgreSQL, in turn, in twice as many rounds of half the usual size. A create that is not
// answered 201, for a deadlock or anything else, fails the round.
func (b *bench) mariadb() error {
	postgres, err := b.newSystem("postgres")
	defer postgres.close()
	if err != nil {
		return err
	}
	s, err := b.newSystem("mysql")
	defer s.close()
	if err != nil {
		return err
	}
	b.report.settings(s)
	var theirs, ours []float64
	var cpu []float64
	for round := range 2*b.rounds + 1 {
		p, err := postgres.throughput(load{workflows: b.workflows / 2})
		if err != nil {
			return err
		}
		m, err := s.throughput(load{workflows: b.workflows / 2})
		if err != nil {
			return fmt.Errorf("an error that a client saw, or a step lost: %w", err)
		}
		if round > 0 { // the first one warms up
			theirs, ours, cpu = append(theirs, p.rate), append(ours, m.rate), append(cpu, m.cpu)
		}
	}
	b.report.compare("throughput ÷ PostgreSQL's (in place of the floor)", s, "%.0f steps/s", median(theirs), median(ours), atLeast(0.7))
	b.report.add(row{name: "errors that a client saw", system: s, product: "0", target: "0", verdict: holds(true)})
	b.report.add(row{name: "CPU s per 1,000 steps", system: s, product: fmt.Sprintf("%.2f", median(cpu))})
	return nil
}

// idle measures a service that has only been started.
func (s *system) idle() error {
	time.Sleep(s.bench.size.idle / 2) // what starting up costs is not meant
	cpu, storage := cpuOf(s.servers[0].cmd.Process.Pid), cpuOf(s.storage()...)
	time.Sleep(s.bench.size.idle)
	percent := func(d time.Duration) float64 { return 100 * d.Seconds() / s.bench.size.idle.Seconds() }
	used := percent(cpuOf(s.servers[0].cmd.Process.Pid) - cpu)
	s.idleRSS = rssOf(s.servers[0].cmd.Process.Pid)
	limit := 2.0
	if s.kind == "sqlite" {
		limit = 0.5
	}
	s.bench.report.limit("idle service: CPU", s, "%.1f %% of a core", used, atMost(limit))
	s.bench.report.limit("idle service: RSS", s, "%.0f MiB", s.idleRSS, atMost(40))
	if s.database != nil {
		s.bench.report.add(row{name: "idle database and Redis: CPU", system: s, product: fmt.Sprintf("%.1f %% of a core", percent(cpuOf(s.storage()...)-storage))})
	}
	return nil
}
