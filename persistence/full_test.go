package persistence

import (
	"database/sql/driver"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/genevadrive/genevadrive/internal/dbfault"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// fullError is the error of an SQLite database that may not grow.
func fullError(t *testing.T) error {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "full.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, query := range []string{"CREATE TABLE x (y TEXT)", "PRAGMA max_page_count = 1", "INSERT INTO x SELECT hex(randomblob(100000))"} {
		_, err = s.db.ExecContext(t.Context(), query)
	}
	if !isFull(err) {
		t.Fatalf("the database is not full: %v", err)
	}
	return err
}

// TestACommitOnAFullDiskIsNotAskedAbout has each commit meet a full disk: the database is away, after the few tries that it
// gets when it is away before a commit, and nothing is left to be found out.
func TestACommitOnAFullDiskIsNotAskedAbout(t *testing.T) {
	ctx := t.Context()
	full, struck, commits := fullError(t), false, 0
	databaseURL := testenv.SQLite(t)
	claimed := create(t, openEmpty(t, databaseURL), chain("one")).Workflow
	s, err := Open(ctx, Config{URL: databaseURL, Wrap: func(real driver.Connector) driver.Connector {
		return dbfault.New(real, false, full, func(call dbfault.Call) dbfault.Verdict {
			if !struck || call != dbfault.Commit {
				return dbfault.Pass
			}
			commits++
			return dbfault.Conflicts
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	struck = true
	for what, write := range map[string]func() error{
		"a claim": func() error {
			result := s.Apply(ctx, claimOp(claimed, "f1"))
			if result.Unsure != nil {
				t.Error("the claim may have happened")
			}
			return result.Err
		},
		"a create":     func() error { return s.Create(ctx, createOp(chain("one"), "43")).Err },
		"two together": func() error { return createTwo(s, chain("one")) },
	} {
		commits = 0
		if err := write(); !errors.Is(err, ErrUnavailable) || commits == 0 || commits > maxReruns+1 {
			t.Errorf("%s: %v after %d commits", what, err, commits)
		}
	}
	struck = false
	if result := s.Apply(ctx, claimOp(claimed, "f2")); result.Err != nil {
		t.Errorf("with room again: %v", result.Err)
	}
}

func TestAFullDiskIsKnownByItsCode(t *testing.T) {
	for _, err := range []error{&pgconn.PgError{Code: "53100"}, &mysql.MySQLError{Number: 1021}, &mysql.MySQLError{Number: 1114}, fullError(t)} {
		if faultOf(err) != faultAway || unacknowledged(err) {
			t.Errorf("%v is fault %d, or not acknowledged", err, faultOf(err))
		}
	}
	for _, err := range []error{&pgconn.PgError{Code: "57P01"}, &mysql.MySQLError{Number: 1053}, io.EOF} {
		if !unacknowledged(err) {
			t.Errorf("%v is taken for an answer", err)
		}
	}
}
