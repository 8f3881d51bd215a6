package engine_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/queue"
)

// hurried gives an engine loops that run five hundred times as often.
func hurried(c *engine.Config) { c.Jitter = func() float64 { return -4.49 } }

// lastRing is a doorbell that tells when it is listened to no more, since the engine has begun to stop.
type lastRing struct {
	*queue.Embedded
	over chan struct{}
}

func (b lastRing) Run(ctx context.Context, arrive func(uuid.UUID) (busy bool)) error {
	defer close(b.over)
	return b.Embedded.Run(ctx, arrive)
}

// TestAServerThatStopsKeepsItsLeaseToTheEnd has a server renew its lease for as long as a delivery is in flight, after
// it has begun to stop, and give it up then.
func TestAServerThatStopsKeepsItsLeaseToTheEnd(t *testing.T) {
	eachWorld(t, func(w *world) {
		t, bell := w.t, lastRing{queue.NewEmbedded(nil, 0), make(chan struct{})}
		e := w.engine(hurried, func(c *engine.Config) { c.Doorbell = bell })
		if err := e.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.define(e, "type: Long\nsteps: [{name: one}]")
		answer, release := block()
		w.receiver.on("one", answer)
		wf := w.create(e, "Long")
		w.receiver.next(t)
		stopped := make(chan struct{})
		go func() { defer close(stopped); e.Stop(context.Background()) }()
		<-bell.over
		for range 3 { // one that was under way may come late
			w.exec("UPDATE geneva_drive_servers SET heartbeat_at = ?", time.Now().UTC().Add(-time.Hour))
			w.awaitColumn("SELECT count(*) FROM geneva_drive_servers WHERE dead_at IS NULL AND heartbeat_at > started_at", "1")
		}
		release()
		<-stopped
		w.awaitState(wf.ID, domain.WorkflowFinished)
		if alive := w.column("SELECT name FROM geneva_drive_servers WHERE dead_at IS NULL"); len(alive) > 0 {
			t.Errorf("after the stop others still wait for %q", alive)
		}
	})
}

// TestAStartedServerHandsBackStrays has a server find a claim of its own that nobody performs.
func TestAStartedServerHandsBackStrays(t *testing.T) {
	eachWorld(t, func(w *world) {
		s := engine.Stepper{Engine: w.start(hurried, func(c *engine.Config) { c.Concurrency = 0 })}
		w.define(s.Engine, "type: Stray\nsteps: [{name: one}]")
		wf := w.create(s.Engine, "Stray")
		s.Stray(w.claim(s, wf))
		row := w.awaitState(wf.ID, domain.WorkflowReady)
		if x := row.Execution; x.State != domain.ExecutionScheduled || x.Attempt != 1 || x.Interruptions != 0 {
			w.t.Errorf("handed back as %+v", x)
		}
	})
}

// TestAnExclusiveServerTakesOverAtOnce has a server start on a database that nobody else uses: what its predecessor
// had in flight is claimed again without waiting for that one's lease to run out.
func TestAnExclusiveServerTakesOverAtOnce(t *testing.T) {
	eachWorld(t, func(w *world) {
		killed := w.stepper(func(c *engine.Config) { c.Name = "killed" })
		w.define(killed.Engine, "type: Left\nsteps: [{name: one}]")
		wf := w.create(killed.Engine, "Left")
		w.claim(killed, wf)
		w.start(func(c *engine.Config) { c.Exclusive = true })
		if alive := w.column("SELECT name FROM geneva_drive_servers WHERE dead_at IS NULL"); !slices.Equal(alive, []string{"test"}) {
			w.t.Fatalf("after the start the servers alive are %q", alive)
		}
		row := w.awaitState(wf.ID, domain.WorkflowFinished)
		if x := row.Execution; x.Attempt != 2 || x.Interruptions != 1 {
			w.t.Errorf("performed as %+v", x)
		}
	})
}

// awaitColumn waits until a query gives the one value.
func (w *world) awaitColumn(query, want string) {
	w.t.Helper()
	tick, late := time.NewTicker(2*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for got := w.column(query); !slices.Equal(got, []string{want}); got = w.column(query) {
		select {
		case <-tick.C:
		case <-late:
			w.t.Fatalf("%s gives %q, want %q", query, got, want)
		}
	}
}
