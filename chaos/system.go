package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

const (
	webhookSecret = "whsec_Y2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2hhb3M="
	secretKey     = "6368616f732d6368616f732d6368616f732d6368616f732d6368616f732d6368"
)

// system is what one row runs on: a database, Redis, a receiver and the servers.
type system struct {
	row      row
	program  *testenv.Program // of this row alone
	binary   string
	dir      string
	database *testenv.Server // nil: SQLite
	redis    *testenv.Server // nil: SQLite
	url      string          // of the database
	receiver string          // its address
	log      string          // its file
	servers  []*server
	http     *http.Client

	mu    sync.Mutex
	notes []string // for the report
}

// newSystem starts everything. It panics with what could not be started; runRow reports it.
func newSystem(parent *testenv.Program, binary string, r row) *system {
	s := &system{row: r, program: testenv.NewProgram("chaos"), binary: binary, http: &http.Client{Timeout: 20 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	s.dir = s.program.TempDir()
	s.log = filepath.Join(s.dir, "deliveries.jsonl")
	switch r.database {
	case "postgres":
		s.database = testenv.StartPostgres(s.program)
		s.url = s.database.URL
	case "mysql":
		s.database = testenv.StartMariaDB(s.program)
		s.url = s.database.URL
	default:
		s.url = "sqlite:" + filepath.Join(s.dir, "chaos.db")
	}
	if s.database != nil {
		s.redis = testenv.StartRedis(s.program)
		if out, err := s.command("migrate", "up").CombinedOutput(); err != nil {
			panic(fmt.Sprintf("migrate up: %v\n%s", err, out))
		}
	}
	s.startReceiver()
	for i := range r.servers {
		s.servers = append(s.servers, &server{system: s, number: i + 1, addr: fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(s.program))})
	}
	for _, srv := range s.servers {
		if err := srv.start(); err != nil {
			panic(err)
		}
	}
	return s
}

func (s *system) close() {
	for _, srv := range s.servers {
		srv.kill()
	}
	s.program.Close()
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
	return strings.Join(s.notes, ", ")
}

// command is the server's program with the settings of this system.
func (s *system) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "GENEVADRIVE_DATABASE_URL="+s.url, "GENEVADRIVE_WEBHOOK_SECRETS="+webhookSecret,
		"GENEVADRIVE_SECRET_KEY="+secretKey, "GENEVADRIVE_LOG_LEVEL=warn", "GENEVADRIVE_CONCURRENCY=32")
	if s.redis != nil {
		cmd.Env = append(cmd.Env, "GENEVADRIVE_REDIS_URL="+s.redis.URL)
	}
	return cmd
}

func (s *system) startReceiver() {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self, "receiver", s.log)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		panic(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	s.program.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		panic(err)
	}
	s.receiver = strings.TrimSpace(line)
}

// server is one server process, which may be killed and started again on the same address.
type server struct {
	system *system
	number int
	addr   string

	mu  sync.Mutex
	cmd *exec.Cmd
}

// start starts the process and waits until it answers.
func (v *server) start() error {
	cmd := v.system.command("serve")
	cmd.Env = append(cmd.Env, "GENEVADRIVE_ADDR="+v.addr)
	output, err := os.OpenFile(v.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		return err
	}
	v.mu.Lock()
	v.cmd = cmd
	v.mu.Unlock()
	return v.awaitReady(30 * time.Second)
}

func (v *server) awaitReady(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		resp, err := v.system.http.Get("http://" + v.addr + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("server %d is not ready after %s (%v); its log ends with %q", v.number, patience, err, v.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lastWords is the end of the server's log.
func (v *server) lastWords() string {
	text, err := os.ReadFile(v.logPath())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-500):])
}

func (v *server) logPath() string {
	return filepath.Join(v.system.dir, fmt.Sprintf("server%d.log", v.number))
}

// signal sends a signal to the process.
func (v *server) signal(sig os.Signal) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cmd == nil {
		return errors.New("the server does not run")
	}
	return v.cmd.Process.Signal(sig)
}

// kill ends the process without warning; it may be dead already.
func (v *server) kill() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cmd != nil {
		_ = v.cmd.Process.Kill()
		_ = v.cmd.Wait()
		v.cmd = nil
	}
}

// call sends a request to one of the servers and reads a JSON answer into out. It gives the status, 0 if no
// answer came.
func (s *system) call(v *server, method, path, key string, body, out any) (int, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest(method, "http://"+v.addr+path, bytes.NewReader(data))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode >= 300 {
		return resp.StatusCode, fmt.Errorf("%s %s: %d %.300s", method, path, resp.StatusCode, text)
	}
	if out == nil {
		return resp.StatusCode, nil
	}
	return resp.StatusCode, json.Unmarshal(text, out)
}
