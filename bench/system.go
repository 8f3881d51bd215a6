package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

const (
	apiKey        = "bench-bench-bench-bench"
	webhookSecret = "whsec_YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2g="
	secretKey     = "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU="
)

// What the service is told beside where its database and Redis are. All else is as it comes: queues, log
// (info, to a file), metrics, contract validation.
const (
	concurrency = 128 // GENEVADRIVE_CONCURRENCY, its default
	maxInFlight = 64  // of the definitions, the default too
)

// Settings of the database servers that are not their defaults or testenv's.
var (
	postgresSettings = []string{"-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB"}
	mariadbSettings  = []string{"--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M"}
)

// system is a database, Redis and the servers of the service on them.
type system struct {
	bench    *bench
	program  *testenv.Program
	kind     string // postgres, mysql or sqlite
	dir      string
	database *testenv.Server // nil: SQLite
	redis    *testenv.Server // nil: SQLite
	url      string
	redisURL string
	servers  []*server
	http     *http.Client
	idleRSS  float64 // of the service when it had only been started, in MiB
}

var titles = map[string]string{"postgres": "PostgreSQL + Redis", "mysql": "MariaDB + Redis", "sqlite": "SQLite, embedded"}

func (s *system) title() string { return titles[s.kind] }

// newSystem starts a system with one server.
func (b *bench) newSystem(kind string) (*system, error) {
	s := b.emptySystem(kind)
	switch kind {
	case "postgres":
		s.database = testenv.StartPostgres(s.program, postgresSettings...)
	case "mysql":
		s.database = testenv.StartMariaDB(s.program, mariadbSettings...)
	}
	if s.database != nil {
		s.redis = testenv.StartRedis(s.program)
		s.url, s.redisURL = s.database.URL, s.redis.URL
	}
	return s, s.begin()
}

// beside starts a system on another database of the same servers.
func (s *system) beside() (*system, error) {
	other := s.bench.emptySystem(s.kind)
	other.database, other.redis = s.database, s.redis
	if s.kind == "postgres" {
		u, err := url.Parse(s.url)
		if err != nil {
			return other, err
		}
		u.Path = "/beside"
		other.url, other.redisURL = u.String(), s.redisURL+"/1"
		if err := execPostgres(s.bench.ctx, s.url, "CREATE DATABASE beside"); err != nil {
			return other, err
		}
	}
	return other, other.begin()
}

func execPostgres(ctx context.Context, url string, statements ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) emptySystem(kind string) *system {
	s := &system{bench: b, kind: kind, program: testenv.NewProgram("bench"), http: &http.Client{Timeout: time.Minute}}
	s.dir = s.program.TempDir()
	s.url = "sqlite:" + filepath.Join(s.dir, "genevadrive.db")
	return s
}

// begin makes the schema, starts the first server and registers the definitions.
func (s *system) begin() error {
	if s.kind != "sqlite" {
		if out, err := s.command(concurrency, "migrate", "up").CombinedOutput(); err != nil {
			return fmt.Errorf("migrate up: %w\n%s", err, out)
		}
	}
	if err := s.start(concurrency); err != nil {
		return err
	}
	return s.define()
}

func (s *system) close() {
	for _, v := range s.servers {
		v.kill()
	}
	s.program.Close()
}

// command is the service's program with the settings of this system.
func (s *system) command(concurrency int, args ...string) *exec.Cmd {
	cmd := exec.Command(s.bench.binary, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "GENEVADRIVE_DATABASE_URL="+s.url, "GENEVADRIVE_REDIS_URL="+s.redisURL,
		"GENEVADRIVE_API_KEYS=bench:"+apiKey, "GENEVADRIVE_WEBHOOK_SECRETS="+webhookSecret, "GENEVADRIVE_SECRET_KEY="+secretKey,
		"GENEVADRIVE_CONCURRENCY="+strconv.Itoa(concurrency))
	return cmd
}

// server is one process of the service.
type server struct {
	cmd  *exec.Cmd
	addr string
	ops  string // pprof, if a profile is wanted
}

// start starts one more server and returns when it is ready.
func (s *system) start(concurrency int) error {
	v := &server{addr: fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(s.program))}
	v.cmd = s.command(concurrency, "serve")
	v.cmd.Env = append(v.cmd.Env, "GENEVADRIVE_ADDR="+v.addr)
	if s.bench.profile != "" {
		v.ops = fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(s.program))
		v.cmd.Env = append(v.cmd.Env, "GENEVADRIVE_OPS_ADDR="+v.ops)
	}
	path := filepath.Join(s.dir, "server.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	v.cmd.Stdout, v.cmd.Stderr = log, log
	if err := v.cmd.Start(); err != nil {
		return err
	}
	s.servers = append(s.servers, v)
	s.bench.mu.Lock()
	s.bench.processes = append(s.bench.processes, v.cmd.Process)
	s.bench.mu.Unlock()
	for range 1500 {
		resp, err := s.http.Get("http://" + v.addr + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	text, _ := os.ReadFile(path)
	return fmt.Errorf("the server is not ready after 30 s; its log ends with %q", text[max(0, len(text)-500):])
}

// stop ends every server in order.
func (s *system) stop() error {
	var errs []error
	for _, v := range s.servers {
		errs = append(errs, v.cmd.Process.Signal(os.Interrupt))
		timer := time.AfterFunc(30*time.Second, func() { _ = v.cmd.Process.Kill() })
		errs = append(errs, v.cmd.Wait())
		timer.Stop()
	}
	s.servers = nil
	return errors.Join(errs...)
}

func (v *server) kill() {
	_ = v.cmd.Process.Kill()
	_ = v.cmd.Wait()
}

// storage are the processes of the database and of Redis.
func (s *system) storage() []int {
	var pids []int
	for _, server := range []*testenv.Server{s.database, s.redis} {
		if server != nil {
			pids = append(pids, server.PID())
		}
	}
	return pids
}

// processes are those whose CPU time the service costs.
func (s *system) processes() []int {
	pids := s.storage()
	for _, v := range s.servers {
		pids = append(pids, v.cmd.Process.Pid)
	}
	return pids
}
