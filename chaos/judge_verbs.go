package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

// trial is the judging of one workflow at which verbs were thrown.
type trial struct {
	run        *verbRun
	w          *workflow
	deliveries []entry
	proven     []error
}

func (t *trial) prove(format string, args ...any) {
	t.proven = append(t.proven, fmt.Errorf(format, args...))
}

// judgeVerbs gives everything that is proven. last is how the API shows the workflow now.
func judgeVerbs(r *verbRun, w *workflow, deliveries []entry, last string) []error {
	t := &trial{run: r, w: w, deliveries: deliveries}
	if w == nil || len(w.history) == 0 {
		t.prove("it has no history")
		return t.proven
	}
	t.answers()
	t.legal()
	t.data()
	t.attempts()
	t.causes()
	t.pauses()
	if r.stopped != "" && r.stopped != last {
		t.prove("it changed after it had ended: from %s to %s", r.stopped, last)
	}
	for _, c := range r.calls {
		if c.status == 200 && (c.state == "canceled" || c.state == "finished") {
			t.nothingAfter(c)
		}
	}
	return t.proven
}

// answers holds what each call was answered: the state its verb leads to, or a refusal that was right.
func (t *trial) answers() {
	leads := map[string][]string{"pause": {"paused"}, "resume": {"ready", "performing"}, "reattempt": {"ready"},
		"skip": {"ready", "paused", "finished"}, "cancel": {"canceled"}, "finish": {"finished"}}
	for _, c := range t.run.calls {
		switch {
		case c.replayed && (c.repeats == nil || c.status != c.repeats.status):
			t.prove("%s was answered as a replay (%d)", c.verb, c.status)
		case c.replayed:
		case c.status == 200 && !slices.Contains(leads[c.verb], c.state):
			t.prove("%s left it %s", c.verb, c.state)
		case c.status == 200:
		case c.status == 409 && c.code == "stale_execution" && c.named:
		case c.status == 409 && c.code == "invalid_transition" && impossible(c):
		default:
			t.prove("%s was answered %d %s (it was %s)", c.verb, c.status, c.code, c.state)
		}
		if c.repeats == nil {
			continue
		}
		if !c.named && !c.replayed {
			t.prove("%s was repeated under its Idempotency-Key and answered %d %s, not as a replay", c.verb, c.status, c.code)
		}
	}
}

// impossible tells whether the verb cannot be done in the state that its refusal names.
func impossible(c *verbCall) bool {
	switch c.state {
	case "finished":
		return c.verb != "finish"
	case "canceled":
		return c.verb != "cancel"
	}
	return c.verb == "resume" && c.step != "" && c.state != "paused"
}

// legal holds the history against the table of moves and the order of the steps.
func (t *trial) legal() {
	end := t.w.history[len(t.w.history)-1]
	for i, x := range t.w.history {
		if x.seq != i+1 {
			t.prove("the execution number %d has seq %d", i+1, x.seq)
		}
		if !slices.ContainsFunc(domain.ExecutionMoves, func(m domain.ExecutionMove) bool {
			return string(m.To) == x.state && string(m.Outcome) == x.outcome && x.outcome != ""
		}) {
			t.prove("%s ended as %s/%s", x.step, x.state, x.outcome)
		}
		if x != end {
			t.follows(x, t.w.history[i+1])
		}
	}
	atEnd := end.step == verbSteps[len(verbSteps)-1]
	switch how := t.w.state + " " + end.outcome; {
	case how == "finished completed" && atEnd, how == "finished skipped" && atEnd, how == "finished superseded", how == "canceled canceled":
	default:
		t.prove("it is %s after %s ended as %s/%s", t.w.state, end.step, end.state, end.outcome)
	}
}

// follows holds that an execution may follow another one.
func (t *trial) follows(x, next *execution) {
	place := slices.Index(verbSteps, x.step)
	switch {
	case x.outcome == "completed" || x.outcome == "skipped":
		if place+1 >= len(verbSteps) || next.step != verbSteps[place+1] {
			t.prove("%s follows on %s, which was %s", next.step, x.step, x.outcome)
		}
	case x.outcome == "superseded":
		if next.step != x.step && !slices.ContainsFunc(t.run.calls, func(c *verbCall) bool {
			return c.accepted() && c.verb == "resume" && c.step == next.step
		}) {
			t.prove("%s follows on %s, which was superseded, and nobody asked for it", next.step, x.step)
		}
	default:
		t.prove("%s follows on %s, which was %s", next.step, x.step, x.outcome)
	}
	if !next.started.IsZero() && next.started.Before(x.ended.Add(-clockSlack)) {
		t.prove("%s was claimed at %s, before %s ended at %s", next.step, next.started, x.step, x.ended)
	}
}

// data holds that the data have the answers of the completed executions, and no others.
func (t *trial) data() {
	latest := &workflow{id: t.w.id, data: t.w.data}
	for _, x := range t.w.history {
		if x.state == "completed" {
			latest.history = append(latest.history, x) // of a step that ran again the last one counts
		}
	}
	var c charges
	c.data(latest)
	for _, what := range c.twice {
		t.prove("%s", what)
	}
}

