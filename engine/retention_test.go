package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

const month = 30 * 24 * time.Hour

// age moves the time at which a workflow ended into the past.
func (w *world) age(id uuid.UUID, by time.Duration) {
	w.t.Helper()
	for _, column := range []string{"finished_at", "canceled_at"} {
		w.exec("UPDATE geneva_drive_workflows SET "+column+" = ? WHERE id = ? AND "+column+" IS NOT NULL", time.Now().Add(-by), id)
	}
}

// retain runs retention once.
func (w *world) retain(keep time.Duration) {
	w.t.Helper()
	if err := w.engine(func(c *engine.Config) { c.Retention = keep }).Retain(context.Background()); err != nil {
		w.t.Error(err)
	}
}

func TestRetentionDeletesWhatEndedLongAgo(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Kept\nsteps: [{name: one, wait: 1d}, {name: two, wait: 1d}]")
		end := func(verb domain.Verb, ago time.Duration) uuid.UUID {
			id := w.create(e, "Kept").ID
			w.control(e, id, domain.VerbSkip)
			w.control(e, id, verb)
			w.age(id, ago)
			return id
		}
		gone := []uuid.UUID{end(domain.VerbFinish, month+time.Hour), end(domain.VerbCancel, month+time.Hour)}
		kept := []uuid.UUID{end(domain.VerbFinish, month-time.Hour), end(domain.VerbCancel, month-time.Hour),
			end(domain.VerbPause, 0), w.create(e, "Kept").ID}
		old := time.Now().Add(-10 * month)
		w.exec("UPDATE geneva_drive_workflows SET created_at = ?, updated_at = ?", old, old)
		w.exec("UPDATE geneva_drive_workflows SET paused_at = ? WHERE state = 'paused'", old)
		w.exec(`INSERT INTO geneva_drive_attempts (execution_id, attempt, started_at, duration_ms, error_code, error_message)
			SELECT id, 1, created_at, 5, 'timeout', 'x' FROM geneva_drive_step_executions WHERE step_name = 'one'`)

		w.retain(month)
		for _, id := range gone {
			if _, err := e.Workflow(context.Background(), id); domain.CodeOf(err) != domain.CodeWorkflowNotFound {
				w.t.Errorf("%s ended long ago: %v", id, err)
			}
		}
		for _, id := range kept {
			if _, err := e.Workflow(context.Background(), id); err != nil {
				w.t.Error(err)
			}
		}
		for table, want := range map[string]int{"workflows": 4, "step_executions": 2 + 2 + 2 + 1, "attempts": 4} {
			if got := w.column("SELECT COUNT(*) FROM geneva_drive_" + table); got[0] != fmt.Sprint(want) {
				w.t.Errorf("%s %s are left, want %d", got[0], table, want)
			}
		}
	})
}

// TestRetentionWorksOffABacklog has more than a slice of workflows, and one with more executions than a slice
// of them, deleted by two servers in one run.
func TestRetentionWorksOffABacklog(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine(quiet)
		w.define(e, "type: Backlog\nsteps: [{name: one, wait: 1d}]")
		ids := w.createMany(e, "Backlog", 250)
		for i, id := range ids {
			w.control(e, id, domain.VerbCancel)
			w.age(id, month+time.Duration(i+1)*time.Hour)
		}
		for seq := 2; seq < 2502; seq += 500 {
			w.exec(manyExecutions(w.store.Dialect(), ids[0], seq, 500))
		}
		keep := w.create(e, "Backlog").ID
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { w.retain(month) })
		}
		wg.Wait()
		w.retain(month) // one may have left to the other what that could not finish
		for table, want := range map[string]string{"workflows": "1", "step_executions": "1"} {
			if got := w.column("SELECT COUNT(*) FROM geneva_drive_" + table); got[0] != want {
				w.t.Errorf("%s %s are left", got[0], table)
			}
		}
		if _, err := e.Workflow(context.Background(), keep); err != nil {
			w.t.Error(err)
		}
	})
}

// manyExecutions is an INSERT of ended executions that stand for a long history.
func manyExecutions(dialect string, workflow uuid.UUID, seq, n int) string {
	at := map[string]string{"sqlite": "0"}[dialect]
	if at == "" {
		at = "'2020-01-01 00:00:00'"
	}
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("('%s', '%s', %d, 'one', 'completed', %s, %s, 'default', 5, %s)", uuid.Must(uuid.NewV7()), workflow, seq+i, at,
			map[bool]string{true: "false", false: "0"}[dialect == "postgres"], at)
	}
	return "INSERT INTO geneva_drive_step_executions (id, workflow_id, seq, step_name, state, scheduled_for, held, queue, priority, created_at) VALUES " +
		strings.Join(rows, ", ")
}

func TestRetentionRemovesVersionsThatNobodyHas(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		define := func(typ string, versions int) {
			for v := 1; v <= versions; v++ {
				w.define(e, fmt.Sprintf("type: %s\nsteps: [{name: one, wait: %dd}]", typ, v))
			}
		}
		create := func(version int) engine.Workflow {
			out, err := e.Create(context.Background(), engine.CreateRequest{Type: "Used", DefinitionVersion: version, SubjectType: "User", SubjectID: uuid.NewString()})
			if err != nil {
				w.t.Fatal(err)
			}
			return out.Workflow
		}
		define("Used", 5)
		define("Alone", 1)
		define("Fresh", 2)
		create(2)
		create(3)
		gone := create(1)
		w.exec("UPDATE geneva_drive_definitions SET created_at = ? WHERE type <> 'Fresh'", time.Now().Add(-2*month))
		w.control(e, gone.ID, domain.VerbCancel)
		w.age(gone.ID, 2*month)
		w.retain(month)
		left := w.column("SELECT CONCAT(type, ' ', version) FROM geneva_drive_definitions ORDER BY type, version")
		if got, want := strings.Join(left, ", "), "Alone 1, Fresh 1, Fresh 2, Used 2, Used 3, Used 5"; got != want {
			w.t.Errorf("left are %s, want %s", got, want)
		}
		create(2)
		// This server still has the version in memory.
		_, err := e.Create(context.Background(), engine.CreateRequest{Type: "Used", DefinitionVersion: 1, SubjectType: "User", SubjectID: "1"})
		if domain.CodeOf(err) != domain.CodeDefinitionNotFound {
			w.t.Errorf("a workflow of a version that is gone: %v", err)
		}
	})
}

func TestWithoutRetentionEverythingIsKept(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Kept\nsteps: [{name: one, wait: 1d}]")
		id := w.create(e, "Kept").ID
		w.control(e, id, domain.VerbCancel)
		w.age(id, 100*month)
		w.retain(0)
		if _, err := e.Workflow(context.Background(), id); err != nil {
			w.t.Error(err)
		}
		w.start(func(c *engine.Config) { c.Store, c.Retention = w.open(), 99*month })
		w.await(w.create(e, "Kept").ID, "beside one that is gone", func(persistence.Row) bool {
			_, err := e.Workflow(context.Background(), id)
			return domain.CodeOf(err) == domain.CodeWorkflowNotFound
		})
	})
}
