package persistence

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// lender gives everyone the same session, as a pooler does that lends sessions for one transaction to those who are
// not in one at the same time.
type lender struct {
	driver.Connector
	lend func() (driver.Conn, error)
}

func newLender(real driver.Connector) driver.Connector {
	return lender{real, sync.OnceValues(func() (driver.Conn, error) { return real.Connect(context.Background()) })}
}

func (l lender) Connect(context.Context) (driver.Conn, error) { return l.lend() }

// TestSessionsThatAreLentAreRefused wants no store whose prepared statements would be somebody else's, unless the URL says
// that none are to be prepared.
func TestSessionsThatAreLentAreRefused(t *testing.T) {
	databaseURL := testenv.Postgres(t)
	s, err := Open(t.Context(), Config{URL: databaseURL, Wrap: newLender})
	if err == nil {
		s.Close()
		t.Fatal("it opened")
	}
	if text := err.Error(); errors.Is(err, ErrUnavailable) || !strings.Contains(text, "session pooling") || !strings.Contains(text, "default_query_exec_mode=simple_protocol") {
		t.Errorf("it says %q", text)
	}
	if s, err = Open(t.Context(), Config{URL: withOption(t, databaseURL, "default_query_exec_mode", "simple_protocol"), Wrap: newLender}); err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestInLentSessionsNothingIsPrepared(t *testing.T) {
	databaseURL := testenv.Postgres(t)
	for mode, prepares := range map[string]bool{"simple_protocol": false, "exec": false, "cache_statement": true} {
		s, err := Open(t.Context(), Config{URL: withOption(t, databaseURL, "default_query_exec_mode", mode), MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := s.Apply(t.Context(), claimOp(create(t, s, chain("one")).Workflow, "f1")); r.Err != nil {
			t.Fatal(r.Err)
		}
		var prepared int
		if err := s.db.DB.QueryRow("SELECT count(*) FROM pg_prepared_statements").Scan(&prepared); err != nil || (prepared > 0) != prepares {
			t.Errorf("%s: %d statements are prepared, %v", mode, prepared, err)
		}
	}
}

// willful connects to sessions of MySQL that begin with other settings than the server's own defaults.
type willful struct{ driver.Connector }

func (w willful) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := w.Connector.Connect(ctx)
	for _, set := range []string{"SET autocommit = 0, completion_type = 1, sql_safe_updates = 1, time_zone = '+05:00', sql_mode = 'ANSI'", "SET NAMES latin1"} {
		if err == nil {
			_, err = conn.(driver.ExecerContext).ExecContext(ctx, set, nil)
		}
	}
	return conn, err
}

// TestSessionsOfMySQLAreSetUp: what a server is told to begin sessions with changes nothing.
func TestSessionsOfMySQLAreSetUp(t *testing.T) {
	settings := func(connector driver.Connector) (set string) {
		t.Helper()
		db := sql.OpenDB(connector)
		defer db.Close()
		err := db.QueryRowContext(t.Context(), "SELECT CONCAT_WS(' ', @@autocommit, @@completion_type, @@sql_safe_updates, @@time_zone, @@sql_mode, "+
			"@@character_set_client, @@character_set_results, @@collation_connection)").Scan(&set)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	d, err := mariadb(testenv.MySQL(t), limits{})
	if err != nil {
		t.Fatal(err)
	}
	plain := d.connector.(sessionConnector)
	if got, want := settings(sessionConnector{willful(plain)}), settings(plain); got != want {
		t.Errorf("the session has %s, want %s", got, want)
	}
}

// TestDatesAreReadHoweverTheDatabaseWritesThem: the driver knows one form of them.
func TestDatesAreReadHoweverTheDatabaseWritesThem(t *testing.T) {
	databaseURL := testenv.Postgres(t)
	s := openEmpty(t, databaseURL)
	if _, err := s.db.DB.Exec("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET datestyle = ''SQL, DMY''', current_database()); END $$"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s, err := Open(t.Context(), Config{URL: databaseURL})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Now(t.Context()); err != nil {
		t.Error(err)
	}
}

// forgetful connects to sessions in which a setting is not what was asked for.
type forgetful struct{ driver.Connector }

func (f forgetful) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := f.Connector.Connect(ctx)
	if err == nil {
		_, err = conn.(driver.ExecerContext).ExecContext(ctx, "SET lock_timeout = 0; SET jit = on", nil)
	}
	return conn, err
}

// TestSettingsThatAPoolerKeepsBackAreTold wants them in the log, as the statements that give them to the role, but for what
// the URL asks for itself.
func TestSettingsThatAPoolerKeepsBackAreTold(t *testing.T) {
	databaseURL := testenv.Postgres(t)
	for _, test := range []struct {
		url   string
		wrap  func(driver.Connector) driver.Connector
		tells []string
	}{
		{databaseURL, nil, nil},
		{databaseURL, func(real driver.Connector) driver.Connector { return forgetful{real} }, []string{"SET jit = 'off';", "SET lock_timeout = '5000';"}},
		{withOption(t, databaseURL, "lock_timeout", "7s"), func(real driver.Connector) driver.Connector { return forgetful{real} }, []string{"SET jit = 'off';"}},
	} {
		var log bytes.Buffer
		s, err := Open(t.Context(), Config{URL: test.url, Wrap: test.wrap, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		for _, what := range test.tells {
			if !strings.Contains(log.String(), what) {
				t.Errorf("the log does not tell %q: %s", what, log.String())
			}
		}
		if got := strings.Count(log.String(), "ALTER ROLE"); got != len(test.tells) {
			t.Errorf("the log tells %d settings, want %d: %s", got, len(test.tells), log.String())
		}
	}
}

// TestEncodingsOfTheDatabase has databases as they are made where the system has no locale, and where it has an old one.
func TestEncodingsOfTheDatabase(t *testing.T) {
	databaseURL := testenv.Postgres(t)
	direct := openEmpty(t, databaseURL)
	for encoding, refused := range map[string]bool{"SQL_ASCII": false, "LATIN1": true} {
		name := fmt.Sprintf("encoding_%x", newID())
		if _, err := direct.db.DB.Exec("CREATE DATABASE " + name + " ENCODING '" + encoding + "' LOCALE 'C' TEMPLATE template0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := direct.db.DB.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
				t.Error(err)
			}
		})
		u, err := url.Parse(databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/" + name
		s, err := Open(t.Context(), Config{URL: u.String()})
		if refused {
			if err == nil || !strings.Contains(err.Error(), "encoding "+encoding) {
				t.Errorf("%s: %v", encoding, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		const subject = "Zoë 🦢"
		made := s.Create(t.Context(), createOp(chain("one"), subject))
		if made.Err != nil {
			t.Fatal(made.Err)
		}
		var kept string
		if err := s.db.DB.QueryRow("SELECT subject_id FROM "+workflowsTable+" WHERE id = $1", made.Change.Workflow.ID).Scan(&kept); err != nil || kept != subject {
			t.Errorf("%s keeps %q, %v", encoding, kept, err)
		}
		s.Close()
	}
}

func withOption(t *testing.T, databaseURL, name, value string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	options := u.Query()
	options.Set(name, value)
	u.RawQuery = options.Encode()
	return u.String()
}
