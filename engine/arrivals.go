package engine

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"
)

const (
	maxArrivals   = 4096 // rings that wait to be looked up
	heardTogether = 200  // of them, by one query
	listenEvery   = 20 * time.Millisecond
	never         = math.MaxInt64 * time.Nanosecond // does what the doorbell rang for count as unheard
)

// arrive takes a ring of the doorbell, and tells whether much of what is due here has to wait, be it for a worker or
// for its receiver. It never blocks; what does not fit the sweep finds.
func (e *Engine) arrive(id uuid.UUID) (busy bool) {
	select {
	case e.arrivals <- id:
	default:
	}
	return e.Ready.Waiting()+e.Ready.Parked() > runsLow
}

// listen looks up what the doorbell rings for, until ctx ends: at once, and then after listenEvery what has arrived
// meanwhile, since a query for each of many rings would cost more than their steps. The doorbell rings ahead of time.
func (e *Engine) listen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-e.arrivals:
			ids := []uuid.UUID{id}
			for len(ids) < heardTogether && len(e.arrivals) > 0 {
				ids = append(ids, <-e.arrivals)
			}
			candidates, now, err := e.Store.Candidates(ctx, ids)
			switch {
			case err == nil:
				e.offer(ctx, candidates, now, never)
			case ctx.Err() == nil:
				e.Logger.Info("ring not followed; the sweep will find the step", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(listenEvery):
			}
		}
	}
}
