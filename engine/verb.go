package engine

import (
	"log/slog"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// verbCall is a control verb on its way to one workflow: what is decided under the lock, and what follows
// once that is committed.
type verbCall struct {
	e      *Engine
	cmd    domain.Command
	plan   *plan
	before domain.Execution // as the lock found it
}

// call prepares a verb. Its ids are made here, before any transaction.
func (e *Engine) call(cmd domain.Command) *verbCall {
	cmd.NextID, cmd.Fence = e.NewID(), e.NewFence()
	return &verbCall{e: e, cmd: cmd}
}

// decide is the decision of an Op, whose row has the workflow's newest execution.
func (c *verbCall) decide(now time.Time, row persistence.Row) (domain.Change, error) {
	var err error
	if c.plan, err = c.e.plans.of(&row.Workflow); err != nil {
		return domain.Change{}, err
	}
	c.before = domain.Execution{}
	if row.Execution != nil {
		c.before = *row.Execution
	}
	change, err := domain.Control(c.plan.Definition, row.Workflow, row.Execution, c.cmd, now)
	return c.e.stamp(change, now), err
}

// committed lets go of what the verb has taken away here, and announces what it left due.
func (c *verbCall) committed(r persistence.Result) {
	change := r.Change
	if x := change.Execution; !change.Unchanged && x != nil {
		if x.Fence != c.before.Fence {
			c.e.inFlight.abort(x.ID, c.before.Fence) // its late answer would be refused anyway
		}
		if x.State != domain.ExecutionScheduled || x.Held {
			c.e.Ready.Drop(x.ID)
		}
	}
	c.e.moved(slog.LevelInfo, "verb", r, slog.String("verb", string(c.cmd.Verb)), slog.String("reason", c.cmd.Reason))
	c.e.announce(c.plan, r)
}
