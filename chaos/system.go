package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/genevadrive/genevadrive/internal/netfault"
	"github.com/genevadrive/genevadrive/internal/testenv"
	"github.com/genevadrive/genevadrive/persistence"
)

// The secrets of a run. They are searched for wherever they must not be.
const (
	webhookKey  = "canary-webhook-secret-of-the-chaos-run"
	secretKey   = "canary-secret-key-chaos-32-bytes"
	endpointKey = "canary-endpoint-secret-of-the-chaos-run"
	apiKey      = "canary-api-key-of-the-chaos-run"
)

func whsec(key string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(key)) }

// system is what one row runs on: a database, Redis, a receiver and the servers.
type system struct {
	row      row
	runner   *runner
	program  tb
	dir      string
	database *testenv.Server // nil: SQLite
	redis    *testenv.Server // nil: SQLite
	proxy    *netfault.Proxy // between servers and database; nil: none
	url      string          // of the database, past the proxy
	receiver string          // its address
	log      string          // its file
	servers  []*server
	http     *http.Client
	store    *persistence.Store // to judge by; it sees the database past the proxy

	handBacks bool // its servers are stopped in order, and may hand steps back

	mu       sync.Mutex
	closed   bool
	notes    []string // for the report
	faults   []fault
	bad      []string // the bodies of error answers
	failed   int      // requests that met a 5xx or no answer
	secrets  []string // that came up during the run: callback tokens
	baseline []figures
}

// fault is a time in which something was broken on purpose.
type fault struct{ from, to time.Time }

// start starts everything. It panics with what could not be started.
func (s *system) start() {
	s.http = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 128}}
	s.dir = s.program.TempDir()
	s.log = filepath.Join(s.dir, "deliveries.jsonl")
	switch s.row.database {
	case "postgres":
		s.database = testenv.StartPostgres(s.program)
	case "mysql":
		s.database = testenv.StartMariaDB(s.program)
	default:
		s.url = "sqlite:" + filepath.Join(s.dir, "chaos.db")
	}
	if s.database != nil {
		s.url = s.database.URL
		s.redis = testenv.StartRedis(s.program)
		if out, err := s.command(s.runner.builds.current, s.url, "migrate", "up").CombinedOutput(); err != nil {
			s.program.Fatalf("migrate up: %v\n%s", err, out)
		}
	}
	s.startReceiver()
	for i := range s.row.servers {
		s.servers = append(s.servers, s.newServer(i+1))
	}
	for _, v := range s.servers {
		if err := v.start(); err != nil {
			s.program.Fatalf("%v", err)
		}
	}
	s.openStore()
}

// behindProxy is the database's URL as the servers have it.
func (s *system) behindProxy() string {
	if !s.row.proxied {
		return s.url
	}
	u, err := url.Parse(s.url)
	if err != nil {
		s.program.Fatalf("%v", err)
	}
	if s.proxy == nil {
		s.proxy = netfault.Start(s.program, u.Host)
	}
	u.Host = s.proxy.Addr
	return u.String()
}

// close ends every process of the row. It may be called twice.
func (s *system) close() {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	for _, v := range s.servers {
		v.kill()
	}
	if !closed {
		s.program.Close()
	}
}

// note adds a figure to the report.
func (s *system) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *system) summary() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.notes, "; ")
}

// broken notes that something was broken on purpose from a moment until now.
func (s *system) broken(from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault{from, time.Now()})
}

// command is a program of the service with the settings of this system.
func (s *system) command(program, database string, args ...string) *exec.Cmd {
	level := "warn"
	if s.row.verbose {
		level = "debug"
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "GENEVADRIVE_DATABASE_URL="+database, "GENEVADRIVE_WEBHOOK_SECRETS="+whsec(webhookKey),
		"GENEVADRIVE_SECRET_KEY="+base64.StdEncoding.EncodeToString([]byte(secretKey)),
		"GENEVADRIVE_API_KEYS=chaos:"+apiKey, "GENEVADRIVE_LOG_LEVEL="+level, "GENEVADRIVE_CONCURRENCY=64",
		"OTEL_SDK_DISABLED=true")
	if s.redis != nil {
		cmd.Env = append(cmd.Env, "GENEVADRIVE_REDIS_URL="+s.redis.URL)
	}
	return cmd
}

func (s *system) startReceiver() {
	self, err := os.Executable()
	if err != nil {
		s.program.Fatalf("%v", err)
	}
	cmd := exec.Command(self, "receiver", s.log)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		s.program.Fatalf("%v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		s.program.Fatalf("%v", err)
	}
	if err := cmd.Start(); err != nil {
		s.program.Fatalf("the receiver: %v", err)
	}
	s.program.Cleanup(func() {
		_ = stdin.Close() // it ends with its input
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		s.program.Fatalf("the receiver: %v", err)
	}
	s.receiver = strings.TrimSpace(line)
}
