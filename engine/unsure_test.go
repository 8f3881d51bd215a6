package engine_test

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

// TestAnAnswerThatCountedIsNotCalledDiscarded loses the reply to the commit of a settle, and the database with it for
// longer than the store asks about that. The answer is kept and tried again; what it has done already counts, is
// reported as what it was, and is done once.
func TestAnAnswerThatCountedIsNotCalledDiscarded(t *testing.T) {
	for name, tt := range map[string]struct {
		result  domain.Result
		goOn    bool
		change  string // as the observer is told
		history []string
	}{
		"complete": {answers(domain.ActionComplete), false, "one completed/completed ready",
			[]string{"one completed/completed", "two scheduled/"}},
		"complete, and go on": {answers(domain.ActionComplete), true, "one completed/completed performing",
			[]string{"one completed/completed", "two executing/"}},
		"finish":              {answers(domain.ActionFinish), false, "one completed/finished finished", []string{"one completed/finished"}},
		"a retry":             {fails(true), false, "one scheduled/ ready", []string{"one scheduled/"}},
		"a failure for good":  {fails(false), false, "one failed/failed paused", []string{"one failed/failed"}},
		"an answer for later": {domain.Result{Later: true, Status: 202}, false, "one executing/ performing", []string{"one executing/"}},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				ctx := context.Background()
				o := newWatcher()
				var kept func()
				s, l := w.fragile(func(c *engine.Config) {
					c.Observer = o
					c.Logger = slog.New(onLog{told: func(message string) {
						if message == "the database is away; the answer is kept and saved later" {
							kept()
						}
					}})
				})
				w.define(s.Engine, "type: Unsure\nsteps: [{name: one, callback_timeout: PT1H}, {name: two}]")
				wf := w.create(s.Engine, "Unsure")
				h := w.claim(s, wf)
				claim := h.Execution()
				times := 0
				kept = func() {
					times++
					w.await(wf.ID, "as the answer leaves it", func(r persistence.Row) bool { return slices.Equal(w.history(wf.ID), tt.history) && unlike(r, claim) })
					l.mend(s)
				}
				l.cutForLong(s, true)
				next := s.Settle(ctx, h, tt.result, tt.goOn)
				if times != 1 {
					w.t.Errorf("the answer was kept %d times", times)
				}
				if a := o.next(w.t); a.Discarded {
					w.t.Error("the answer is called discarded, though it counted")
				}
				if changes, _ := o.seen(); !slices.Contains(changes, tt.change) {
					w.t.Errorf("the observer was told of %q, want %q among them", changes, tt.change)
				}
				if (next != nil) != tt.goOn {
					w.t.Errorf("it goes on with %+v", next)
				}
				if err := s.HandBackStrays(ctx); err != nil {
					w.t.Fatal(err)
				}
				if got := w.history(wf.ID); !slices.Equal(got, tt.history) {
					w.t.Errorf("history is %q", got)
				}
				if x, attempts, err := w.store.Execution(ctx, claim.ID); err != nil || x.Attempt != 1 || len(attempts) > 1 || x.Failures > 1 {
					w.t.Errorf("the execution is %+v with attempts %+v, %v", x, attempts, err)
				}
			})
		})
	}
}

// unlike tells whether a claim is over.
func unlike(r persistence.Row, claim domain.Execution) bool {
	return r.Execution.Fence != claim.Fence || r.Execution.State != claim.State || r.Execution.ClaimedBy != claim.ClaimedBy
}

// TestAClaimHeardOfTooLateIsHandedBack has the reply to the commit of a claim take so long that the delivery would go
// on beyond the deadline: nothing is sent.
func TestAClaimHeardOfTooLateIsHandedBack(t *testing.T) {
	for name, tt := range map[string]struct {
		after time.Duration
		sent  bool
	}{
		"in time":  {domain.DeadlineMargin/2 - time.Second, true},
		"too late": {domain.DeadlineMargin/2 + time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				var ahead atomic.Int64 // nanoseconds; the delivery is put together meanwhile, and asks for the time too
				s := w.stepper(func(c *engine.Config) {
					c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				})
				w.define(s.Engine, "type: Late\nsteps: [{name: one}]")
				h := w.claim(s, w.create(s.Engine, "Late"))
				ahead.Store(int64(tt.after))
				if _, aborted := s.Attempt(w.t.Context(), h); aborted == tt.sent || len(w.receiver.deliveries) > 0 != tt.sent {
					w.t.Errorf("aborted %v after %d deliveries", aborted, len(w.receiver.deliveries))
				}
			})
		})
	}
}
