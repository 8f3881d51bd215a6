package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// figures are what a server process takes while nothing happens.
type figures struct {
	goroutines, files int
	memory            float64 // resident, MB
}

// What a quiet server may have more of than before: connections kept open for the next request, to the
// database and to the receiver one for each slot, and memory that the runtime has not given back yet. One of a
// kind left behind by each step or request would be more.
const (
	moreGoroutines = 200
	moreFiles      = 100
	moreMemory     = 96 // MB
)

// measureBaseline notes what the servers take after a first burst of work, when they are quiet again.
func (s *system) measureBaseline() error {
	if !s.row.leaks || s.baseline != nil {
		return nil
	}
	if err := s.define("Warmup", []step{{"name": "one"}, {"name": "two"}}, manner{think: 50 * time.Millisecond}); err != nil {
		return err
	}
	const n = 200
	if _, err := s.createMany("Warmup", n, 0); err != nil {
		return err
	}
	if err := s.await("Warmup", n, patience, "finished"); err != nil {
		return err
	}
	var err error
	s.baseline, err = s.quiet()
	return err
}

// leaked compares what the servers take now with their baseline.
func (s *system) leaked() error {
	if s.baseline == nil {
		return nil
	}
	now, err := s.quiet()
	if err != nil {
		return err
	}
	s.runner.leaks.add(s.row, s.baseline, now)
	var errs []error
	for i, before := range s.baseline {
		if now[i].goroutines > before.goroutines+moreGoroutines || now[i].files > before.files+moreFiles || now[i].memory > before.memory+moreMemory {
			errs = append(errs, fmt.Errorf("server %d leaks: %s", i+1, change(before, now[i])))
		}
	}
	return errors.Join(errs...)
}

func change(a, b figures) string {
	return fmt.Sprintf("goroutines %d → %d, file descriptors %d → %d, memory %.0f → %.0f MB", a.goroutines, b.goroutines, a.files, b.files, a.memory, b.memory)
}

// quiet waits until the goroutines and files of all servers stay the same, for some seconds at most.
func (s *system) quiet() ([]figures, error) {
	var last []figures
	same := 0
	for range 40 {
		s.http.CloseIdleConnections()
		now := make([]figures, len(s.servers))
		for i, v := range s.servers {
			values, err := s.metrics(v)
			if err != nil {
				return nil, err
			}
			now[i] = figures{int(values["go_goroutines"]), int(values["process_open_fds"]), values["process_resident_memory_bytes"] / 1e6}
		}
		steady := last != nil
		for i := range last {
			steady = steady && abs(last[i].goroutines-now[i].goroutines) <= 2 && abs(last[i].files-now[i].files) <= 2
		}
		last = now
		if same++; !steady {
			same = 0
		}
		if same == 4 {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	return last, nil
}

func abs(n int) int { return max(n, -n) }

// metrics reads a server's metrics without labels; those with labels are summed up under their name.
func (s *system) metrics(v *server) (map[string]float64, error) {
	a, err := s.request(v, "GET", "/metrics", "", nil)
	if err != nil {
		return nil, err
	}
	if a.status != 200 {
		return nil, fmt.Errorf("/metrics: %d %.300s", a.status, a.body)
	}
	values := map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(a.body))
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if labels := strings.LastIndex(lines.Text(), "} "); labels >= 0 {
			value = lines.Text()[labels+2:]
			name, _, ok = strings.Cut(lines.Text(), "{")
		}
		f, err := strconv.ParseFloat(value, 64)
		if ok && err == nil && !strings.HasPrefix(name, "#") {
			values[name] += f
		}
	}
	return values, lines.Err()
}

// sum adds a metric up over all servers.
func (s *system) sum(name string) (float64, error) {
	total := 0.0
	for _, v := range s.servers {
		values, err := s.metrics(v)
		if err != nil {
			return 0, err
		}
		total += values[name]
	}
	return total, nil
}

// leakFigures gather what all rows say about leaks.
type leakFigures struct {
	mu      sync.Mutex
	servers int
	worst   figures // the largest growth of each
	example string
	grown   bool
}

func (l *leakFigures) add(w row, before, now []figures) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range now {
		l.servers++
		goroutines, files, memory := now[i].goroutines-before[i].goroutines, now[i].files-before[i].files, now[i].memory-before[i].memory
		if l.servers == 1 || memory > l.worst.memory {
			l.example = fmt.Sprintf("%s on %s: %s", w.name, w.database, change(before[i], now[i]))
		}
		l.worst = figures{max(l.worst.goroutines, goroutines), max(l.worst.files, files), max(l.worst.memory, memory)}
		l.grown = l.grown || goroutines > moreGoroutines || files > moreFiles || memory > moreMemory
	}
}

// finding is the row of the report.
func (l *leakFigures) finding() finding {
	f := finding{verdict: holds, row: row{name: "leaks", database: "all", load: "the servers that lived through a row, quiet before and after it",
		must: fmt.Sprintf("at most %d goroutines, %d file descriptors and %d MB more than after a first burst of work", moreGoroutines, moreFiles, moreMemory)}}
	f.seen = fmt.Sprintf("%d servers; the most that one grew by: %d goroutines, %d file descriptors, %.0f MB (%s)", l.servers, l.worst.goroutines, l.worst.files, l.worst.memory, l.example)
	if l.servers == 0 {
		f.seen, f.verdict = "no such row was run", notJudged
	} else if l.grown {
		f.verdict = broken
	}
	return f
}
