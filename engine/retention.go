package engine

import (
	"context"
	"errors"
	"time"
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
}

// runOnce deletes workflows slice by slice until none is left that is old enough, or its time is over. After
// each slice it leaves the database alone for as long as that took. Now and then it removes the versions of
// definitions that no workflow has anymore.
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
	started := e.Now()
	for now := started; now.Sub(started) < retentionRun; {
		n, more, err := e.Store.DeleteEnded(ctx, e.Retention)
		deleted += n
		if err != nil || !more {
			return errors.Join(err, r.versions(ctx))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(e.Now().Sub(now)):
		}
		now = e.Now()
	}
	return nil
}

func (r *retention) versions(ctx context.Context) error {
	now := r.e.Now()
	if now.Before(r.nextVersions) {
		return nil
	}
	r.nextVersions = now.Add(versionsEvery)
	gone, err := r.e.Store.DeleteUnusedVersions(ctx, r.e.Retention)
	for _, v := range gone {
		r.e.Logger.Info("retention deleted a version of a definition", "type", v.Type, "version", v.Version)
	}
	return err
}
