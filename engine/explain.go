package engine

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// Explain says why a workflow stands where it stands, what happens next and when, and which calls would move
// it. It reads a few rows by their keys. Errors: workflow_not_found.
func (e *Engine) Explain(ctx context.Context, id uuid.UUID) (domain.Explanation, error) {
	row, err := e.Store.Workflow(ctx, id)
	if err != nil {
		return domain.Explanation{}, err
	}
	w, x := row.Workflow, row.Execution
	var def *domain.Definition
	p, err := e.plans.get(ctx, w.Type, w.DefinitionVersion)
	switch {
	case err == nil:
		def = p.Definition
	case !errors.Is(err, domain.ErrUnknownFormat):
		return domain.Explanation{}, err
	}
	facts, now, err := e.facts(ctx, x)
	if err != nil {
		return domain.Explanation{}, err
	}
	return domain.Explain(def, w, x, facts, now), nil
}

// facts reads what an explanation needs beside the workflow, whose newest execution is x, and the database's
// time.
func (e *Engine) facts(ctx context.Context, x *domain.Execution) (f domain.Facts, now time.Time, err error) {
	f.LeaseTTL = leaseTTL
	var claimedBy uuid.UUID
	if x != nil {
		claimedBy = x.ClaimedBy
	}
	if f.Servers, now, err = e.Store.Servers(ctx, claimedBy); err != nil {
		return f, now, err
	}
	if x != nil && x.State == domain.ExecutionScheduled && !x.Held && x.ScheduledFor.Before(now) {
		f.Ahead, err = e.Store.Ahead(ctx, x, now)
	}
	return f, now, err
}
