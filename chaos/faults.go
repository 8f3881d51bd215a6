package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"
)

// background makes the load of a row while faults happen, waits until all of it has ended, and judges it. The
// charges are noted; the error is that of the load, of the faults, or what is proven.
func (s *system) background(typ string, n int, over time.Duration, m manner, faults func() error) (*charges, error) {
	steps := chainSteps()
	if err := s.define(typ, steps, m); err != nil {
		return nil, err
	}
	if err := s.measureBaseline(); err != nil {
		return nil, err
	}
	type made struct {
		ids []string
		err error
	}
	created := make(chan made, 1)
	go func() {
		ids, err := s.createMany(typ, n, over)
		created <- made{ids, err}
	}()
	faulty := faults()
	load := <-created
	if err := errors.Join(faulty, load.err); err != nil {
		return nil, err
	}
	return s.verdict(typ, steps, load.ids)
}

// verdict waits until the workflows have ended and judges them.
func (s *system) verdict(typ string, steps []step, promised []string) (*charges, error) {
	unfinished := s.await(typ, len(promised), 150*time.Second, "finished", "canceled", "paused")
	e := evidence{promised: promised, handBacks: s.handBacks}
	for _, st := range steps {
		e.steps = append(e.steps, st["name"].(string))
	}
	var err error
	if e.workflows, err = s.histories(typ); err != nil {
		return nil, errors.Join(unfinished, err)
	}
	entries, err := readLog(s.log)
	if err != nil {
		return nil, errors.Join(unfinished, err)
	}
	others := map[string]bool{}
	if err := s.otherWorkflows(typ, others); err != nil {
		return nil, errors.Join(unfinished, err)
	}
	for _, d := range entries {
		if !others[d.Workflow] {
			e.deliveries = append(e.deliveries, d)
		}
	}
	s.mu.Lock()
	e.faults = append(e.faults, s.faults...)
	s.mu.Unlock()
	c := judge(e)
	return c, errors.Join(unfinished, c.err())
}

// otherWorkflows notes the ids of workflows of other types.
func (s *system) otherWorkflows(typ string, ids map[string]bool) error {
	rows, err := s.rows("SELECT id FROM geneva_drive_workflows WHERE type <> '" + typ + "'")
	for _, r := range rows {
		ids[text(r[0])] = true
	}
	return err
}

// recovered holds the times that interrupted steps took to start again against the limit of the row.
func (s *system) recovered(c *charges) error {
	times, since := c.recoveries, "their claim"
	if s.database == nil {
		times, since = c.restarts, "the server was back"
	}
	p99 := percentile(times, 0.99)
	s.note("%d interruptions, at most %d of one step, started again %.1f s after %s at the median, p99 %.1f s, at most %.1f s", c.interrupted, c.most,
		percentile(times, 0.5).Seconds(), since, p99.Seconds(), percentile(times, 1).Seconds())
	switch {
	case c.interrupted == 0:
		return errors.New("no step was interrupted, so that nothing is shown")
	case p99 > s.row.recovery:
		return fmt.Errorf("recovery took %.1f s (p99), %s is the limit", p99.Seconds(), s.row.recovery)
	}
	return nil
}

// killLoop kills a server and starts it again every 1–3 s.
func killLoop(s *system, n, kills int) error {
	const between = 2 * time.Second
	c, err := s.background("Killed", n, time.Duration(kills)*between, manner{think: 300 * time.Millisecond}, func() error {
		for i := range kills {
			time.Sleep(between/2 + rand.N(between))
			if err := s.spread(); err != nil {
				return err
			}
			v := s.servers[i%len(s.servers)]
			from := time.Now()
			v.kill()
			if err := v.start(); err != nil {
				return err
			}
			s.broken(from)
		}
		return nil
	})
	if c == nil {
		return err
	}
	s.note("%d kills, %d acknowledged, %s", kills, n, c.summary())
	return errors.Join(err, s.recovered(c))
}

// spread waits while a step has been interrupted so often that another time or two would be its last: what
// interrupts the same step again and again is to fail it, by design.
func (s *system) spread() error {
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		rows, err := s.rows("SELECT count(*) FROM geneva_drive_step_executions WHERE interruptions >= 3 AND state IN ('scheduled', 'executing')")
		if err != nil {
			return err
		}
		if number(rows[0][0]) == 0 {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("%d steps that were interrupted three times have not ended in %s", number(rows[0][0]), patience)
		}
	}
}

