package domain

import (
	"errors"
	"reflect"
	"time"

	"pgregory.net/rapid"
)

// What the model and the simulation know of late answers.

func (m *model) accept(now time.Time) { m.run().token, m.run().waits = 0, now.Add(modelCallback) }

func (m *model) waiting() bool { return m.run().state == "executing" && !m.run().waits.IsZero() }

// callbackTimeout is due once nothing has come in time.
func (m *model) callbackTimeout(now time.Time) {
	at := len(m.runs) - 1
	m.fail(true, now)
	m.runs[at].late = true
}

// heard keeps the answer that ended a run.
func (m *model) heard(at int, a *Answer) {
	if r := &m.runs[at]; r.state != "scheduled" && r.state != "executing" {
		r.said = a
	}
}

// withoutEmptyNext is the answer without a next that says nothing.
func withoutEmptyNext(a *Answer) Answer {
	said := *a
	if said.Next != nil && *said.Next == (NextOptions{}) {
		said.Next = nil
	}
	return said
}

// callback gives "changed", "unchanged" or the code of the refusal.
func (m *model) callback(at int, a *Answer, now time.Time) string {
	r := &m.runs[at]
	scheduled := r.state == "scheduled"
	switch {
	case r.said != nil && reflect.DeepEqual(withoutEmptyNext(r.said), withoutEmptyNext(a)):
		return "unchanged"
	case r.said != nil:
		return "already_completed"
	case r.late && (scheduled || r.state == "failed"), r.state == "executing" && !r.waits.IsZero() && !now.Before(r.waits):
		return "callback_expired"
	case !scheduled && r.state != "executing":
		return "execution_superseded"
	case !scheduled || a.Action != ActionFail:
		m.apply(a, now)
	case a.Retryable:
		r.late = false
	default:
		r.late = false
		m.failForGood(now)
	}
	m.heard(at, a)
	return "changed"
}

// accept answers 202.
func (s *simulation) accept(t *rapid.T) {
	s.result(t, func(w Workflow, e *Execution, p SettleParams) (Change, error) {
		return Settle(s.def, w, *e, Result{Later: true, Status: 202}, p, s.now)
	}, func(m *model) { m.accept(s.now) })
}

// sweep takes what awaits a callback, often past its deadline.
func (s *simulation) sweep(t *rapid.T) {
	if !s.model.waiting() {
		return
	}
	deadline := s.model.run().waits
	if deadline.After(s.now) && rapid.Bool().Draw(t, "patience") {
		s.now = deadline
	}
	p := SettleParams{Fence: s.runs[len(s.runs)-1].Fence, NextID: s.id()}
	_, err := s.decide(t, len(s.runs)-1, func(w Workflow, e *Execution) (Change, error) {
		return Interrupt(s.def, w, *e, "late", p, Fence(s.id().String()), s.now)
	})
	early := s.now.Before(deadline)
	switch {
	case err == nil && !early:
		s.model.callbackTimeout(s.now)
	case !errors.Is(err, ErrSettled) || !early:
		t.Errorf("a sweep %s before the deadline gives %v", deadline.Sub(s.now), err)
	}
}

// callback answers over the API, most often about the newest execution, often what was said before.
func (s *simulation) callback(t *rapid.T) {
	about := len(s.runs) - 1
	if rapid.IntRange(0, 3).Draw(t, "which") == 0 {
		about = rapid.IntRange(0, about).Draw(t, "execution")
	}
	a := s.someAnswer(t)
	if said := s.model.runs[about].said; said != nil && rapid.Bool().Draw(t, "again") {
		a = said
	}
	live := s.model.run().token
	c, err := s.decide(t, about, func(w Workflow, e *Execution) (Change, error) {
		return Callback(s.def, w, *e, a, CallbackParams{NextID: s.id(), Fence: Fence(s.id().String())}, s.now)
	})
	got := "changed"
	if err != nil {
		got = string(CodeOf(err))
	} else if c.Unchanged {
		got = "unchanged"
	}
	if want := s.model.callback(about, a, s.now); got != want {
		t.Errorf("the callback %s gives %s (%v), the model says %s", a.Action, got, err, want)
	}
	if got == "changed" && live != 0 {
		s.taken[live] = true
	}
}
