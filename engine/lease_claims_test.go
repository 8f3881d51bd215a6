package engine_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

// clock is the time of an engine, which passes only when a test says so.
type clock struct {
	start  time.Time
	passed atomic.Int64
}

func newClock() *clock { return &clock{start: time.Now()} }

func (c *clock) now() time.Time { return c.start.Add(time.Duration(c.passed.Load())) }

func (c *clock) pass(d time.Duration) { c.passed.Add(int64(d)) }

// set gives an engine this clock.
func (c *clock) set(cfg *engine.Config) {
	cfg.Now = c.now
	cfg.Ready = queue.NewReadyList(queue.Config{Now: c.now})
}

// TestAServerWithoutALeaseClaimsNothing is each way to claim a step, by a server whose lease lives for 14 s (DESIGN
// section 4). What it has claimed before it may still settle.
func TestAServerWithoutALeaseClaimsNothing(t *testing.T) {
	for name, lose := range map[string]func(engine.Stepper, *clock){
		"it has run out":  func(_ engine.Stepper, c *clock) { c.pass(time.Millisecond) },
		"it was given up": func(s engine.Stepper, _ *clock) { s.Release(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				t, ctx, c := w.t, w.t.Context(), newClock()
				s := w.stepper(c.set)
				w.define(s.Engine, "type: Chain\nsteps: [{name: one}, {name: two}]")
				due, claimed := w.create(s.Engine, "Chain"), w.create(s.Engine, "Chain")
				c.pass(14*time.Second - time.Millisecond)
				h := w.claim(s, claimed)
				lose(s, c)
				if s.Claim(ctx, due.ID, due.CurrentExecutionID) != nil {
					t.Error("it claims a due step")
				}
				if s.Settle(ctx, h, answers(domain.ActionComplete), true) != nil {
					t.Error("it claims the next step of a chain")
				}
				s.Offered()
				worker := s.Worker(ctx)
				made := w.create(s.Engine, "Chain")
				if <-worker != nil {
					t.Error("it claims a first step with its create")
				}
				for id, want := range map[uuid.UUID][]string{
					due.ID: {"one scheduled/"}, claimed.ID: {"one completed/completed", "two scheduled/"}, made.ID: {"one scheduled/"},
				} {
					if got := w.history(id); !slices.Equal(got, want) {
						t.Errorf("history is %q, want %q", got, want)
					}
				}
			})
		})
	}
}

// TestAServerThatHadAGapBuriesNobody has a server miss the database for a while, as everybody else may have: only once
// it has been back for 15 s does it declare dead who still is silent (DESIGN section 4).
func TestAServerThatHadAGapBuriesNobody(t *testing.T) {
	eachWorld(t, func(w *world) {
		t, ctx, c := w.t, w.t.Context(), newClock()
		s := w.stepper(c.set)
		silent := persistence.Server{ID: uuid.Must(uuid.NewV7()), Name: "silent", Role: "all", Version: "1"}
		if err := w.store.RegisterServer(ctx, silent); err != nil {
			t.Fatal(err)
		}
		w.exec("UPDATE geneva_drive_servers SET started_at = ?, heartbeat_at = ? WHERE id = ?",
			time.Now().UTC().Add(-time.Hour), time.Now().UTC().Add(-time.Minute), silent.ID)
		for _, at := range []struct {
			later time.Duration
			dead  []string
		}{{11 * time.Second, nil}, {5 * time.Second, nil}, {5 * time.Second, nil}, {5*time.Second - time.Millisecond, nil}, {time.Millisecond, []string{"silent"}}} {
			c.pass(at.later)
			w.swept(s) // after a heartbeat
			if got := w.column("SELECT name FROM geneva_drive_servers WHERE dead_at IS NOT NULL"); !slices.Equal(got, at.dead) {
				t.Fatalf("%s after its start, with a gap of 11 s, it has buried %q, want %q", c.now().Sub(c.start), got, at.dead)
			}
		}
	})
}
