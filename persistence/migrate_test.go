package persistence_test

import (
	"context"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/internal/testenv"
	"github.com/genevadrive/genevadrive/migrations"
	"github.com/genevadrive/genevadrive/persistence"
)

// TestMigrationsRunAgain has a server die after each migration and before it could note it.
func TestMigrationsRunAgain(t *testing.T) {
	testenv.Each(t, func(t *testing.T, _, url string) {
		ctx := context.Background()
		s, err := persistence.Open(ctx, persistence.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		first, err := s.Migrate(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.DB().ExecContext(ctx, "DELETE FROM geneva_drive_migrations"); err != nil {
			t.Fatal(err)
		}
		second, err := s.Migrate(ctx)
		if err != nil || len(second) != len(first) {
			t.Errorf("applied %q, then %q, %v", first, second, err)
		}
		if err := s.CheckSchema(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestAMigrationTellsOfALock has a backup read a table that a migration changes.
func TestAMigrationTellsOfALock(t *testing.T) {
	ctx := t.Context()
	s, err := persistence.Open(ctx, persistence.Config{URL: testenv.Postgres(t) + "&lock_timeout=10"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	backup, err := s.DB().BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = backup.Rollback() }()
	for _, query := range []string{"DROP INDEX geneva_drive_step_executions_listed", "DELETE FROM geneva_drive_migrations"} {
		if _, err := s.DB().ExecContext(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := backup.ExecContext(ctx, "LOCK TABLE geneva_drive_step_executions IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Migrate(ctx); err == nil || !strings.Contains(err.Error(), "holds a lock") {
		t.Errorf("beside the backup it says %v", err)
	}
	if err := backup.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Migrate(ctx); err != nil {
		t.Errorf("after the backup: %v", err)
	}
}

// TestMigrationsAreForMySQLToo looks for what MariaDB alone understands, since the tests have no MySQL.
func TestMigrationsAreForMySQLToo(t *testing.T) {
	files, err := migrations.For("mysql")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("the migrations are %q, %v", names, err)
	}
	foreign := regexp.MustCompile(`(?i)\b(column|key|index|constraint)\s+(/\*M!)?\s*if\s+(not\s+)?exists|create\s+or\s+replace\s+table|` +
		`/\*M!|\breturning\b|\bpersistent\b|\b(uuid|inet4|inet6)\s+(not\s+null|null|,)|\bsequence\b|\bwithout\s+overlaps\b`)
	comment := regexp.MustCompile(`(?m)^--.*$`)
	for _, text := range []string{"ADD COLUMN IF NOT EXISTS a INT", "ADD KEY /*M! IF NOT EXISTS */ a (b)", "DROP INDEX IF EXISTS a", "id UUID NOT NULL"} {
		if !foreign.MatchString(text) {
			t.Errorf("%q is not found out", text)
		}
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		if found := foreign.FindString(string(text)); found != "" {
			t.Errorf("%s has %q, which MySQL 8 refuses or passes over", name, found)
		}
		if n := strings.Count(comment.ReplaceAllString(string(text), ""), ";"); n != 1 {
			t.Errorf("%s has %d statements: what a crash cuts in half cannot be run again", name, n)
		}
	}
}
