package persistence

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
)

// TestURLsThatDoNotOpen wants errors that say what to do and never the password.
func TestURLsThatDoNotOpen(t *testing.T) {
	closed := closedAddress(t)
	for _, test := range []struct {
		name, url, says string
		away            bool // it may work later
	}{
		{"no scheme", "genevadrive.db", "use sqlite:path, postgres://… or mysql://…", false},
		{"empty", "", "use sqlite:path", false},
		{"an unknown scheme", "oracle://u:s3cret@h/db", `unknown scheme "oracle"`, false},
		{"a PostgreSQL URL that is none", "postgres://u:s3cret@h:port/db", "postgres://user:password@host:port/database", false},
		{"a PostgreSQL option that is none", "postgres://u:s3cret@h/db?sslmode=verify", "(sslmode is invalid)", false},
		{"no such authority", "postgres://u:s3cret@h/db?sslmode=verify-full&sslrootcert=/absent.pem", "/absent.pem: no such file", false},
		{"a password that is not escaped", "postgres://u:s3cret/x@h/db?sslmode=verify", "postgres://user:password@host:port/database", false},
		{"a MySQL URL without a database", "mysql://u:s3cret@h:3306", "mysql://user:password@host:port/database", false},
		{"a MySQL URL that is none", "mysql://u:s3cret@h:port/db", "mysql://user:password@host:port/database", false},
		{"a MySQL option that is none", "mysql://u:s3cret@h/db?parseTime=perhaps", "the options of the database URL", false},
		{"an SQLite option", "sqlite:x.db?mode=memory", "without options", false},
		{"no PostgreSQL there", "postgres://u:s3cret@" + closed + "/db?sslmode=disable", "postgres://" + closed + "/db cannot be reached", true},
		{"no MySQL there", "mysql://u:s3cret@" + closed + "/db", "mysql://" + closed + "/db cannot be reached", true},
		{"no such directory", "sqlite:" + filepath.Join(t.TempDir(), "absent", "x.db"), "x.db cannot be reached", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Open(context.Background(), Config{URL: test.url})
			if err == nil {
				s.Close()
				t.Fatal("it opened")
			}
			if text := err.Error(); !strings.Contains(text, test.says) || strings.Contains(text, "s3cret") {
				t.Errorf("it says %q, want %q and no password", text, test.says)
			}
			if away := errors.Is(err, ErrUnavailable) && domain.CodeOf(err) == domain.CodeUnavailable; away != test.away {
				t.Errorf("unavailable: %t, want %t: %v", away, test.away, err)
			}
		})
	}
}

// closedAddress is one where nobody listens.
func closedAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestSchemasOfOtherReleases(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		if err := s.CheckSchema(ctx); err != nil {
			t.Errorf("its own: %v", err)
		}
		exec := func(query string, args ...any) {
			t.Helper()
			if _, err := s.db.ExecContext(ctx, query, args...); err != nil {
				t.Fatal(err)
			}
		}
		exec("INSERT INTO "+migrationsTable+" (name, group_id, migrated_at) SELECT ?, group_id, migrated_at FROM "+migrationsTable+" WHERE name = ?", "9999", "0001")
		if err := s.CheckSchema(ctx); err != nil {
			t.Errorf("a newer one: %v", err)
		}
		all, err := s.SchemaStatus(ctx)
		if newest := all[len(all)-1]; err != nil || newest.Name != "9999" || !newest.Unknown || all[0].Unknown {
			t.Errorf("status %+v, %v", all, err)
		}
		exec("DELETE FROM "+migrationsTable+" WHERE name = ?", "0004")
		if err := s.CheckSchema(ctx); err == nil || !strings.Contains(err.Error(), "0004_attempts") || !strings.Contains(err.Error(), "genevadrive migrate up") {
			t.Errorf("an older one: %v", err)
		}
		exec("DROP TABLE " + migrationsTable)
		if err := s.CheckSchema(ctx); err == nil || !strings.Contains(err.Error(), "0001_definitions") {
			t.Errorf("none: %v", err)
		}
	})
}

func TestFaultsAreToldApart(t *testing.T) {
	for _, test := range []struct {
		err  error
		want fault
	}{
		{io.ErrUnexpectedEOF, faultAway},
		{&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, faultAway},
		{context.DeadlineExceeded, faultAway},
		{&commitError{io.EOF}, faultAway},
		{errGuard, faultOther},
		{decided{domain.ErrFenced}, faultOther},
		{nil, faultOther},
	} {
		if got := faultOf(test.err); got != test.want {
			t.Errorf("%v is fault %d, want %d", test.err, got, test.want)
		}
	}
	for code, want := range map[string]fault{"40P01": faultRerun, "40001": faultRerun, "55P03": faultRerun, "23505": faultUnique, "23514": faultUnsavable,
		"22021": faultUnsavable, "54000": faultUnsavable, "57P01": faultAway, "08006": faultAway, "53300": faultAway, "25P03": faultAway, "25P04": faultAway,
		"25006": faultAway, "42703": faultOther} {
		if got := postgresFault(code); got != want {
			t.Errorf("PostgreSQL's %s is fault %d, want %d", code, got, want)
		}
	}
	for number, want := range map[uint16]fault{1213: faultRerun, 1205: faultRerun, 1062: faultUnique, 1406: faultUnsavable, 4025: faultUnsavable,
		3819: faultUnsavable, 1040: faultAway, 1053: faultAway, 1290: faultAway, 1047: faultAway, 3032: faultAway, 3100: faultAway,
		3168: faultAway, 3169: faultAway, 3101: faultRerun, 1054: faultOther} {
		if got := mysqlFault(number); got != want {
			t.Errorf("MySQL's %d is fault %d, want %d", number, got, want)
		}
	}
	for code, want := range map[int]fault{5: faultRerun, 517: faultRerun, 6: faultRerun, 2067: faultUnique, 1555: faultUnique, 275: faultUnsavable,
		18: faultUnsavable, 13: faultAway, 10: faultAway, 1: faultOther} {
		if got := sqliteFault(code); got != want {
			t.Errorf("SQLite's %d is fault %d, want %d", code, got, want)
		}
	}
}
