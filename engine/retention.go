package engine

import (
	"context"
	"errors"
	"time"

	"github.com/genevadrive/genevadrive/persistence"
)

const (
	retentionEvery = time.Minute
	// retentionRun bounds one run. What is left the next one deletes; a backlog goes at about half of what the
	// database could do.
	retentionRun  = 20 * time.Second
	versionsEvery = time.Hour
)

// retention deletes what has ended longer ago than is to be kept. Only its loop uses it.
type retention struct {
	e            *Engine
	nextVersions time.Time
	search       *persistence.VersionSearch // for versions that may go; nil: none is under way
}

// runOnce deletes workflows slice by slice until none is left that is old enough, or its time is over. Now and then it
// removes the versions of definitions that no workflow has anymore, which it looks for in slices too. After each slice it
// leaves the database alone for as long as that took.
func (r *retention) runOnce(ctx context.Context) error {
	e := r.e
	if e.Retention <= 0 {
		return nil
	}
	deleted := 0
	defer func() {
		if deleted > 0 {
			e.Logger.Info("retention deleted workflows", "workflows", deleted, "ended_before", e.Retention)
		}
	}()
	end := e.Now().Add(retentionRun)
	err := r.inSlices(ctx, end, func() (bool, error) {
		n, more, err := e.Store.DeleteEnded(ctx, e.Retention)
		deleted += n
		return more, err
	})
	return errors.Join(err, r.versions(ctx, end))
}

// inSlices does something until there is no more of it, or its time is over.
func (r *retention) inSlices(ctx context.Context, end time.Time, slice func() (more bool, err error)) error {
	for now := r.e.Now(); now.Before(end); now = r.e.Now() {
		if more, err := slice(); err != nil || !more {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(r.e.Now().Sub(now)):
		}
	}
	return nil
}

// versions looks for versions that may go, from time to time, and goes on with a search that took longer than a run.
func (r *retention) versions(ctx context.Context, end time.Time) error {
	e := r.e
	if now := e.Now(); r.search == nil && !now.Before(r.nextVersions) {
		search, err := e.Store.OldVersions(ctx, e.Retention)
		if err != nil {
			return err
		}
		r.nextVersions, r.search = now.Add(versionsEvery), search
	}
	if r.search == nil {
		return nil
	}
	over := false
	err := r.inSlices(ctx, end, func() (bool, error) {
		more, err := e.Store.Look(ctx, r.search)
		over = err == nil && !more
		return more, err
	})
	if err != nil || !over {
		return err
	}
	gone, err := e.Store.DeleteUnseen(ctx, r.search)
	r.search = nil
	for _, v := range gone {
		e.Logger.Info("retention deleted a version of a definition", "type", v.Type, "version", v.Version)
	}
	return err
}
