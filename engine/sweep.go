package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

const (
	sweepEvery        = time.Second
	housekeepingEvery = time.Minute
	refillEvery       = 20 * time.Millisecond
	refillParked      = 100 * time.Millisecond // while much waits for its receiver, which more of it would not help
	sweepLimit        = 1000                   // of a queue and priority
	runsLow           = sweepLimit / 4         // waiting in the ready list: so few that a sweep out of turn is worth it
	doorbellGrace     = time.Second            // while the doorbell is healthy, younger rows are its business
)

// sweep makes good whatever got lost: it offers due rows to the ready list, takes steps from servers that
// died and from claims whose deadline passed, and declares silent servers dead (DESIGN section 2). One part
// failing does not keep the others from running.
func (e *Engine) sweep(ctx context.Context) error {
	return errors.Join(e.lease.bury(ctx), e.sweepLost(ctx), e.sweepDue(ctx))
}

// sweepDue offers what is due, or will be within the horizon if nobody else rings for it. Steps of queues that no living
// server lists run as default.
func (e *Engine) sweepDue(ctx context.Context) error {
	if !e.lease.live() {
		return nil
	}
	ahead := e.Horizon
	if e.SharedDoorbell && e.Doorbell.Healthy() {
		ahead = -doorbellGrace
	}
	more, err := e.sweepLanes(ctx, ahead)
	if more {
		select {
		case e.backlog <- struct{}{}:
		default: // it is told already
		}
	}
	return err
}

// refill sweeps out of turn when a sweep has left something and the ready list runs low, so that a backlog is
// worked off at full speed rather than a sweep's worth every second. A sweep that fails ends that; the next one in
// turn begins it again.
func (e *Engine) refill(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-e.backlog:
		case <-ctx.Done():
			return
		}
		for low := false; !low; low = e.Ready.Waiting() <= runsLow {
			every := refillEvery
			if e.Ready.Parked() > runsLow {
				every = refillParked
			}
			pause.Reset(every)
			select {
			case <-pause.C:
			case <-ctx.Done():
				return
			}
		}
		if err := e.sweepDue(ctx); err != nil && ctx.Err() == nil {
			e.Logger.Warn("sweep failed, will run again", "error", err)
		}
	}
}

// offer puts candidates into the ready list, and gives how many that took. What it did not have, though due for
// longer than grace, counts as unheard. Steps whose definitions this server cannot read are left alone.
func (e *Engine) offer(ctx context.Context, candidates []persistence.Candidate, now time.Time, grace time.Duration) (taken int) {
	unreadable := map[planKey]bool{} // looked up once for all of their steps
	for _, c := range candidates {
		key := planKey{c.Type, c.DefinitionVersion}
		if unreadable[key] {
			continue
		}
		p, err := e.plans.get(ctx, c.Type, c.DefinitionVersion)
		if err != nil {
			unreadable[key] = true
			if _, warned := e.warned.LoadOrStore(key, true); !warned {
				e.Logger.Warn("steps left alone: their definition cannot be read by this server",
					"type", c.Type, "version", c.DefinitionVersion, "step_execution_id", c.ExecutionID, "error", err)
			}
			continue
		}
		expected, wait := e.Ready.Expects(c.ExecutionID, 0), c.Due.Sub(now)
		unheard := -wait > grace && !expected
		if -wait > doorbellGrace && !expected && e.tried.before(c) {
			wait = 0 // a claim that failed gets its next chance after those that have not had theirs
		}
		offered := e.Ready.Offer(e.item(p, &domain.Execution{ID: c.ExecutionID, WorkflowID: c.WorkflowID, StepName: c.StepName,
			Queue: c.Queue, Priority: c.Priority}, wait))
		if offered {
			taken++
		}
		if unheard && offered {
			e.Observer.Rescued(RescueUnheard)
		}
	}
	return taken
}

// sweepLost interrupts executions whose server is dead or whose deadline has passed.
func (e *Engine) sweepLost(ctx context.Context) error {
	orphans, err := e.Store.Orphans(ctx, sweepLimit)
	if err != nil {
		return err
	}
	expired, err := e.Store.Expired(ctx, sweepLimit)
	if err != nil {
		return err
	}
	e.interruptAll(ctx, orphans, RescueDeadServer)
	e.interruptAll(ctx, expired, RescueDeadline)
	return nil
}

// interruptAll takes executions from whoever claimed them, as many at once as this server performs, so that they share
// commits: what a dead server held is claimable again soon, however much that was.
func (e *Engine) interruptAll(ctx context.Context, all []persistence.Lost, rescue Rescue) {
	var group errgroup.Group
	group.SetLimit(max(e.Concurrency, 1))
	for _, lost := range all {
		group.Go(func() error {
			e.interrupt(ctx, lost, rescue)
			return nil
		})
	}
	_ = group.Wait() // what fails is tried again
}

// interrupt takes one execution from whoever claimed it. A row that fails never stands in the way of others.
func (e *Engine) interrupt(ctx context.Context, lost persistence.Lost, rescue Rescue) {
	params := domain.SettleParams{Fence: lost.Fence, NextID: e.NewID(), Jitter: e.Jitter()}
	fence := e.NewFence()
	var p *plan
	result := e.decide(ctx, persistence.Op{WorkflowID: lost.WorkflowID, ExecutionID: lost.ExecutionID,
		Decide: func(now time.Time, row persistence.Row) (domain.Change, error) {
			var err error
			if p, err = e.plans.of(&row.Workflow); err != nil {
				return domain.Change{}, err
			}
			change, err := domain.Interrupt(p.Definition, row.Workflow, *row.Execution, rescue.why(), params, fence, now)
			return e.stamp(change, now), err
		}})
	switch {
	case result.Err == nil:
		e.inFlight.abort(lost.ExecutionID, lost.Fence)
		e.moved(slog.LevelWarn, "step taken over", result, slog.String("why", string(rescue)))
		if a := result.Change.Attempt; a != nil && a.Error.Code == domain.ErrInterrupted {
			e.Observer.Rescued(rescue)
		}
		e.announce(p, result)
	case errors.Is(result.Err, domain.ErrFenced), errors.Is(result.Err, domain.ErrSettled):
	default:
		e.Logger.Warn("step not taken over, will be tried again", "step_execution_id", lost.ExecutionID, "error", result.Err)
	}
}

// housekeep deletes what nobody needs anymore, in small batches, and looks after what the fast loops pass by.
func (e *Engine) housekeep(ctx context.Context) error {
	return errors.Join(
		e.Store.DeleteExpiredIdempotencyKeys(ctx),
		e.Store.DeleteDeadServers(ctx),
		e.Store.Checkpoint(ctx),
	)
}
