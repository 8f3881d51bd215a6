package engine_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

// TestDeadServerIsReplaced has a server claim a step and be declared dead: another takes the step over under
// the same webhook-id, and the late answer of the first changes nothing.
func TestDeadServerIsReplaced(t *testing.T) {
	eachWorld(t, func(w *world) {
		first := w.start()
		w.define(first, "type: Orphan\nsteps: [{name: one}]")
		answer, release := block()
		w.receiver.on("one", once(answer, says("")))
		wf := w.create(first, "Orphan")
		lost := w.receiver.next(w.t)
		w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at")
		w.start(func(c *engine.Config) { c.Store = w.open() })
		again := w.receiver.next(w.t)
		if again.ID != lost.ID || again.Attempt != "2" {
			w.t.Errorf("delivered again as %s attempt %s, first as %s", again.ID, again.Attempt, lost.ID)
		}
		w.awaitState(wf.ID, domain.WorkflowFinished)
		release()
		row := w.awaitState(wf.ID, domain.WorkflowFinished)
		if row.Execution.Interruptions != 1 || row.Execution.Attempt != 2 {
			w.t.Errorf("ended as %+v", row.Execution)
		}
	})
}

func TestPassedDeadlineInterrupts(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Late\non_exception: cancel\nsteps: [{name: one}]")
		answer, _ := block()
		w.receiver.on("one", answer)
		wf := w.create(e, "Late")
		for range 3 {
			w.receiver.next(w.t)
			w.exec("UPDATE geneva_drive_step_executions SET deadline = created_at, interruptions = interruptions + 1 WHERE deadline IS NOT NULL")
		}
		w.awaitState(wf.ID, domain.WorkflowCanceled)
		if got := w.history(wf.ID); !slices.Equal(got, []string{"one failed/canceled"}) {
			w.t.Errorf("history is %q", got)
		}
	})
}

// TestSweepFindsWhatNobodyRangFor has a workflow created by a server that performs nothing.
func TestSweepFindsWhatNobodyRangFor(t *testing.T) {
	eachWorld(t, func(w *world) {
		silent := w.engine(func(c *engine.Config) { c.Role = engine.RoleAPI })
		w.define(silent, "type: Swept\nqueue: low\npriority: 9\nsteps: [{name: one}]")
		ids := make([]uuid.UUID, 20)
		for i := range ids {
			ids[i] = w.create(silent, "Swept").ID
		}
		held := w.create(silent, "Swept").ID
		w.control(silent, held, domain.VerbPause)
		w.start()
		for _, id := range ids {
			w.awaitState(id, domain.WorkflowFinished)
		}
		row := w.await(held, "held", func(r persistence.Row) bool { return r.Execution.Held })
		if row.Workflow.State != domain.WorkflowPaused || row.Execution.Attempt != 0 {
			w.t.Errorf("the paused workflow is %s after %d attempts", row.Workflow.State, row.Execution.Attempt)
		}
	})
}

// TestBacklogIsWorkedOffByRank has one worker meet a backlog: the critical queue overtakes the low one, and a
// lower priority number a higher one.
func TestBacklogIsWorkedOffByRank(t *testing.T) {
	eachWorld(t, func(w *world) {
		silent := w.engine(func(c *engine.Config) { c.Role = engine.RoleAPI })
		w.define(silent, "type: Low\nqueue: low\nsteps: [{name: low}]")
		w.define(silent, "type: Later\npriority: 9\nsteps: [{name: later}]")
		w.define(silent, "type: Sooner\npriority: 0\nsteps: [{name: sooner}]")
		w.define(silent, "type: Critical\nqueue: critical\nsteps: [{name: critical}]")
		for _, typ := range []string{"Low", "Later", "Sooner", "Critical"} {
			for range 20 {
				w.create(silent, typ)
			}
		}
		w.start(func(c *engine.Config) { c.Concurrency = 1 })
		position := map[string]int{} // sum of the places at which the steps of a kind ran
		for i := range 80 {
			position[w.receiver.next(w.t).Step] += i
		}
		if position["critical"] >= position["low"] || position["sooner"] >= position["later"] {
			w.t.Errorf("order of work: %v", position)
		}
	})
}
