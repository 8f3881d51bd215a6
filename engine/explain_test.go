package engine_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

// explained asks why a workflow stands where it stands, and wants the situation and those verbs.
func (w *world) explained(e *engine.Engine, id uuid.UUID, code string, verbs ...domain.Verb) domain.Explanation {
	w.t.Helper()
	x, err := e.Explain(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	var offered []domain.Verb
	for _, a := range x.Actions {
		offered = append(offered, domain.Verb(a.Verb))
	}
	if x.Code != code || !slices.Equal(offered, verbs) {
		w.t.Errorf("explained as %s with %v, want %s with %v: %s", x.Code, offered, code, verbs, x.Summary)
	}
	return x
}

var (
	whileScheduled = []domain.Verb{domain.VerbPause, domain.VerbSkip, domain.VerbReattempt, domain.VerbCancel, domain.VerbFinish}
	whilePaused    = []domain.Verb{domain.VerbResume, domain.VerbSkip, domain.VerbReattempt, domain.VerbCancel, domain.VerbFinish}
)

// TestExplainScheduled has no server that performs steps until it registers one.
func TestExplainScheduled(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := context.Background()
		e := w.start(func(c *engine.Config) { c.Role = engine.RoleAPI })
		w.define(e, "type: Scheduled\nsteps: [{name: one, wait: PT1H, queue: low}]")
		wf := w.create(e, "Scheduled")
		x := w.explained(e, wf.ID, "waiting", whileScheduled...)
		if x.Next == nil || x.Next.StepName != "one" || !x.Next.At.Equal(wf.Current.ScheduledFor) || x.Next.Overdue != 0 || x.Error != nil {
			w.t.Errorf("next is %+v, error %+v", x.Next, x.Error)
		}
		w.control(e, wf.ID, domain.VerbPause)
		if x = w.explained(e, wf.ID, "paused", whilePaused...); x.Next != nil {
			w.t.Errorf("next of a paused workflow is %+v", x.Next)
		}
		w.control(e, wf.ID, domain.VerbReattempt)
		w.explained(e, wf.ID, "due", whileScheduled...)

		w.overdue(wf, time.Hour)
		x = w.explained(e, wf.ID, "overdue_no_worker", whileScheduled...)
		if o := x.Next.Overdue; o < time.Hour || o > time.Hour+patience {
			w.t.Errorf("overdue by %s", o)
		}
		register := func(role string, queues ...string) {
			server := persistence.Server{ID: uuid.Must(uuid.NewV7()), Name: role + ":1", Role: role, Version: "test", Queues: queues}
			if err := w.store.RegisterServer(ctx, server); err != nil {
				w.t.Fatal(err)
			}
		}
		register("worker", "default")
		w.explained(e, wf.ID, "overdue_unknown_queue", whileScheduled...)
		register("worker", "default", "low")
		if x = w.explained(e, wf.ID, "overdue", whileScheduled...); !strings.Contains(x.Summary, "nothing is ahead of it") {
			w.t.Error(x.Summary)
		}
		for range 3 {
			w.overdue(w.create(e, "Scheduled"), 2*time.Hour) // before it
		}
		w.overdue(w.create(e, "Scheduled"), time.Minute)                        // behind it
		w.control(e, w.overdue(w.create(e, "Scheduled"), 3*time.Hour), "pause") // held
		if x = w.explained(e, wf.ID, "overdue", whileScheduled...); !strings.Contains(x.Summary, `behind 3 due steps in the queue "low" on 2 live workers`) {
			w.t.Error(x.Summary)
		}
		w.exec("UPDATE geneva_drive_servers SET heartbeat_at = ? WHERE role = 'worker'", time.Now().UTC().Add(-time.Minute))
		w.explained(e, wf.ID, "overdue_no_worker", whileScheduled...)

		if _, err := e.Explain(ctx, uuid.New()); domain.CodeOf(err) != domain.CodeWorkflowNotFound {
			w.t.Errorf("an unknown workflow: %v", err)
		}
	})
}

// overdue makes the current step of a workflow due that long ago.
func (w *world) overdue(wf engine.Workflow, by time.Duration) uuid.UUID {
	w.exec("UPDATE geneva_drive_step_executions SET scheduled_for = ? WHERE workflow_id = ?", time.Now().UTC().Add(-by), wf.ID)
	return wf.ID
}

// TestExplainPerformed follows one workflow from its delivery to its end.
func TestExplainPerformed(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Performed\nretry: {max_attempts: 2, initial: PT1H}\nsteps: [{name: one}, {name: two}]")
		answer, release := block()
		w.receiver.on("one", func(rw http.ResponseWriter, r *http.Request) { answer(rw, r); rw.WriteHeader(503) })
		wf := w.create(e, "Performed")
		w.receiver.next(w.t)
		x := w.explained(e, wf.ID, "performing", whileScheduled...)
		if !strings.HasPrefix(x.Summary, "The server test has been performing the step one for ") || x.Next == nil || !x.Next.At.After(time.Now()) {
			w.t.Errorf("%s %+v", x.Summary, x.Next)
		}
		w.control(e, wf.ID, domain.VerbPause)
		w.explained(e, wf.ID, "pausing", whilePaused...)
		w.control(e, wf.ID, domain.VerbResume)
		w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at")
		w.explained(e, wf.ID, "server_silent", whileScheduled...)
		w.exec("UPDATE geneva_drive_servers SET dead_at = NULL")
		release()

		w.await(wf.ID, "waiting for its retry", func(r persistence.Row) bool { return r.Execution.Failures == 1 })
		x = w.explained(e, wf.ID, "retry_scheduled", whileScheduled...)
		if !strings.HasPrefix(x.Summary, "Attempt 1 of 2 of the step one failed with http_status (The receiver answered 503") || x.Error == nil || x.Error.Status != 503 {
			w.t.Errorf("%s %+v", x.Summary, x.Error)
		}
		w.control(e, wf.ID, domain.VerbReattempt)
		w.awaitState(wf.ID, domain.WorkflowPaused)
		if x = w.explained(e, wf.ID, "delivery_failed", whilePaused...); x.Next != nil || x.Error == nil {
			w.t.Errorf("failed as %+v", x)
		}
		w.control(e, wf.ID, domain.VerbSkip)
		w.explained(e, wf.ID, "held_at_next_step", whilePaused...)
		w.control(e, wf.ID, domain.VerbResume)
		w.awaitState(wf.ID, domain.WorkflowFinished)
		w.explained(e, wf.ID, "finished")

		first := w.createFor(e, "Performed", "User", "same")
		if _, err := e.Create(context.Background(), engine.CreateRequest{Type: "Performed", SubjectType: "User", SubjectID: "same",
			OnConflict: domain.ConflictCancelExisting}); err != nil {
			w.t.Fatal(err)
		}
		w.explained(e, first.ID, "canceled_for_successor")
	})
}