// attempts holds each delivery against the claims, and each claim against what is recorded of it.
func (t *trial) attempts() {
	type key struct {
		id      string
		attempt int
	}
	delivered := map[key]entry{}
	for _, d := range t.deliveries {
		k := key{d.ID, d.Attempt}
		if _, twice := delivered[k]; twice {
			t.prove("attempt %d of %s was delivered twice", d.Attempt, d.Step)
		}
		delivered[k] = d
		if d.At.Before(d.Due.Add(-clockSlack)) {
			t.prove("%s was delivered %s early", d.Step, d.Due.Sub(d.At))
		}
		if !slices.ContainsFunc(t.w.history, func(x *execution) bool { return x.id == d.ID && d.Attempt <= x.attempt }) {
			t.prove("attempt %d of %s was delivered and never claimed", d.Attempt, d.Step)
		}
	}
	for _, x := range t.w.history {
		recorded := map[int]string{}
		for _, a := range x.attempts {
			recorded[a.number] = a.code
		}
		for n := 1; n <= x.attempt; n++ {
			d, sent := delivered[key{x.id, n}]
			switch code := recorded[n]; {
			case code == "" && n == x.attempt && x.state == "completed":
				if !sent || d.Status != 200 {
					t.prove("%s is completed by attempt %d, whose delivery was answered %d", x.step, n, d.Status)
				}
			case code == "superseded" && n == x.attempt && x.state != "completed":
			case code == "http_status" && sent && d.Status == 500:
			default:
				t.prove("attempt %d of %s, %s/%s, is recorded as %q and was answered %d", n, x.step, x.state, x.outcome, code, d.Status)
			}
		}
	}
}

// causes holds that every execution a verb ended was ended by a call of its own, within its time: an accepted
// one, not a repetition. And every skip has skipped once.
func (t *trial) causes() {
	verbs := map[string][]string{"skipped": {"skip"}, "canceled": {"cancel"}, "superseded": {"reattempt", "resume", "finish"}}
	used := map[*verbCall]bool{}
	calls := slices.SortedFunc(slices.Values(t.run.calls), func(a, b *verbCall) int { return a.answered.Compare(b.answered) })
	skipped, skips := 0, 0
	for _, x := range t.w.history {
		wanted := verbs[x.outcome]
		if wanted == nil {
			continue
		}
		if x.outcome == "skipped" {
			skipped++
		}
		cause := slices.IndexFunc(calls, func(c *verbCall) bool {
			return !used[c] && t.mayAct(c) && slices.Contains(wanted, c.verb) &&
				!x.ended.Before(c.sent.Add(-clockSlack)) && !x.ended.After(c.answered.Add(clockSlack))
		})
		if cause < 0 {
			t.prove("%s was %s at %s, and no call explains it", x.step, x.outcome, x.ended.Format(time.StampMicro))
			continue
		}
		used[calls[cause]] = true
	}
	for _, c := range t.run.calls {
		if c.verb == "skip" && t.mayAct(c) {
			skips++
		}
	}
	if skips != skipped {
		t.prove("%d accepted skips have skipped %d steps", skips, skipped)
	}
}

// mayAct tells whether a call may have changed something: it was accepted, and is not the repetition of one
// that has done its work. A reattempt leaves a scheduled execution in its place, so that a second one that
// names it means what it says; so does a pause or resume that another client undid in between.
func (t *trial) mayAct(c *verbCall) bool {
	if !c.accepted() {
		return false
	}
	return c.repeats == nil || c.verb == "reattempt" || !t.run.alone
}

// pauses holds that between the answer to an accepted pause and the sending of what may let the workflow go
// on nothing is claimed. What had been claimed before may still be delivered: its server had it in hand.
func (t *trial) pauses() {
	for _, p := range t.run.calls {
		if !p.accepted() || p.verb != "pause" {
			continue
		}
		until := time.Time{}
		contested := false
		for _, c := range t.run.calls {
			if c.status != 200 || c.verb != "resume" && c.verb != "reattempt" || c.answered.Before(p.sent) {
				continue
			}
			contested = contested || c.sent.Before(p.answered)
			if until.IsZero() || c.sent.Before(until) {
				until = c.sent
			}
		}
		if !contested {
			t.quietBetween(p, until)
		}
	}
}

func (t *trial) quietBetween(p *verbCall, until time.Time) {
	from := p.answered.Add(clockSlack)
	during := func(at time.Time) bool { return at.After(from) && (until.IsZero() || at.Before(until)) }
	for _, x := range t.w.history {
		for n := 1; n <= x.attempt; n++ {
			if at, known := startOf(x, n); known && during(at) {
				t.prove("attempt %d of %s was claimed %s after %s had been answered", n, x.step, at.Sub(p.answered), p.verb)
			}
		}
	}
	for _, d := range t.deliveries {
		if during(d.At) && d.ID == p.current.ID && d.Attempt > p.current.Attempt {
			t.prove("attempt %d of %s was delivered %s after %s had been answered, with the attempt %d", d.Attempt, d.Step, d.At.Sub(p.answered), p.verb, p.current.Attempt)
		}
	}
}

// nothingAfter holds that after the end has been answered nothing is claimed.
func (t *trial) nothingAfter(c *verbCall) { t.quietBetween(c, time.Time{}) }
