package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/queue"
)

// multiply doubles the one step of a workflow until there are rows of them, and gives each a workflow of its own
// for another subject, or none (bare).
func (w *world) multiply(id uuid.UUID, rows int, bare bool) {
	w.t.Helper()
	newID := map[string]string{"postgres": "gen_random_uuid()", "mysql": "UUID()",
		"sqlite": "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-7' || substr(hex(randomblob(2)), 2) || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))"}[w.store.Dialect()]
	text := map[string]string{"postgres": "x.workflow_id::text"}[w.store.Dialect()]
	if text == "" {
		text = "x.workflow_id"
	}
	row, err := w.store.Workflow(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	insert := func(table string, values map[string]string, from string, args ...any) {
		columns := w.columns(table)
		selected := make([]string, len(columns))
		for i, c := range columns {
			if selected[i] = values[c]; selected[i] == "" {
				selected[i] = "w." + c
			}
		}
		w.exec(fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s", table, strings.Join(columns, ", "), strings.Join(selected, ", "), from), args...)
	}
	for n := 1; n < rows; n *= 2 {
		insert("geneva_drive_step_executions", map[string]string{"id": newID, "workflow_id": newID},
			fmt.Sprintf("(SELECT * FROM geneva_drive_step_executions WHERE step_name = ? LIMIT %d) AS w", min(n, rows-n)), row.Execution.StepName)
	}
	if !bare {
		insert("geneva_drive_workflows", map[string]string{"id": "x.workflow_id", "subject_id": text, "current_execution_id": "x.id"},
			"geneva_drive_step_executions AS x JOIN geneva_drive_workflows AS w ON w.id = ? WHERE x.step_name = ? AND x.workflow_id <> ?",
			id, row.Execution.StepName, id)
	}
}

// columns are those of a table that are not generated.
func (w *world) columns(table string) (names []string) {
	w.t.Helper()
	rows, err := w.store.DB().QueryContext(context.Background(), "SELECT * FROM "+table+" WHERE 1 = 0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	names, err = rows.Columns()
	if err != nil {
		w.t.Fatal(err)
	}
	generated := []string{"active", "slot", "due_at", "listed", "ended_at"}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(generated, name) })
}

// lane makes workflows of a type that are due since an hour and a minute for each rank.
func (w *world) lane(e *engine.Engine, typ string, rank, rows int) uuid.UUID {
	w.t.Helper()
	wf := w.create(e, typ)
	due := time.Now().UTC().Add(-time.Hour + time.Duration(rank)*time.Minute)
	w.exec("UPDATE geneva_drive_step_executions SET scheduled_for = ? WHERE workflow_id = ?", due, wf.ID)
	if rows > 1 {
		w.multiply(wf.ID, rows, false)
	}
	return wf.ID
}

// swept is what one more sweep offers, none of which is claimed, as if each claim failed.
func (w *world) swept(s engine.Stepper) []queue.Item {
	w.t.Helper()
	if err := s.Heartbeat(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	items, err := s.Sweep(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return items
}

// sweepsUntil counts the sweeps until one offers the workflow, at most most of them.
func (w *world) sweepsUntil(s engine.Stepper, id uuid.UUID, most int) int {
	w.t.Helper()
	for n := 1; n <= most; n++ {
		for _, item := range w.swept(s) {
			if item.WorkflowID == id {
				return n
			}
		}
	}
	return most + 1
}

// TestPausedWorkflowsHideNothing has the steps of 100,000 paused workflows overdue in front of one that is due:
// the first sweep finds that, and nothing else.
func TestPausedWorkflowsHideNothing(t *testing.T) {
	eachWorld(t, func(w *world) {
		paused := 100_000
		if w.store.Dialect() != "sqlite" {
			paused = 5_000 // five times what a sweep reads; more is a matter of the tests' time
		}
		maker := w.engine(quiet) // what it makes nobody rings for
		w.define(maker, "type: Held\nsteps: [{name: held}]")
		w.define(maker, "type: Plain\nsteps: [{name: one}]")
		first := w.lane(maker, "Held", 0, 1)
		w.control(maker, first, domain.VerbPause)
		w.multiply(first, paused, true)
		due := w.create(maker, "Plain").ID
		items, err := w.stepper(quiet).Sweep(w.t.Context())
		if err != nil || len(items) != 1 || items[0].WorkflowID != due {
			w.t.Errorf("the sweep offers %d steps, %v", len(items), err)
		}
		held := w.column("SELECT COUNT(*) FROM geneva_drive_step_executions WHERE step_name = 'held' AND state = 'scheduled' AND held AND attempt = 0")
		if !slices.Equal(held, []string{fmt.Sprint(paused)}) {
			w.t.Errorf("afterwards %s steps are held", held)
		}
	})
}

// TestStepsThatCannotBeClaimedHideNothing has thousands of steps at the head of a lane whose claims fail, many of
// them due at the same moment: what is due behind them is offered within a few sweeps all the same, again and
// again, and so are they.
func TestStepsThatCannotBeClaimedHideNothing(t *testing.T) {
	eachWorld(t, func(w *world) {
		maker := w.engine(quiet) // what it makes nobody rings for
		w.define(maker, "type: Poison\nsteps: [{name: many}]")
		w.define(maker, "type: Plain\nsteps: [{name: one}]")
		first := w.lane(maker, "Poison", 0, 2_500)
		w.exec("UPDATE geneva_drive_step_executions SET scheduled_for = ? WHERE workflow_id = ?", time.Now().UTC().Add(-2*time.Hour), first)
		between := w.lane(maker, "Plain", 1, 1)
		last := w.lane(maker, "Plain", 2, 1)
		s := w.stepper(quiet)
		for range 2 {
			for _, id := range []uuid.UUID{last, between, first} {
				if n := w.sweepsUntil(s, id, 6); n > 6 {
					w.t.Fatalf("not offered by %d sweeps", n-1)
				}
			}
		}
	})
}

// TestAQueueThatNobodyListsIsSwept: its steps run as default, as soon as the server that listed it is dead.
func TestAQueueThatNobodyListsIsSwept(t *testing.T) {
	eachWorld(t, func(w *world) {
		listsMail := func(c *engine.Config) { c.Queues = []string{"default", "mail"} }
		maker := w.engine(quiet, listsMail) // what it makes nobody rings for
		w.define(maker, "type: Mail\nqueue: mail\nsteps: [{name: one}]")
		id := w.create(maker, "Mail").ID
		other, s := w.stepper(quiet, listsMail), w.stepper(quiet)
		if items := w.swept(s); len(items) != 0 {
			w.t.Errorf("beside a server that lists the queue, %d steps are offered", len(items))
		}
		other.Release(w.t.Context())
		if items := w.swept(s); len(items) != 1 || items[0].WorkflowID != id {
			w.t.Errorf("without one, %d steps are offered", len(items))
		}
	})
}

// TestUnreadableStepsHideNothing has more steps whose definition only a newer server can read than one sweep
// reads.
func TestUnreadableStepsHideNothing(t *testing.T) {
	eachWorld(t, func(w *world) {
		if w.store.Dialect() != "sqlite" {
			return // so many rows take the others long, and are read as in the test before
		}
		maker := w.engine(quiet) // what it makes nobody rings for
		w.define(maker, "type: Newer\nsteps: [{name: many}]")
		w.define(maker, "type: Plain\nsteps: [{name: one}]")
		w.lane(maker, "Newer", 0, 11_500)
		w.exec(fmt.Sprintf("UPDATE geneva_drive_definitions SET format = %d WHERE type = 'Newer'", domain.FormatVersion+1))
		last := w.lane(maker, "Plain", 1, 1)
		if n := w.sweepsUntil(w.stepper(quiet), last, 3); n > 3 {
			w.t.Errorf("not offered by %d sweeps", n-1)
		}
	})
}

// TestStepsThatCannotBeClaimedGoBehindOthers has steps whose claims fail: found again, they come after those that
// were due later but have not had their chance.
func TestStepsThatCannotBeClaimedGoBehindOthers(t *testing.T) {
	eachWorld(t, func(w *world) {
		maker := w.engine(quiet)
		w.define(maker, "type: Poison\nsteps: [{name: many}]")
		w.define(maker, "type: Plain\nsteps: [{name: one}]")
		first := w.lane(maker, "Poison", 0, 20)
		s := w.stepper(quiet)
		order := func() (ids []uuid.UUID) {
			for _, item := range w.swept(s) {
				ids = append(ids, item.WorkflowID)
			}
			return ids
		}
		if ids := order(); len(ids) != 20 || !slices.Contains(ids, first) {
			w.t.Fatalf("the first sweep offers %d steps", len(ids))
		}
		last := w.lane(maker, "Plain", 1, 1)
		if ids := order(); len(ids) != 21 || ids[0] != last {
			w.t.Errorf("the second sweep offers %d steps, the one behind at place %d", len(ids), slices.Index(ids, last)+1)
		}
	})
}
