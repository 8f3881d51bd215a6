package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

// TestAnAnswerOutlivesAFailover has an answer meet a connection whose server takes no writes any more.
func TestAnAnswerOutlivesAFailover(t *testing.T) {
	eachWorld(t, func(w *world) {
		if w.store.Dialect() != "postgres" { // whose sessions can be made so one by one
			return
		}
		ctx := context.Background()
		store, err := persistence.Open(ctx, persistence.Config{URL: w.url, SealingKey: sealingKey, MaxConns: 1})
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { store.Close() })
		s := w.stepper(func(c *engine.Config) { c.Store = store })
		w.define(s.Engine, "type: Over\nsteps: [{name: one}]")
		wf := w.create(s.Engine, "Over")
		h := w.claim(s, wf)
		if _, err := store.DB().ExecContext(ctx, "SET default_transaction_read_only = on"); err != nil {
			w.t.Fatal(err)
		}
		within, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		s.Settle(within, h, answers(domain.ActionComplete), false)
		w.awaitState(wf.ID, domain.WorkflowFinished)
	})
}
