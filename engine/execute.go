package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

// maxChain is how long a worker goes on with one undelayed chain of steps while others wait for its slot.
const maxChain = time.Second

// work takes slots until ctx ends; runs ends later and aborts what is in flight then.
func (e *Engine) work(ctx, runs context.Context) {
	for {
		slot, err := e.Ready.Next(ctx)
		if err != nil {
			return
		}
		e.perform(ctx, runs, slot)
		slot.Release()
	}
}

// perform claims the execution of a slot, unless its create has done so, runs and settles it, and goes on with its
// successors as long as they are due at once and nobody else wants the slot (DESIGN section 4).
func (e *Engine) perform(ctx, runs context.Context, slot *queue.Slot) {
	c, ok := slot.Claimed.(*claimed)
	if !ok {
		c = e.claim(ctx, slot.Item, nil)
	}
	for started := e.Now(); c != nil; {
		result, aborted := e.attempt(runs, c)
		if aborted {
			e.handBack(c)
			return
		}
		goesOn := e.goesOn(c, result)
		if !goesOn {
			slot.Free()
		}
		mayContinue := func(next *domain.Execution) bool {
			waiting := e.Ready.Waiting() > 0
			return goesOn && ctx.Err() == nil && sameLane(c, next) &&
				(!waiting || e.Now().Sub(started) < maxChain)
		}
		if c = e.settle(runs, c, result, mayContinue); c != nil {
			slot.Switch(e.item(c.plan, &c.execution, 0))
		}
	}
}

// goesOn tells whether a step may follow in the slot of this one, as far as can be told before its result is saved.
func (e *Engine) goesOn(c *claimed, result domain.Result) bool {
	now := e.Now()
	change, err := domain.Settle(c.plan.Definition, c.workflow, c.execution, result, domain.SettleParams{Fence: c.execution.Fence}, now)
	if err != nil {
		return true
	}
	next, open := change.Due()
	return open && !next.ScheduledFor.After(now) && sameLane(c, next)
}

// sameLane tells whether the next step may use the slot of this one: the same receivers, queue and priority.
// Any other goes through the ready list, which knows who is first and who has room.
func sameLane(c *claimed, next *domain.Execution) bool {
	return c.plan.routes[next.StepName] == c.plan.routes[c.execution.StepName] &&
		next.Queue == c.execution.Queue && next.Priority == c.execution.Priority
}

// claim takes the execution for this server. It gives nil when there is nothing to do: somebody else has it,
// it is held or over, or it is early and was put back into the ready list. by is the speedrun that claims, nil for a
// worker: it claims what is early too, and a step that it has answers for without the endpoint that it will not be
// delivered to.
func (e *Engine) claim(ctx context.Context, item queue.Item, by *speedrun) *claimed {
	if !e.lease.live() {
		return nil // the row stays due; whoever has a live lease finds it
	}
	look := e.newLookup()
	if err := look.prepare(ctx, item); err != nil {
		e.claimFailed(ctx, item, err)
		return nil
	}
	var p *plan
	var tries tries
	var written time.Time // the row, last
	params := domain.ClaimParams{Fence: e.NewFence(), Hurry: by != nil}
	known, _ := item.Known.(*persistence.Known)
	op := persistence.Op{WorkflowID: item.WorkflowID, ExecutionID: item.ExecutionID, Known: known,
		Decide: func(now time.Time, row persistence.Row) (domain.Change, error) {
			var err error
			if p, err = e.plans.of(&row.Workflow); err != nil {
				return domain.Change{}, err
			}
			step, _, ok := p.Step(row.Execution.StepName)
			if !ok {
				return domain.FailUnstarted(row.Workflow, *row.Execution, p.StepMissing(row.Execution.StepName), now)
			}
			terms, missing, err := look.terms(step)
			if err != nil {
				return domain.Change{}, err
			}
			if missing != nil && by.standsInFor(step) {
				missing, terms.budget = nil, domain.DefaultWebhookTimeout
			}
			server, live := e.lease.claimant()
			if !live {
				return domain.Change{}, domain.ErrNotClaimable
			}
			params.Server, params.Budget, written = server, terms.budget, row.Workflow.UpdatedAt
			lane, moved := terms.moved(item)
			claim, err := domain.Claim(row.Workflow, *row.Execution, params, now)
			switch {
			case err != nil:
				return claim, err
			case missing != nil:
				return domain.FailUnstarted(row.Workflow, *row.Execution, *missing, now)
			case moved && by == nil:
				return domain.Change{}, lane
			}
			tries.add(e.claiming(p, claim))
			return claim, nil
		}}
	result := e.decide(ctx, op)
	var early *domain.EarlyError
	var other otherLane
	switch {
	case result.Err == nil:
		if result.Change.Execution.State != domain.ExecutionExecuting {
			e.moved(slog.LevelWarn, "step not performed", result)
			return nil
		}
		c := e.owned(&tries, result)
		c.late = lateness(&c.execution, written)
		return c
	case errors.As(result.Err, &early):
		item.Due = e.Now().Add(max(early.Remaining, comeBack))
		e.Ready.Offer(item)
	case errors.As(result.Err, &other):
		item.Receiver, item.Hook, item.Due = other.receiver, other.hook, e.Now().Add(comeBack)
		e.Ready.Offer(item)
	case !errors.Is(result.Err, domain.ErrNotClaimable):
		if errors.Is(result.Err, persistence.ErrUnavailable) {
			e.strays.add(stray{Lost: persistence.Lost{ExecutionID: item.ExecutionID, WorkflowID: item.WorkflowID, Fence: params.Fence}})
		}
		e.claimFailed(ctx, item, result.Err)
	}
	return nil
}

