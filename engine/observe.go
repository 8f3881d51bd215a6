package engine

import (
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

// Observer is told what the engine does, for metrics. It is called on the hot path, from many goroutines:
// its methods must be quick, and never block.
type Observer interface {
	// Changed: a decision that was taken at now, by the database's clock, has been committed.
	Changed(change *domain.Change, now time.Time)
	// Attempted: an attempt has ended, and its result is saved or can no longer count.
	Attempted(AttemptFigures)
	// Committed: one transaction took this many decisions.
	Committed(decisions int)
	// Rescued: a step goes on that would have stood still without the sweep.
	Rescued(Rescue)
	// Buried: another server was declared dead.
	Buried()
}

// AttemptFigures are those of one attempt.
type AttemptFigures struct {
	Late      time.Duration    // from when it could be claimed until it was, by the database's clock
	Took      time.Duration    // conditions, hook and delivery together
	Delivered bool             // false: it ended before anything was sent
	Error     domain.ErrorCode // "": it did not fail
	Discarded bool             // its claim had been taken away, so that it had no effect
}

// Rescue says what the sweep made good.
type Rescue string

// The rescues.
const (
	RescueDeadServer Rescue = "dead_server" // the server that performed the step died
	RescueDeadline   Rescue = "deadline"    // the step's deadline passed without a result
	RescueUnheard    Rescue = "unheard"     // the step was due, and nothing had rung for it here
)

// Rescues lists every rescue.
var Rescues = []Rescue{RescueDeadServer, RescueDeadline, RescueUnheard}

// why is what the attempt that was cut short says.
func (r Rescue) why() string {
	if r == RescueDeadServer {
		return "The server that was performing this step died."
	}
	return "The step's deadline passed without a result."
}

// unobserved is the Observer of an engine that has none.
type unobserved struct{}

func (unobserved) Changed(*domain.Change, time.Time) {}
func (unobserved) Attempted(AttemptFigures)          {}
func (unobserved) Committed(int)                     {}
func (unobserved) Rescued(Rescue)                    {}
func (unobserved) Buried()                           {}

// LeaseLive tells whether this server holds its lease, so that it may claim steps.
func (e *Engine) LeaseLive() bool { return e.lease.live() }

// lateness is how long an execution could have been claimed before it was: since it became due, or since the
// last write before the claim, which may have made it claimable only then (a resume, a takeover).
func lateness(x *domain.Execution, written time.Time) time.Duration {
	since := x.ScheduledFor
	if written.After(since) {
		since = written
	}
	return max(x.StartedAt.Sub(since), 0)
}