// stopLoop stops one of several servers long enough for the others to take over, and lets it go on.
func stopLoop(s *system, n, stops int, stopped time.Duration) error {
	c, err := s.background("Stopped", n, time.Duration(stops)*(stopped+3*time.Second), manner{think: time.Second}, func() error {
		for i := range stops {
			time.Sleep(3 * time.Second)
			v := s.servers[i%len(s.servers)]
			if err := s.underWay(v, 3); err != nil {
				return err
			}
			before, err := s.interrupted()
			if err != nil {
				return err
			}
			from := time.Now()
			if err := v.signal(syscall.SIGSTOP); err != nil {
				return err
			}
			time.Sleep(stopped)
			err = s.takenOver(before)
			if err := errors.Join(err, v.signal(syscall.SIGCONT)); err != nil {
				return err
			}
			s.broken(from)
		}
		return nil
	})
	if c == nil {
		return err
	}
	s.note("%d acknowledged, %s", n, c.summary())
	discarded, metricErr := s.sum("genevadrive_attempts_discarded_total")
	s.note("%.0f late answers discarded", discarded)
	if metricErr == nil && discarded == 0 {
		metricErr = errors.New("no late answer came, so that no fence was needed")
	}
	return errors.Join(err, metricErr, s.recovered(c))
}

// underWay waits until a server has some deliveries under way, so that what befalls it befalls them.
func (s *system) underWay(v *server, some float64) error {
	for until := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		values, err := s.metrics(v)
		switch {
		case err != nil:
			return err
		case values["genevadrive_in_flight_deliveries"] >= some:
			return nil
		case time.Now().After(until):
			return fmt.Errorf("server %d had never %.0f deliveries under way in %s", v.number, some, patience)
		}
	}
}

// interrupted counts the executions that were interrupted so far.
func (s *system) interrupted() (int64, error) {
	rows, err := s.rows("SELECT count(*) FROM geneva_drive_step_executions WHERE interruptions > 0")
	if err != nil {
		return 0, err
	}
	return number(rows[0][0]), nil
}

// takenOver waits until more executions than before were interrupted: servers that stood still themselves, with the
// machine, bury nobody for a while. How long it may take is the business of recovered.
func (s *system) takenOver(before int64) error {
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		now, err := s.interrupted()
		if err != nil || now > before {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("nobody took over what a stopped server had claimed in %s", patience)
		}
	}
}

// stopAlone stops the only server, which must go on as itself.
func stopAlone(s *system, n int, stopped time.Duration) error {
	c, err := s.background("Stopped", n, stopped+3*time.Second, manner{think: 300 * time.Millisecond}, func() error {
		time.Sleep(3 * time.Second)
		from := time.Now()
		if err := s.servers[0].signal(syscall.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(stopped)
		if err := s.servers[0].signal(syscall.SIGCONT); err != nil {
			return err
		}
		s.broken(from)
		return nil
	})
	if c == nil {
		return err
	}
	leases, readErr := s.rows("SELECT id, dead_at FROM geneva_drive_servers")
	s.note("%d acknowledged, %s; %d lease", n, c.summary(), len(leases))
	if readErr == nil && (len(leases) != 1 || leases[0][1] != nil) {
		readErr = fmt.Errorf("the server buried itself: it has had %d leases", len(leases))
	}
	return errors.Join(err, readErr)
}

// databaseLoop kills the database under load.
func databaseLoop(s *system, n, kills int, limit time.Duration) error {
	var slowest time.Duration
	c, err := s.background("Outage", n, time.Duration(kills)*6*time.Second, manner{think: 200 * time.Millisecond}, func() error {
		for range kills {
			time.Sleep(3 * time.Second)
			from := time.Now()
			if err := s.database.Kill(); err != nil {
				return err
			}
			time.Sleep(2 * time.Second)
			if err := s.database.Start(); err != nil {
				return err
			}
			back := time.Now()
			for _, v := range s.servers {
				if err := v.awaitReady(patience); err != nil {
					return err
				}
				if err := s.reads(v); err != nil {
					return err
				}
			}
			slowest = max(slowest, time.Since(back))
			s.broken(from)
		}
		return nil
	})
	if c == nil {
		return err
	}
	s.note("%d kills, %d acknowledged, %s; healthy again after at most %.1f s; %d requests refused meanwhile", kills, n, c.summary(), slowest.Seconds(), s.failures())
	if slowest > limit {
		err = errors.Join(err, fmt.Errorf("the servers took %.1f s to recover", slowest.Seconds()))
	}
	return err
}

// reads waits until a server reads from the database again.
func (s *system) reads(v *server) error {
	deadline := time.Now().Add(patience)
	for {
		err := s.call(v, "GET", "/v1/workflows?limit=1", "", nil, nil)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *system) failures() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}
