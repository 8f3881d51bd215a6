// Package testenv gives tests real database and Redis servers, and each test a
// database of its own on them.
//
// A server named by the environment (GENEVADRIVE_TEST_POSTGRES_URL,
// GENEVADRIVE_TEST_MYSQL_URL, GENEVADRIVE_TEST_REDIS_URL) is used as it is; it must
// be one that may be thrown away. `make test` names them, one of each for the whole
// run. Without them the first test of a process that needs a server starts one from
// the locally installed programs, and it ends with that process, however that ends.
//
// It also finds the languages that tests run example programs in (Runtime).
//
// The package knows nothing of the service. Only tests, benchmarks and the programs
// that run them import it.
package testenv

import (
	"path/filepath"
	"testing"
	"time"
)

// TB is what the package needs of a testing.TB. Programs that are not tests use a
// Program instead.
type TB interface {
	Helper()
	Name() string
	Cleanup(func())
	TempDir() string
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// A test process that imports this package, and every server it starts, lives in a
// zone that is never UTC: a time that was not converted shows on every machine.
func init() { time.Local = time.FixedZone("+0545", 5*3600+45*60) }

// Postgres returns the URL of a new, empty PostgreSQL database, dropped at cleanup.
func Postgres(tb TB) string {
	tb.Helper()
	return freshDatabase(tb, PostgreSQL)
}

// MySQL returns the URL (mysql://user:password@host:port/name) of a new, empty
// database on MariaDB or MySQL, dropped at cleanup.
func MySQL(tb TB) string {
	tb.Helper()
	return freshDatabase(tb, MariaDB)
}

// Redis returns the URL of an empty logical database (redis://host:port/number) that
// no other test has until cleanup. The server is shared: FLUSHDB is yours, FLUSHALL
// and CONFIG need StartRedis.
func Redis(tb TB) string {
	tb.Helper()
	return freshDatabase(tb, RedisServer)
}

// SQLite returns the URL of a database file that does not exist yet, in a directory
// removed at cleanup.
func SQLite(tb TB) string {
	tb.Helper()
	return "sqlite:" + filepath.Join(tb.TempDir(), "test.db")
}

// Each runs fn as a subtest once for each SQL dialect, with a new, empty database.
// The name is postgres, mysql or sqlite. fn may call t.Parallel. A dialect without a
// server counts as not run, or as a failure when CI=true.
func Each(t *testing.T, fn func(t *testing.T, name, url string)) {
	t.Helper()
	dialects := []struct {
		name string
		open func(TB) string
	}{
		{"sqlite", SQLite},
		{"postgres", Postgres},
		{"mysql", MySQL},
	}
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) { fn(t, d.name, d.open(t)) })
	}
}

// freshDatabase makes a database on the shared server of the kind and drops it at
// cleanup.
func freshDatabase(tb TB, kind *Kind) string {
	tb.Helper()
	server, err := kind.shared()
	if err != nil {
		kind.need().notRun(tb, err)
		return ""
	}
	url, drop, err := kind.engine.create(server)
	if err != nil {
		tb.Fatalf("no new database on %s: %v", kind.Label, err)
		return ""
	}
	tb.Cleanup(func() {
		if err := drop(); err != nil {
			tb.Logf("dropping the test's database on %s: %v", kind.Label, err)
		}
	})
	return url
}
