package engine_test

import (
	"flag"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestModel does random things to servers and workflows while the database, the doorbell and the servers
// themselves fail at random places, and holds every row against the promises of DESIGN section 1 after each
// step. Afterwards the faults stop, and everything must reach its end.
//
// Nothing in it depends on time or on the order of goroutines: the servers are stepped by hand, one at a time,
// by a clock of the test. A failure names its seed; to see it again:
//
//	go test ./engine/ -run '^TestModel$' -rapid.seed=SEED -rapid.checks=1 -rapid.v
//
// Without those flags it is always the same 10,000 seeds; -rapid.seed=0 takes new ones.
func TestModel(t *testing.T) {
	const seeds = 10_000
	setFlags(t, map[string]string{"rapid.seed": "1", "rapid.checks": "10000", "rapid.steps": "20", "rapid.nofailfile": "true", "rapid.shrinktime": "10s"})
	// The bubble makes what the store waits between its repetitions take no time.
	synctest.Test(t, func(t *testing.T) {
		db := newModelDB(t)
		ran := 0
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			ran++
			m := newModel(t, db)
			m.t.Repeat(map[string]func(*rapid.T){
				"create":    m.create,
				"verb":      m.verb,
				"ring":      m.ring,
				"claim":     m.claim,
				"settle":    m.settle,
				"late":      m.settleLate,
				"hand back": m.handBack,
				"callback":  m.callback,
				"patch":     m.patch,
				"sweep":     m.sweep,
				"work":      m.work,
				"heartbeat": m.heartbeat,
				"strays":    m.handBackStrays,
				"tick":      m.tick,
				"crash":     m.crash,
				"fault":     m.arm,
				"":          func(*rapid.T) {},
			})
			m.finale()
			<-time.After(10 * time.Millisecond) // of the bubble's time, by which the search for a smaller failure ends
		})
		if ran < seeds && !given("rapid.checks") {
			t.Errorf("%d of %d seeds ran", ran, seeds)
		}
	})
}

// setFlags sets flags of the test binary that were not given on its command line, until the test ends.
func setFlags(t *testing.T, values map[string]string) {
	for name, value := range values {
		if given(name) {
			continue
		}
		f := flag.Lookup(name)
		before := f.Value.String()
		if err := f.Value.Set(value); err != nil { // not flag.Set, after which it would count as given
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(before) })
	}
}

// given tells whether a flag stands on the command line.
func given(name string) (found bool) {
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}
