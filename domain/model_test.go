package domain

import (
	"fmt"
	"time"
)

// model is a second, smaller telling of DESIGN section 3, for TestRulesAgainstTheModel. It knows no states of
// a workflow: whether it is over, whether it is paused, and what its newest run does are all there is, and
// the state shown follows from them.
type model struct {
	steps    []modelStep
	over     string // "", "finished" or "canceled"
	pausedBy string // "": not paused
	inRow    int    // exceptions in a row
	started  bool
	seqFrom  int // seq of the first run, so that the limit of 10,000 is within reach
	runs     []modelRun
	lost     int // attempts that had no effect
}

type modelStep struct {
	name         string
	wait         time.Duration
	policy, then string
	reattempts   int
	policyWait   *time.Duration
	attempts     int
	queue        string
	priority     int
}

type modelRun struct {
	step           int
	state, outcome string
	due            time.Time
	slack          time.Duration // how much earlier it may be due: a backoff is drawn from its upper half
	queue          string
	priority       int
	attempt        int
	failures       int
	interruptions  int
	token          int       // of the live claim, 0: none
	waits          time.Time // for a callback until then; zero: it does not
	late           bool      // it was last attempted in vain, for want of a callback
	said           *Answer   // that ended it
}

const (
	modelLimit         = 10_000
	modelInterruptions = 5
	modelCallback      = 10 * time.Minute
)

func (m *model) run() *modelRun { return &m.runs[len(m.runs)-1] }
func (m *model) step() *modelStep {
	return &m.steps[m.run().step]
}
func (m *model) open() bool { return m.run().state == "scheduled" || m.run().state == "executing" }

func (m *model) state() string {
	switch {
	case m.over != "":
		return m.over
	case m.pausedBy != "":
		return "paused"
	case m.run().state == "executing":
		return "performing"
	}
	return "ready"
}

func (m *model) full() bool { return m.seqFrom+len(m.runs)-1 >= modelLimit }

func (m *model) schedule(step int, due time.Time) {
	s := m.steps[step]
	m.runs = append(m.runs, modelRun{step: step, state: "scheduled", due: due, queue: s.queue, priority: s.priority})
}

func (m *model) end(state, outcome string) {
	r := m.run()
	r.state, r.outcome, r.token = state, outcome, 0
}

func (m *model) pause(by string) {
	if m.pausedBy == "" {
		m.pausedBy = by
	}
}

// finish and cancel end the workflow; nobody is pausing it then.
func (m *model) finish() { m.over, m.pausedBy = "finished", "" }
func (m *model) cancel() { m.over, m.pausedBy = "canceled", "" }

// follow ends the run and schedules another of the given step; with no room left it pauses instead.
func (m *model) follow(state, outcome string, step int, due time.Time) *modelRun {
	if m.full() {
		m.end("canceled", "paused")
		m.pause("failure")
		return nil
	}
	m.end(state, outcome)
	m.schedule(step, due)
	return m.run()
}

func (m *model) advance(state, outcome string, now time.Time, next *NextOptions) {
	i := m.run().step + 1
	if i == len(m.steps) {
		m.end(state, outcome)
		m.finish()
		return
	}
	due := now.Add(m.steps[i].wait)
	if next != nil && next.Wait != nil {
		due = now.Add(*next.Wait)
	}
	if next != nil && next.At != nil {
		due = notBefore(now, *next.At)
	}
	if r := m.follow(state, outcome, i, due); r != nil && next != nil {
		if next.Queue != "" {
			r.queue = next.Queue
		}
		if next.Priority != nil {
			r.priority = *next.Priority
		}
	}
}

func notBefore(now, at time.Time) time.Time {
	if at.Before(now) {
		return now
	}
	return at
}

// ownWait is what a reattempt waits when nobody says.
func (m *model) ownWait() time.Duration {
	if w := m.step().wait; w > time.Second {
		return w
	}
	return time.Second
}

func (m *model) claimable() bool {
	return m.over == "" && m.pausedBy == "" && m.run().state == "scheduled"
}

func (m *model) claim(token int) {
	r := m.run()
	r.state, r.token, r.attempt, r.slack, r.waits = "executing", token, r.attempt+1, 0, time.Time{}
	m.started = true
}

func (m *model) answer(a *Answer, now time.Time) {
	at := len(m.runs) - 1
	m.apply(a, now)
	m.heard(at, a)
}

func (m *model) apply(a *Answer, now time.Time) {
	if a.Action == ActionFail {
		m.fail(a.Retryable, now)
		return
	}
	m.inRow = 0
	switch a.Action {
	case ActionComplete:
		m.advance("completed", "completed", now, a.Next)
	case ActionSkip:
		m.advance("skipped", "skipped", now, a.Next)
	case ActionReattempt:
		due := now.Add(m.ownWait())
		if a.Wait != nil {
			due = now.Add(*a.Wait)
		}
		if a.At != nil {
			due = notBefore(now, *a.At)
		}
		m.follow("completed", "reattempted", m.run().step, due)
	case ActionPause:
		m.end("canceled", "paused")
		m.pause("answer")
	case ActionCancel:
		m.end("canceled", "canceled")
		m.cancel()
	case ActionFinish:
		m.end("completed", "finished")
		m.finish()
	}
}

func (m *model) fail(retryable bool, now time.Time) {
	r := m.run()
	r.failures++
	r.late = false
	m.lost++
	if !retryable || r.failures >= m.step().attempts {
		m.failForGood(now)
		return
	}
	full := 5 * time.Second
	for range r.failures - 1 {
		full = min(4*full, time.Hour)
	}
	m.giveBack()
	r.due, r.slack = now.Add(full), full/2
}

