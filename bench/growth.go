package main

import "fmt"

// slowInFlight is the max_in_flight of the definition whose receiver takes 200 ms, and the concurrency of the
// server that is measured with it.
const slowInFlight = 256

// growth measures how throughput on PostgreSQL grows, with what, and with what it does not shrink. Each figure
// is the median of three rounds after one to warm up.
func (b *bench) growth() error {
	s, err := b.newSystem("postgres")
	defer s.close()
	if err != nil {
		return err
	}
	peak := 0.0
	for _, n := range []int{1, 16, 64} {
		b.phase("growth: connections", func() error {
			rate, err := s.steady(load{connections: n, workflows: b.workflows / 2})
			peak = max(peak, rate)
			b.report.grow(fmt.Sprintf("throughput, %d client connections", n), s, fmt.Sprintf("%.0f steps/s", rate), "", "")
			return err
		})
	}
	b.phase("growth: receivers", func() error {
		rate, err := s.steady(load{typ: "Chain10", workflows: b.workflows / 2, connections: 64})
		b.report.grow("receivers that take 10 ms, 64 client connections", s, fmt.Sprintf("%.0f steps/s", rate), "", "")
		return err
	})
	b.phase("growth: slow receivers", func() error { return s.slowReceivers(peak) })
	b.phase("growth: servers", func() error {
		if err := s.start(concurrency); err != nil {
			return err
		}
		rate, err := s.steady(load{workflows: b.workflows / 2})
		b.report.grow("throughput on 2 server processes, 16 client connections", s, fmt.Sprintf("%.0f steps/s", rate), "", "")
		return err
	})
	b.phase("growth: history", s.historyRows)
	return nil
}

// steady is the median throughput of three rounds after one to warm up.
func (s *system) steady(l load) (float64, error) {
	var rates []float64
	for round := range 4 {
		speed, err := s.throughput(l)
		if err != nil {
			return 0, err
		}
		if round > 0 {
			rates = append(rates, speed.rate)
		}
	}
	return median(rates), nil
}

// slowReceivers measures deliveries that take 200 ms each, hundreds at a time on one server: nine tenths of
// concurrency ÷ 0.2 s, as far as that is not more than six tenths of the peak.
func (s *system) slowReceivers(peak float64) error {
	if err := s.stop(); err != nil {
		return err
	}
	if err := s.start(slowInFlight); err != nil {
		return err
	}
	workflows := 10 * slowInFlight
	rate, err := s.steady(load{typ: "Chain200", workflows: workflows, connections: 64})
	if err != nil {
		return err
	}
	ideal := slowInFlight / 0.2
	want := 0.9 * min(ideal, 0.6*peak)
	s.bench.report.grow(fmt.Sprintf("receivers that take 200 ms, concurrency and max_in_flight %d, rounds of %.0f s", slowInFlight, float64(workflows*chainSteps)/rate), s,
		fmt.Sprintf("%.0f steps/s, %.0f %% of %.0f", rate, 100*rate/ideal, ideal),
		fmt.Sprintf("≥ %.0f steps/s", want), holds(rate >= want))
	if err := s.stop(); err != nil {
		return err
	}
	return s.start(concurrency)
}

// historyRows measures throughput on one server beside ever more rows of workflows that have ended; each has two.
func (s *system) historyRows() error {
	have := 0
	for _, n := range []int{s.bench.sleeping / 100, s.bench.sleeping / 10, s.bench.sleeping} {
		if err := s.loadEnded(have+1, n/2); err != nil {
			return err
		}
		have = n / 2
		rate, err := s.steady(load{workflows: s.bench.workflows / 2})
		if err != nil {
			return err
		}
		s.bench.report.grow(fmt.Sprintf("throughput beside %d rows of history", n), s, fmt.Sprintf("%.0f steps/s", rate), "", "")
	}
	return nil
}
