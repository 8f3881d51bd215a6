package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// TestForeignLocksKeepOnlyTheirOwnWaiting has somebody hold the rows of two workflows, and the place of a third in
// the unique index: others are claimed and created meanwhile. SQLite has no locks of rows. In MySQL who waits for a place
// in an index holds up all who come between it and the entry before: the one created meanwhile has its place elsewhere.
func TestForeignLocksKeepOnlyTheirOwnWaiting(t *testing.T) {
	eachWorld(t, func(w *world) {
		if w.store.Dialect() == "sqlite" {
			return
		}
		ctx := w.t.Context()
		s := w.stepper()
		w.define(s.Engine, "type: Slow\nsteps: [{name: one, wait: PT0S}]")
		first, second, free, model := w.create(s.Engine, "Slow"), w.create(s.Engine, "Slow"), w.create(s.Engine, "Slow"), w.create(s.Engine, "Slow")
		w.create(s.Engine, "Slow")

		tx, err := w.store.DB().BeginTx(ctx, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, "UPDATE geneva_drive_workflows SET updated_at = updated_at WHERE id IN (?, ?)", first.ID, second.ID); err != nil {
			w.t.Fatal(err)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE geneva_drive_workflows SET subject_id = 'held' WHERE id = ?", model.ID); err != nil {
			w.t.Fatal(err)
		}
		done := make(chan bool, 3)
		for _, locked := range []engine.Workflow{first, second} {
			go func() { done <- s.Claim(context.Background(), locked.ID, locked.CurrentExecutionID) != nil }()
		}
		go func() {
			_, err := s.Create(context.Background(), member("Slow", "held"))
			done <- err == nil
		}()

		began := time.Now()
		w.claim(s, free)
		if _, err := s.Create(ctx, member("Slow", "0")); err != nil { // UUIDs come after it
			w.t.Fatal(err)
		}
		if took := time.Since(began); len(done) > 0 {
			w.t.Fatalf("what is locked was done, or refused, before the others, who took %v", took)
		}
		if err := tx.Rollback(); err != nil {
			w.t.Fatal(err)
		}
		for range 3 {
			if !<-done {
				w.t.Error("what was locked fails, though the lock is gone")
			}
		}
	})
}

// TestAServerThatWasDeclaredDeadClaimsUnderItsNewID has a server lose its lease and take a new one while a settle
// waits: what the settle goes on with must not be a claim of the dead id, which others would take over at once.
func TestAServerThatWasDeclaredDeadClaimsUnderItsNewID(t *testing.T) {
	eachWorld(t, func(w *world) {
		if w.store.Dialect() == "sqlite" { // where a server is alone, and nobody writes beside a settle
			return
		}
		ctx := w.t.Context()
		s := w.stepper()
		w.define(s.Engine, "type: Old\nsteps: [{name: one}, {name: two}]")
		wf := w.create(s.Engine, "Old")
		h, old := w.claim(s, wf), s.Server()
		h = s.SettleIf(ctx, h, domain.Result{Answer: &domain.Answer{Action: domain.ActionComplete}, Status: 200}, func() bool {
			w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at WHERE id = ?", old)
			if err := s.Heartbeat(ctx); err != nil || s.Server() == old {
				w.t.Errorf("the server goes on as %s: %v", s.Server(), err)
			}
			return true
		})
		if h == nil || h.Execution().ClaimedBy != s.Server() {
			w.t.Errorf("the next step is claimed as %+v, the server is %s, was %s", h, s.Server(), old)
		}
	})
}
