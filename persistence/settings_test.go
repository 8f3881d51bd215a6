package persistence

import (
	"context"
	"database/sql"
	"testing"

	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestSessionsAreSetUp asks connections of every pool for what DESIGN section 7 says of them, in a database whose own
// defaults are others.
func TestSessionsAreSetUp(t *testing.T) {
	defaults := map[string]string{
		"sqlite":   "PRAGMA journal_mode = DELETE",
		"postgres": "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$",
		"mysql":    "SELECT 'REPEATABLE READ'",
	}
	settings := map[string]map[string]string{
		"sqlite":   {"PRAGMA synchronous": "2", "PRAGMA journal_mode": "wal", "PRAGMA journal_size_limit": "33554432"}, // 2 is FULL
		"postgres": {"SHOW default_transaction_isolation": "read committed"},
		"mysql":    {"SHOW VARIABLES LIKE 't%isolation'": "READ-COMMITTED"}, // tx_ on MariaDB, transaction_ on MySQL 8
	}
	testenv.Each(t, func(t *testing.T, name, url string) {
		before := openEmpty(t, url)
		if _, err := before.db.DB.ExecContext(t.Context(), defaults[name]); err != nil {
			t.Fatal(err)
		}
		before.Close()
		s, err := Open(t.Context(), Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		for pool, db := range map[string]*bun.DB{"main": s.db, "read": s.read, "lease": s.lease} {
			conns := make([]*sql.Conn, min(3, db.Stats().MaxOpenConnections)) // open at once, so that each is another one
			for i := range conns {
				if conns[i], err = db.DB.Conn(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, conn := range conns {
				for ask, want := range settings[name] {
					if got := setting(t, conn, ask); got != want {
						t.Errorf("a connection of the %s pool says %q to %s, want %q", pool, got, ask, want)
					}
				}
				conn.Close()
			}
		}
	})
}

// setting is the last column of the first row.
func setting(t *testing.T, conn *sql.Conn, ask string) string {
	t.Helper()
	rows, err := conn.QueryContext(context.Background(), ask)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		t.Fatalf("%s: %v, %v", ask, err, rows.Err())
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(string)
	}
	if err := rows.Scan(values...); err != nil {
		t.Fatal(err)
	}
	return *values[len(values)-1].(*string)
}
