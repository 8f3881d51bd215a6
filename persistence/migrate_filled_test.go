package persistence

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun/migrate"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/testenv"
	"github.com/genevadrive/genevadrive/migrations"
)

// openBefore gives a store whose schema ends before a migration.
func openBefore(t *testing.T, url, number string) *Store {
	t.Helper()
	ctx := context.Background()
	s, err := Open(ctx, Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	files, err := migrations.For(s.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	earlier := fstest.MapFS{}
	for _, name := range names {
		if name < number {
			text, err := fs.ReadFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			earlier[name] = &fstest.MapFile{Data: text}
		}
	}
	all := migrate.NewMigrations()
	if err := all.Discover(earlier); err != nil {
		t.Fatal(err)
	}
	migrator := migrate.NewMigrator(s.db, all, migrate.WithTableName(migrationsTable), migrate.WithLocksTableName(migrationLocksTable))
	if err := migrator.Init(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFewerEntriesOfAFilledDatabase migrates executions in all states, of workflows with a history, and looks for them in
// every way that there is.
func TestFewerEntriesOfAFilledDatabase(t *testing.T) {
	testenv.Each(t, func(t *testing.T, _, url string) {
		ctx := context.Background()
		s := openBefore(t, url, "0015")
		last := []domain.ExecutionState{"scheduled", "executing", "executing", "completed", "failed", "canceled", "skipped"}
		server := newID()
		now := s.clockNow()
		var workflows []uuid.UUID
		for i, state := range last {
			w := create(t, s, chain("one")).Workflow
			workflows = append(workflows, w.ID)
			set := s.db.NewUpdate().Table(executionsTable).Where("id = ?", w.CurrentExecutionID).Set("state = ?", state).Set("seq = 4")
			if state == domain.ExecutionExecuting {
				set.Set("deadline = ?", now.Add(-time.Hour))
				if i == 1 {
					set.Set("claimed_by = ?", server)
				}
			}
			if _, err := set.Exec(ctx); err != nil {
				t.Fatal(err)
			}
			for seq, ended := range []domain.ExecutionState{"completed", "failed", "skipped"} {
				e := domain.Execution{ID: newID(), WorkflowID: w.ID, Seq: seq + 1, StepName: "one", State: ended, ScheduledFor: now, Queue: "default", CreatedAt: now}
				st := statement{query: s.dialect.text.insertOne[insertExecution], args: executionInsert(&e), rows: 1}
				if err := s.transact(ctx, func(t transaction) error { return t.commit(ctx, st) }); err != nil {
					t.Fatal(err)
				}
			}
		}
		if applied, err := s.Migrate(ctx); err != nil || len(applied) == 0 || !strings.HasPrefix(applied[0], "0015") {
			t.Fatalf("applied %q, %v", applied, err)
		}

		counts := map[domain.ExecutionState]int{"scheduled": 1, "executing": 2, "completed": 8, "failed": 8, "canceled": 1, "skipped": 8}
		for state, want := range counts {
			list, _, err := s.Executions(ctx, ExecutionFilter{States: []domain.ExecutionState{state}}, Page{Limit: 99})
			if err != nil || len(list) != want {
				t.Errorf("%s: %d, want %d, %v", state, len(list), want, err)
			}
		}
		for _, id := range workflows {
			list, _, err := s.History(ctx, id, Page{Limit: 9})
			seqs := ""
			for _, e := range list {
				seqs += fmt.Sprint(e.Seq)
			}
			if err != nil || seqs != "1234" {
				t.Errorf("the history is %s, %v", seqs, err)
			}
		}
		if lost, err := s.Expired(ctx, 9); err != nil || len(lost) != 2 {
			t.Errorf("expired: %v, %v", lost, err)
		}
		if due, _, err := s.Due(ctx, []string{"default"}, time.Minute, 9); err != nil || len(due) != 1 {
			t.Errorf("due: %v, %v", due, err)
		}
		if s.Dialect() == "sqlite" {
			var ok string
			if err := s.db.DB.QueryRow("PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
				t.Errorf("the file is %s, %v", ok, err)
			}
		}
	})
}
