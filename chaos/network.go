package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/genevadrive/genevadrive/internal/netfault"
)

// networkFaults breaks the connections between servers and database, one way after another: cuts, latency,
// and cuts around COMMIT, where the client does not know what became of it.
func networkFaults(s *system, n, cuts int) error {
	if err := s.measureBaseline(); err != nil {
		return err
	}
	const over = 5 * time.Second
	var errs []error
	for _, way := range []struct {
		name string
		run  func(stop <-chan struct{}) (what string)
	}{
		{"cut", func(<-chan struct{}) string {
			for range cuts {
				time.Sleep(over/time.Duration(2*cuts) + rand.N(over/time.Duration(cuts)))
				from := time.Now()
				s.proxy.Refuse(true)
				s.proxy.Cut()
				time.Sleep(rand.N(300 * time.Millisecond))
				s.proxy.Refuse(false)
				s.broken(from)
			}
			return fmt.Sprintf("%d cuts", cuts)
		}},
		{"latency", func(stop <-chan struct{}) string {
			from := time.Now()
			const each = 20 * time.Millisecond
			s.proxy.Delay(each)
			<-stop
			s.proxy.Delay(0)
			s.broken(from)
			return fmt.Sprintf("%s each way", each)
		}},
		{"commit", func(stop <-chan struct{}) string { return s.strikeCommits(stop) }},
	} {
		what, refused := "", s.failures()
		stop := make(chan struct{})
		timer := time.AfterFunc(over, func() { close(stop) })
		c, err := s.background("Net"+way.name, n, over, manner{think: 100 * time.Millisecond}, func() error {
			what = way.run(stop)
			return nil
		})
		timer.Stop()
		if c != nil {
			s.note("%s (%s): %d acknowledged, %d requests met a 5xx and were repeated, %s", way.name, what, n, s.failures()-refused, c.summary())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", way.name, err))
		}
	}
	return errors.Join(errs...)
}

// strikeCommits cuts the connection around one COMMIT after another until stop: by turns before the database
// has heard of it, and before its answer has been heard.
func (s *system) strikeCommits(stop <-chan struct{}) string {
	from, before := time.Now(), s.proxy.Struck()
	turn := netfault.LoseReply
	struck := s.proxy.Struck()
	s.proxy.Strike(turn)
	for {
		select {
		case <-stop:
			s.proxy.Strike(netfault.None)
			s.broken(from)
			return fmt.Sprintf("%d commits, every other one had happened", s.proxy.Struck()-before)
		case <-time.After(20 * time.Millisecond):
		}
		if now := s.proxy.Struck(); now > struck {
			struck = now
			turn = netfault.LoseRequest + netfault.LoseReply - turn
			s.proxy.Strike(turn)
		}
	}
}
