package telemetry

import (
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

// What becomes of a step execution that did not end.
const (
	outcomeRetried     = "retried"
	outcomeInterrupted = "interrupted"
)

// stepOutcome is what a change, decided at now, did to the execution it was about; "" for nothing that counts.
// A change carries rows as they are after it, so that only what bears its time is its own.
func stepOutcome(c *domain.Change, now time.Time) string {
	x := c.Execution
	switch {
	case x == nil:
		return ""
	case x.State.Open() && c.Attempt != nil && c.Attempt.Error.Code == domain.ErrInterrupted:
		return outcomeInterrupted
	case x.State.Open() && c.Attempt != nil:
		return outcomeRetried
	case is(x.CompletedAt, now), is(x.FailedAt, now), is(x.CanceledAt, now), is(x.SkippedAt, now):
		return string(x.Outcome)
	}
	return ""
}

// workflowMoves is what a change did to its workflow; to is "" while it stays open and goes on. A definition
// without steps is finished as it is created.
func workflowMoves(c *domain.Change, now time.Time) (created bool, to string) {
	w := &c.Workflow
	created = c.Execution == nil && w.CreatedAt.Equal(now)
	switch {
	case is(w.FinishedAt, now), is(w.CanceledAt, now):
		to = string(w.State)
	case w.Pause != nil && w.Pause.At.Equal(now):
		to = "paused_by_" + string(w.Pause.By)
	}
	return created, to
}

func is(t *time.Time, now time.Time) bool { return t != nil && t.Equal(now) }
