package engine

import (
	"errors"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

// start claims the first step of a workflow in the very transaction that makes the workflow, when that step is
// due at once and a worker here has nothing to do: its delivery then waits for one commit in place of two
// (docs/decisions/0057). A nil start claims nothing.
type start struct {
	e      *Engine
	params domain.ClaimParams
	tries  tries
	slot   *queue.Slot // nil: none is reserved
}

func (e *Engine) newStart() *start {
	return &start{e: e, params: domain.ClaimParams{Fence: e.NewFence()}}
}

// claim adds the claim to the change that makes a workflow, if the step can start here and now.
func (s *start) claim(p *plan, made domain.Change, now time.Time) domain.Change {
	due, ok := made.Due()
	if s == nil || !ok || due.ScheduledFor.After(now) {
		return made
	}
	server, live := s.e.lease.claimant()
	if !live {
		return made
	}
	step, _, _ := p.Step(due.StepName)
	terms, missing, err := s.e.newLookup().terms(step)
	if err != nil || missing != nil { // its claim, which may read the endpoint, is for another transaction
		return made
	}
	if s.slot == nil {
		s.slot = s.e.Ready.Reserve(s.e.item(p, due, 0))
	}
	if s.slot == nil {
		return made
	}
	s.params.Server, s.params.Budget = server, terms.budget
	change, ok := made.ThenClaim(s.params, now)
	if ok {
		s.tries.add(s.e.claiming(p, change))
	}
	return change
}

// hand lets a worker perform the step, if the committed change has claimed it.
func (s *start) hand(committed persistence.Result) bool {
	if next := committed.Change.Next; s == nil || next == nil || next.State != domain.ExecutionExecuting {
		return false
	}
	c := s.e.owned(&s.tries, committed)
	if s.slot != nil && s.slot.Hand(c) {
		s.slot = nil
	} else {
		s.e.handBack(c)
	}
	return true
}

// lost takes note of a claim of which nobody knows whether it was committed.
func (s *start) lost(err error) {
	if s != nil && s.tries.last != nil && errors.Is(err, persistence.ErrUnavailable) {
		c := s.tries.last
		s.e.strays.add(stray{c.claim(), c.decided.Add(c.execution.Deadline.Sub(*c.execution.StartedAt))})
	}
}

// release gives back a slot that was not handed on.
func (s *start) release() {
	if s != nil && s.slot != nil {
		s.slot.Release()
		s.slot = nil
	}
}