func (m *model) giveBack() { m.run().state, m.run().token = "scheduled", 0 }

func (m *model) interrupt(now time.Time) {
	m.run().late = false
	m.run().interruptions++
	m.lost++
	if m.run().interruptions >= modelInterruptions {
		m.failForGood(now)
		return
	}
	m.giveBack()
}

func (m *model) failForGood(now time.Time) {
	m.inRow++
	s := m.step()
	policy := s.policy
	if policy == "reattempt" && m.inRow > s.reattempts {
		policy = s.then
	}
	switch policy {
	case "pause":
		m.end("failed", "failed")
		m.pause("failure")
	case "cancel":
		m.end("failed", "canceled")
		m.cancel()
	case "skip":
		m.inRow = 0
		m.advance("failed", "skipped", now, nil)
	case "reattempt":
		due := now.Add(m.ownWait())
		if s.policyWait != nil {
			due = now.Add(*s.policyWait)
		}
		m.follow("failed", "reattempted", m.run().step, due)
	}
}

func (m *model) unstarted() {
	m.run().late = false
	m.end("failed", "failed")
	m.pause("failure")
}

// control gives "changed", "unchanged" or the code of the refusal. step is the position of cmd.Step, -1 when
// there is no such step.
func (m *model) control(cmd Command, stale bool, step int, now time.Time) string {
	state := m.state()
	target := map[Verb]string{VerbPause: "paused", VerbCancel: "canceled", VerbFinish: "finished"}[cmd.Verb]
	resumed := cmd.Verb == VerbResume && cmd.Step == "" && (state == "ready" || state == "performing")
	switch {
	case stale:
		return "stale_execution"
	case state == target || resumed:
		return "unchanged"
	case m.over != "" || cmd.Verb == VerbResume && state != "paused":
		return "invalid_transition"
	}
	r := m.run()
	rerun := func(step int, due time.Time) string {
		if m.full() {
			return "invalid_transition"
		}
		m.inRow, m.pausedBy = 0, ""
		m.takeAway("canceled", "superseded")
		m.schedule(step, due)
		return "changed"
	}
	switch cmd.Verb {
	case VerbPause:
		m.pause("api")
	case VerbResume:
		switch {
		case cmd.Step != "" && step < 0:
			return "unknown_step"
		case cmd.Step != "":
			return rerun(step, now)
		case !m.open():
			return rerun(r.step, now)
		}
		m.inRow, m.pausedBy = 0, ""
	case VerbSkip:
		last := r.step+1 == len(m.steps)
		if !last && m.full() {
			return "invalid_transition"
		}
		m.inRow = 0
		m.takeAway("skipped", "skipped")
		if last {
			m.finish()
		} else {
			m.schedule(r.step+1, now.Add(m.steps[r.step+1].wait))
		}
	case VerbReattempt:
		due := now
		if cmd.Wait != nil {
			due = now.Add(*cmd.Wait)
		}
		if cmd.At != nil {
			due = notBefore(now, *cmd.At)
		}
		if r.state != "scheduled" {
			return rerun(r.step, due)
		}
		m.inRow, m.pausedBy, r.due, r.slack = 0, "", due, 0
	case VerbCancel:
		m.takeAway("canceled", "canceled")
		m.cancel()
	case VerbFinish:
		m.takeAway("canceled", "superseded")
		m.finish()
	}
	return "changed"
}

func (m *model) takeAway(state, outcome string) {
	if m.run().state == "executing" {
		m.lost++
	}
	if m.open() {
		m.end(state, outcome)
	}
}

// differences compares the model with the rows the rules left.
func (m *model) differences(w Workflow, runs []Execution, lost int) (found []string) {
	differ := func(what string, got, want any) {
		if got != want {
			found = append(found, fmt.Sprintf("%s is %v, the model says %v", what, got, want))
		}
	}
	differ("state", string(w.State), m.state())
	differ("exceptions_in_row", w.ExceptionsInRow, m.inRow)
	differ("the number of executions", len(runs), len(m.runs))
	differ("the number of lost attempts", lost, m.lost)
	differ("whether it has started", w.StartedAt != nil, m.started)
	by, step := "", ""
	if w.Pause != nil {
		by = string(w.Pause.By)
	}
	differ("paused by", by, m.pausedBy)
	if m.over == "" {
		step = m.step().name
	}
	differ("current_step_name", w.CurrentStepName, step)
	for i := range min(len(runs), len(m.runs)) {
		e, r := runs[i], m.runs[i]
		name := fmt.Sprintf("execution %d: ", i)
		differ(name+"seq", e.Seq, m.seqFrom+i)
		differ(name+"step", e.StepName, m.steps[r.step].name)
		differ(name+"state", string(e.State), r.state)
		differ(name+"outcome", string(e.Outcome), r.outcome)
		differ(name+"held", e.Held, r.state == "scheduled" && m.pausedBy != "")
		differ(name+"attempt", e.Attempt, r.attempt)
		differ(name+"failures", e.Failures, r.failures)
		differ(name+"interruptions", e.Interruptions, r.interruptions)
		differ(name+"queue", e.Queue, r.queue)
		differ(name+"priority", e.Priority, r.priority)
		if e.ScheduledFor.After(r.due) || e.ScheduledFor.Before(r.due.Add(-r.slack)) {
			found = append(found, fmt.Sprintf("%sdue %s, the model says %s or up to %s earlier", name, e.ScheduledFor, r.due, r.slack))
		}
	}
	return found
}
