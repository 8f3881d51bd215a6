package persistence

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestACheckpointWaitsForNobody has somebody read the log for long, as a backup does, while somebody else writes.
func TestACheckpointWaitsForNobody(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // ends what would wait
	defer cancel()
	url := testenv.SQLite(t)
	s := openEmpty(t, url)
	old := readerOf(t, url)
	create(t, s, chain("one"))
	writing, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Rollback()
	if err := s.Checkpoint(ctx); err != nil {
		t.Error(err)
	}
	if n := count(t, old); n != 0 {
		t.Errorf("the reader sees %d workflows, want none", n)
	}
}

// TestACheckpointMovesTheLog looks for a workflow in the database file alone.
func TestACheckpointMovesTheLog(t *testing.T) {
	url := testenv.SQLite(t)
	s := openEmpty(t, url)
	create(t, s, chain("one"))
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(copied, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := count(t, readerOf(t, "sqlite:"+copied)); n != 1 {
		t.Errorf("%d workflows are in the file, want 1", n)
	}
}

// readerOf begins to read a database file as another program would.
func readerOf(t *testing.T, url string) *sql.Tx {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = tx.Rollback(), db.Close() })
	count(t, tx)
	return tx
}

func count(t *testing.T, tx *sql.Tx) (n int) {
	t.Helper()
	if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM geneva_drive_workflows").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
