package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// verdict of a row.
type verdict string

const (
	holds     verdict = "holds"
	broken    verdict = "**does not hold**"
	notJudged verdict = "**not reached**" // its system could not be set up, or did not come to an end
)

// finding is what was seen of one row.
type finding struct {
	row     row
	seen    string
	verdict verdict
	took    time.Duration
}

// run runs the rows: those that measure alone, the others side by side. The findings come in the order of
// the rows, with those that all rows add up to at the end.
func (r *runner) run(list []row) []finding {
	limit := runLimit
	if r.options.short {
		limit = shortLimit
	}
	r.until = time.Now().Add(limit)
	findings := make([]finding, len(list))
	one := func(i int) {
		findings[i] = r.row(list[i])
		fmt.Println(findings[i].line())
	}
	turns := make(chan int)
	var lanes sync.WaitGroup
	for range max(1, r.options.parallel) {
		lanes.Go(func() {
			for i := range turns {
				one(i)
			}
		})
	}
	order := make([]int, 0, len(list))
	for i := range list {
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return list[b].weight - list[a].weight }) // the longest first
	for _, i := range order {
		if !list[i].alone {
			turns <- i
		}
	}
	close(turns)
	lanes.Wait()
	for i := range list {
		if list[i].alone {
			one(i)
		}
	}
	for _, f := range []finding{r.leaks.finding(), r.secrets.finding()} {
		fmt.Println(f.line())
		findings = append(findings, f)
	}
	return findings
}

// A row that does not come to an end is given up after rowLimit, the whole run after runLimit (shortLimit):
// what it has not come to by then is not reached.
const (
	rowLimit   = 5 * time.Minute
	runLimit   = 13 * time.Minute
	shortLimit = 8 * time.Minute
)

// row gives a row a system of its own. Whatever goes wrong is a finding, never the end of the run.
func (r *runner) row(w row) finding {
	started := time.Now()
	limit := min(rowLimit, r.until.Sub(started))
	if limit <= 0 {
		return finding{row: w, verdict: notJudged, seen: "no time was left"}
	}
	s := &system{row: w, runner: r, program: newTB()}
	r.mu.Lock()
	if r.systems == nil {
		r.systems = map[*system]bool{}
	}
	r.systems[s] = true
	r.mu.Unlock()
	done := make(chan finding, 1)
	go func() { done <- s.judged() }()
	var f finding
	select {
	case f = <-done:
	case <-time.After(limit):
		f = finding{row: w, verdict: notJudged, seen: fmt.Sprintf("given up after %s; seen until then: %s", limit.Round(time.Second), s.summary())}
	}
	s.close()
	r.mu.Lock()
	delete(r.systems, s)
	r.mu.Unlock()
	f.took = time.Since(started).Round(time.Second)
	return f
}

// judged sets the system up, runs the row, and looks for leaks and secrets afterwards.
func (s *system) judged() (f finding) {
	f = finding{row: s.row, verdict: notJudged}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case unreached:
			f.seen = "could not be run: " + string(p)
		default:
			f.seen = fmt.Sprintf("could not be run: %v\n%s", p, debug.Stack())
		}
	}()
	s.start()
	err := s.row.run(s)
	if err == nil {
		err = s.leaked()
	}
	if err == nil {
		err = s.searchSecrets()
	}
	f.seen, f.verdict = s.summary(), holds
	if err != nil {
		f.seen, f.verdict = err.Error()+"; "+f.seen, broken
		s.showLogs()
	}
	return f
}

// showLogs prints the ends of the servers' logs, for whoever looks for the reason.
func (s *system) showLogs() {
	for _, v := range s.servers {
		fmt.Fprintf(os.Stderr, "chaos: %s on %s: the log of server %d ends:\n%s\n", s.row.name, s.row.database, v.number, v.lastWords())
	}
}
