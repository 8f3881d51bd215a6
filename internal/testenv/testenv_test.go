package testenv_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

func open(t *testing.T, dialect, address string) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", address
	switch dialect {
	case "mysql":
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		cfg := mysql.NewConfig()
		cfg.User, cfg.Net, cfg.Addr, cfg.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
		cfg.Passwd, _ = u.User.Password()
		driver, dsn = "mysql", cfg.FormatDSN()
	case "sqlite":
		driver, dsn = "sqlite", strings.TrimPrefix(address, "sqlite:")
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestEachDialectGetsAnEmptyDatabaseOfItsOwn(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	for range 2 {
		testenv.Each(t, func(t *testing.T, name, address string) {
			t.Parallel()
			db := open(t, name, address)
			if _, err := db.Exec("CREATE TABLE only_mine (id INTEGER PRIMARY KEY)"); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if seen[address] {
				t.Errorf("%s was handed out twice", address)
			}
			seen[address] = true
		})
	}
}

func TestDatabaseIsDroppedAtCleanup(t *testing.T) {
	for name, give := range map[string]func(testenv.TB) string{"postgres": testenv.Postgres, "mysql": testenv.MySQL} {
		t.Run(name, func(t *testing.T) {
			var address string
			t.Run("inner", func(t *testing.T) { address = give(t) })
			if address == "" {
				return // the inner test has said why
			}
			if err := open(t, name, address).Ping(); err == nil {
				t.Errorf("%s is still there", address)
			}
		})
	}
}

func TestRedisDatabasesAreEmptyAndDistinct(t *testing.T) {
	ctx := context.Background()
	clients := map[string]*redis.Client{}
	for range 5 {
		address := testenv.Redis(t)
		if clients[address] != nil {
			t.Fatalf("%s was handed out twice", address)
		}
		options, err := redis.ParseURL(address)
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(options)
		t.Cleanup(func() { _ = client.Close() })
		clients[address] = client
		runtime.GC() // must not collect what keeps the shared server alive
		if n, err := client.DBSize(ctx).Result(); err != nil || n != 0 {
			t.Errorf("%s holds %d keys (%v), want none", address, n, err)
		}
		if err := client.Set(ctx, "mine", address, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for address, client := range clients {
		if got, err := client.Get(ctx, "mine").Result(); err != nil || got != address {
			t.Errorf("%s holds %q (%v)", address, got, err)
		}
	}
}

func TestDedicatedServersKeepPortAndDataOverAKill(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		server := testenv.StartPostgres(t, "-c", "max_connections=20")
		db := open(t, "postgres", server.URL)
		var connections string
		if err := db.QueryRow("SHOW max_connections").Scan(&connections); err != nil || connections != "20" {
			t.Errorf("max_connections is %q (%v), want the test's own 20", connections, err)
		}
		survives(t, server, db)
	})
	t.Run("mysql", func(t *testing.T) {
		server := testenv.StartMariaDB(t)
		survives(t, server, open(t, "mysql", server.URL))
	})
	t.Run("redis", func(t *testing.T) {
		server := testenv.StartRedis(t, "--appendfsync", "always")
		options, err := redis.ParseURL(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(options)
		defer client.Close()
		if err := client.Set(t.Context(), "kept", "yes", 0).Err(); err != nil {
			t.Fatal(err)
		}
		killAndStart(t, server)
		if got, err := client.Get(t.Context(), "kept").Result(); err != nil || got != "yes" {
			t.Errorf("after the kill the key is %q (%v)", got, err)
		}
	})
}

// survives commits a row, kills the server, and reads the row from the restarted one;
// then the same with an orderly stop.
func survives(t *testing.T, server *testenv.Server, db *sql.DB) {
	t.Helper()
	if _, err := db.Exec("CREATE TABLE kept (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	for n, end := range []func(){
		func() { killAndStart(t, server) },
		func() {
			if err := server.Stop(); err != nil {
				t.Fatal(err)
			}
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		if _, err := db.Exec(fmt.Sprintf("INSERT INTO kept VALUES (%d)", n)); err != nil {
			t.Fatal(err)
		}
		db.SetMaxIdleConns(0) // the old connections are dead
		end()
		db.SetMaxIdleConns(2)
		var rows int
		if err := db.QueryRow("SELECT count(*) FROM kept").Scan(&rows); err != nil || rows != n+1 {
			t.Fatalf("round %d: %d rows (%v), want %d", n, rows, err, n+1)
		}
	}
}

func killAndStart(t *testing.T, server *testenv.Server) {
	t.Helper()
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err == nil {
		t.Error("a second Kill of a dead server succeeded")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err == nil {
		t.Error("a second Start of a running server succeeded")
	}
}

func TestProgramCleansUpInReverse(t *testing.T) {
	p := testenv.NewProgram("example")
	dir := p.TempDir()
	var order []int
	for i := range 3 {
		p.Cleanup(func() { order = append(order, i) })
	}
	p.Close()
	if fmt.Sprint(order) != "[2 1 0]" {
		t.Errorf("cleanups ran as %v, want the last first", order)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", dir, err)
	}
}