func (e *Engine) claimFailed(ctx context.Context, item queue.Item, err error) {
	if ctx.Err() == nil {
		e.Logger.Warn("claim failed; the step stays due", "step_execution_id", item.ExecutionID, "error", err)
	}
}

// settle applies the result of an attempt, and the claim of the next step with it if that may follow at
// once. It gives the next step as claimed, or nil. It returns only when the result is saved or can no longer
// count: the answer was given once and will not be given again.
func (e *Engine) settle(ctx context.Context, c *claimed, result domain.Result, mayContinue func(*domain.Execution) bool) *claimed {
	params := domain.SettleParams{Fence: c.execution.Fence, NextID: e.NewID(), Jitter: e.Jitter()}
	following := domain.ClaimParams{Fence: e.NewFence(), Hurry: c.speedrun != nil}
	var next tries // of the next step's claim
	op := persistence.Op{WorkflowID: c.workflow.ID, ExecutionID: c.execution.ID, Known: c.known, Bytes: writtenBy(c, result),
		Decide: func(now time.Time, row persistence.Row) (domain.Change, error) {
			change, err := domain.Settle(c.plan.Definition, row.Workflow, *row.Execution, result, params, now)
			due, open := change.Due()
			if err != nil || !open || !mayContinue(due) {
				return e.stamp(change, now), err
			}
			step, _, _ := c.plan.Step(due.StepName)
			terms, missing, err := e.newLookup().terms(step)
			server, live := e.lease.claimant()
			if err != nil || missing != nil || !live { // its claim, which may read the endpoint, is for another transaction
				return e.stamp(change, now), nil
			}
			following.Server, following.Budget = server, terms.budget
			change, ok := change.ThenClaim(following, now)
			if !ok {
				return e.stamp(change, now), nil
			}
			next.add(e.claiming(c.plan, change))
			return change, nil
		}}
	saved := e.save(ctx, c, op)
	if errors.Is(saved.Err, persistence.ErrUnsavable) {
		result = unsavable(result, saved.Err)
		saved = e.save(ctx, c, op)
	}
	x := saved.Change.Current()
	if saved.Err == nil && x.State == domain.ExecutionExecuting && x.Fence == following.Fence {
		if c.speedrun == nil {
			e.told.Go(func() { e.attempted(c, result, saved) }) // the next delivery does not wait for that
		} else {
			e.attempted(c, result, saved) // Stop, which waits for the others, does not wait for speedruns
		}
		return e.owned(&next, saved)
	}
	e.attempted(c, result, saved)
	if saved.Err != nil {
		if next.last != nil {
			e.strays.add(stray{Lost: next.last.claim()})
		}
		return nil
	}
	e.announce(c.plan, saved)
	return nil
}

// writtenBy is about how many bytes the settle of a result writes: texts that are kept, and the workflow's data as far as
// that is patched.
func writtenBy(c *claimed, r domain.Result) int {
	n := len(r.Excerpt)
	if a := r.Answer; a != nil {
		n += len(a.Reason) + len(a.Message) + len(a.Backtrace)
		if len(a.Data) > 0 {
			n += len(c.workflow.Data) + len(a.Data)
		}
	}
	if f := r.Failure; f != nil {
		n += len(f.Message) + len(f.Backtrace)
	}
	return n
}

