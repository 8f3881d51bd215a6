package main

import (
	"fmt"
	"time"
)

// rollingRestart replaces the servers one after the other, in order, by the new program and by the old one
// again, so that both always run side by side. The schema is the new one, as an upgrade has it.
func rollingRestart(s *system, n int, over time.Duration) error {
	old, is := s.runner.builds.old, s.runner.builds.oldIs
	for _, v := range s.servers[1:] {
		if err := v.stop(); err != nil {
			return err
		}
		v.program = old
		if err := v.start(); err != nil {
			return err
		}
	}
	s.handBacks = true
	restarts := 0
	c, err := s.background("Rolling", n, over, manner{think: 300 * time.Millisecond}, func() error {
		for until := time.Now().Add(over); time.Now().Before(until); restarts++ {
			time.Sleep(time.Second)
			v := s.servers[restarts%len(s.servers)]
			from := time.Now()
			if err := v.stop(); err != nil {
				return err
			}
			if v.program == "" {
				v.program = old
			} else {
				v.program = ""
			}
			if err := v.start(); err != nil {
				return err
			}
			s.broken(from)
		}
		return nil
	})
	if c == nil {
		return fmt.Errorf("old is %s: %w", is, err)
	}
	s.note("old is %s; %d restarts, %d acknowledged, %d requests met a server that was away and were repeated, %s, %d steps handed back, %d interrupted",
		is, restarts, n, s.failures(), c.summary(), c.handedBack, c.interrupted)
	return err
}
