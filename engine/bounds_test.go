package engine_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/internal/testenv"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

// TestAChainGivesWayAfterASecond has one worker in the middle of a chain when another workflow wants its slot: for a
// second of that chain it waits, and then it comes first.
func TestAChainGivesWayAfterASecond(t *testing.T) {
	eachWorld(t, func(w *world) {
		c := newClock()
		e := w.start(c.set, func(cfg *engine.Config) { cfg.Concurrency = 1 })
		w.define(e, "type: Other\nsteps: [{name: other}]")
		w.define(e, "type: Chain\nsteps: [{name: one}, {name: two}, {name: three}]")
		passes := func(d time.Duration, also func()) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { also(); c.pass(d) }
		}
		var other engine.Workflow
		w.receiver.on("one", passes(time.Second-time.Millisecond, func() { other = w.create(e, "Other") }))
		w.receiver.on("two", passes(time.Millisecond, func() {}))
		chain := w.create(e, "Chain")
		var order []string
		for range 4 {
			order = append(order, w.receiver.next(w.t).Step)
		}
		if want := []string{"one", "two", "other", "three"}; !slices.Equal(order, want) {
			w.t.Errorf("performed %q, want %q", order, want)
		}
		w.awaitState(chain.ID, domain.WorkflowFinished)
		w.awaitState(other.ID, domain.WorkflowFinished)
	})
}

// sharedBell is a doorbell that other servers hear too.
type sharedBell struct {
	*queue.Embedded
	healthy bool
}

func (b *sharedBell) Healthy() bool { return b.healthy }

// TestTheSweepLeavesYoungRowsToAHealthyDoorbell looks at one due row as it grows older. Only SQLite has a clock that
// stands still.
func TestTheSweepLeavesYoungRowsToAHealthyDoorbell(t *testing.T) {
	c, bell := newClock(), &sharedBell{queue.NewEmbedded(nil, 0), true}
	w := &world{t: t, url: testenv.SQLite(t), receiver: newReceiver(t)}
	var err error
	if w.store, err = persistence.Open(t.Context(), persistence.Config{URL: w.url, Now: c.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	if _, err := w.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := w.stepper(c.set, func(cfg *engine.Config) { cfg.SharedDoorbell, cfg.Doorbell = true, bell })
	w.define(s.Engine, "type: Young\nsteps: [{name: one}]")
	w.create(s.Engine, "Young")
	s.Offered() // by the create
	for _, at := range []struct {
		later   time.Duration
		healthy bool
		offered int
	}{{0, true, 0}, {0, false, 1}, {time.Second - time.Microsecond, true, 0}, {time.Microsecond, true, 1}} {
		c.pass(at.later)
		bell.healthy = at.healthy
		if items := w.swept(s); len(items) != at.offered {
			t.Errorf("a row that is due for %s: healthy %t, offered %d, want %d", c.now().Sub(c.start), at.healthy, len(items), at.offered)
		}
	}
}

// TestADeliveryEndsOnceItsStepIsTakenAway has a delivery in flight that would go on for minutes. For a verb and a
// callback see TestCancelAbortsTheDeliveryInFlight and TestCallbackBeforeThe202.
func TestADeliveryEndsOnceItsStepIsTakenAway(t *testing.T) {
	for name, take := range map[string]func(*world, *engine.Engine, engine.Workflow) error{
		"by a create with cancel_existing": func(w *world, e *engine.Engine, wf engine.Workflow) error {
			request := member("Taken", wf.SubjectID)
			request.OnConflict = domain.ConflictCancelExisting
			_, err := e.Create(context.Background(), request)
			return err
		},
		"by deleting its subject": func(w *world, e *engine.Engine, wf engine.Workflow) error {
			return e.DeleteSubject(context.Background(), wf.SubjectType, wf.SubjectID)
		},
		"after its deadline": func(w *world, e *engine.Engine, wf engine.Workflow) error {
			w.exec("UPDATE geneva_drive_step_executions SET deadline = created_at WHERE workflow_id = ?", wf.ID)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				e := w.start()
				w.define(e, "type: Taken\nsteps: [{name: one, webhook: {timeout: PT5M}}]")
				gone := make(chan struct{})
				w.receiver.on("one", once(func(_ http.ResponseWriter, r *http.Request) {
					<-r.Context().Done()
					close(gone)
				}, says("")))
				wf := w.create(e, "Taken")
				w.receiver.next(w.t)
				if err := take(w, e, wf); err != nil {
					w.t.Fatal(err)
				}
				select {
				case <-gone:
				case <-time.After(patience):
					w.t.Fatal("the delivery went on")
				}
			})
		})
	}
}