// unsavable is the failed attempt that takes the place of an answer the database refuses to hold.
func unsavable(r domain.Result, cause error) domain.Result {
	return domain.Result{Status: r.Status, DurationMS: r.DurationMS, Failure: &domain.Failure{
		ExecutionError: domain.ExecutionError{Code: domain.ErrUnsavableAnswer, Status: r.Status,
			Message: "The database cannot hold this answer: " + cause.Error()}}}
}

// handBack gives a claimed execution back, claimable by any server at once.
func (e *Engine) handBack(c *claimed) {
	claim := c.claim()
	if err := e.release(context.Background(), claim); err != nil {
		// Nothing is lost: it is tried again, or the lease of this server ends and another one takes the row over.
		if errors.Is(err, persistence.ErrUnavailable) {
			e.strays.add(stray{Lost: claim})
		}
		e.Logger.Info("step not handed back", "step_execution_id", c.execution.ID, "error", err)
	}
}

const (
	saveRetryMin = 100 * time.Millisecond
	saveRetryMax = 2 * time.Second
)

// save commits a settle. While the database is away it keeps the answer and tries again, until the runs of
// this server are over. The log tells of the first try only, lest an outage fill the disk.
func (e *Engine) save(ctx context.Context, c *claimed, op persistence.Op) persistence.Result {
	wait, level := saveRetryMin, slog.LevelWarn
	for {
		result := e.commits.do(op)
		if !errors.Is(result.Err, persistence.ErrUnavailable) {
			return result
		}
		op.Unsure = result.Unsure
		e.Logger.Log(ctx, level, "the database is away; the answer is kept and saved later",
			"workflow_id", c.workflow.ID, "step_execution_id", c.execution.ID, "error", result.Err)
		select {
		case <-ctx.Done():
			return result
		case <-time.After(wait):
		}
		wait, level = min(2*wait, saveRetryMax), slog.LevelDebug
	}
}

// decide commits a decision that may need a plan or an endpoint which is not cached yet.
func (e *Engine) decide(ctx context.Context, op persistence.Op) persistence.Result {
	for {
		result := e.commits.do(op)
		if retry, err := e.load(ctx, result.Err); !retry {
			result.Err = err
			return result
		}
	}
}

// stamp notes on a scheduled execution the doorbell's id, if it will be rung for.
func (e *Engine) stamp(change domain.Change, now time.Time) domain.Change {
	if due, ok := change.Due(); ok && due.ScheduledFor.Sub(now) > e.Horizon {
		due.JobID = queue.JobID(due.ID, due.ScheduledFor)
	}
	return change
}

// maxKnownData bounds the data of a workflow that the ready list keeps in memory, of up to 10,000.
const maxKnownData = 2 << 10

// announce makes what a committed change left due start on time: here, if this server can, else by the
// doorbell. Whatever gets lost on the way the sweep finds (DESIGN section 2).
func (e *Engine) announce(p *plan, committed persistence.Result) {
	due, ok := committed.Change.Due()
	if !ok {
		return
	}
	wait := due.ScheduledFor.Sub(committed.Now)
	here := e.Role.works() && wait <= e.Horizon
	if here {
		item := e.item(p, due, wait)
		if wait <= 0 && len(committed.Change.Workflow.Data) <= maxKnownData {
			item.Known = committed.Known()
		}
		here = e.Ready.Offer(item)
	}
	if !here {
		e.Doorbell.Ring(queue.Bell{ExecutionID: due.ID, Due: due.ScheduledFor, At: e.Now().Add(wait), Queue: due.Queue})
	}
}

// item is what the ready list holds of an execution that is due in wait.
func (e *Engine) item(p *plan, x *domain.Execution, wait time.Duration) queue.Item {
	to := p.routes[x.StepName]
	return queue.Item{ExecutionID: x.ID, WorkflowID: x.WorkflowID, Queue: x.Queue, Priority: x.Priority,
		Due: e.Now().Add(wait), Receiver: e.limited(to.step), Hook: e.limited(to.hook)}
}

// limited gives a receiver with the limit it has now.
func (e *Engine) limited(r receiver) queue.Receiver {
	if r.endpoint != "" && r.maxInFlight == 0 {
		r.maxInFlight = e.endpoints.maxInFlight(r.endpoint)
	}
	return queue.Receiver{Name: r.key, MaxInFlight: r.maxInFlight}
}
