package app_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/genevadrive/genevadrive/app"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// binary builds the program once for all tests that need a process they can kill; TestMain removes it.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "genevadrive-test-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "genevadrive")
	out, err := exec.Command("go", "build", "-pgo=off", "-o", path, "github.com/genevadrive/genevadrive/cmd/server").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

var binaryDir string

// Every service that a test starts ends with the test, with all of its goroutines. A server that testenv shares among
// tests ends with the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"), goleak.Cleanup(func(code int) {
		if binaryDir != "" {
			_ = os.RemoveAll(binaryDir)
		}
		os.Exit(code)
	}))
}

// process is a server in a process of its own.
type process struct {
	client
	log    *testLog
	stderr *os.File // the log is read from it
	cmd    *exec.Cmd
	ended  chan error
}

func startProcess(t *testing.T, s app.Settings, env ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "serve")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "GENEVADRIVE_ADDR=" + s.Addr, "GENEVADRIVE_DATABASE_URL=" + s.DatabaseURL,
		"GENEVADRIVE_REDIS_URL=" + s.RedisURL, "GENEVADRIVE_WEBHOOK_SECRETS=" + s.WebhookSecrets,
	}
	cmd.Env = append(cmd.Env, env...)
	log := &testLog{}
	t.Cleanup(func() { log.showIfFailed(t) })
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = writer
	err = cmd.Start()
	_ = writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{log: log, stderr: reader, cmd: cmd, ended: make(chan error, 1)}
	read := make(chan struct{})
	go func() {
		err := cmd.Wait()
		<-read
		_ = reader.Close()
		p.ended <- err
	}()
	t.Cleanup(func() { p.kill(t) })
	addr := make(chan string, 1)
	go func() {
		defer close(read)
		serving := regexp.MustCompile(`msg=serving addr=(\S+)`)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			_, _ = io.WriteString(log, scanner.Text()+"\n")
			if match := serving.FindStringSubmatch(scanner.Text()); match != nil {
				addr <- match[1]
			}
		}
		close(addr)
	}()
	select {
	case a, ok := <-addr:
		if !ok {
			t.Fatal("the server ended at once")
		}
		p.base = "http://" + a
	case <-time.After(patience):
		t.Fatal("the server does not say where it listens")
	}
	return p
}

// kill ends the process without warning; a second call does nothing.
func (p *process) kill(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Kill()
	p.awaitEnd(t)
}

func (p *process) awaitEnd(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		p.ended <- err
		return err
	case <-time.After(patience):
		t.Fatal("the process does not end")
		return nil
	}
}

func TestKilledBetweenTwoStepsItFinishesAfterRestart(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]func(*testing.T) app.Settings{
		"sqlite embedded": func(t *testing.T) app.Settings { return settingsFor(t, testenv.SQLite(t), "") },
		"postgres redis":  func(t *testing.T) app.Settings { return settingsFor(t, testenv.Postgres(t), testenv.Redis(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, nil)
			settings := s(t)
			first := startProcess(t, settings)
			first.register(t, r.url, "PT0S", "PT2S", "PT0S")
			w := first.create(t)
			first.await(t, w.ID, "at step2", func(w workflow) bool { return w.CurrentStepName == "step2" })
			first.kill(t)

			second := startProcess(t, settings)
			second.awaitFinished(t, w.ID)
			r.want(t, "step1", "step2", "step3")
			second.wantHistory(t, w.ID, "step1 completed/completed 1", "step2 completed/completed 1", "step3 completed/completed 1")
		})
	}
}

func TestKilledDuringADeliveryItDeliversAgainUnderTheSameID(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	r := newReceiver(t, func(d delivery) string {
		if d.attempt == "1" {
			<-stuck
		}
		return `{}`
	})
	t.Cleanup(func() { close(stuck) })
	s := settingsFor(t, testenv.SQLite(t), "")
	first := startProcess(t, s)
	first.register(t, r.url, "PT0S")
	w := first.create(t)
	before := r.next(t)
	first.kill(t)

	second := startProcess(t, s)
	second.awaitFinished(t, w.ID)
	if after := r.next(t); after.id != before.id || after.attempt != "2" {
		t.Errorf("delivered %+v after %+v, want the second attempt under the same id", after, before)
	}
}

func TestFlushAllWhileAStepWaits(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t)
	s := settingsFor(t, testenv.Postgres(t), server.URL)
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(options)
	t.Cleanup(func() { _ = rdb.Close() })
	r := newReceiver(t, nil)

	// The server that schedules the step is gone when it is due, so that nobody remembers it but the row.
	first := startProcess(t, s)
	first.register(t, r.url, "PT0S", "PT3S")
	w := first.create(t)
	first.await(t, w.ID, "at step2", func(w workflow) bool { return w.CurrentStepName == "step2" })
	first.kill(t)
	second := startProcess(t, s)
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	second.awaitFinished(t, w.ID)
	r.want(t, "step1", "step2")
}

func TestSignals(t *testing.T) {
	t.Parallel()
	t.Run("one SIGTERM ends it in order", func(t *testing.T) {
		p := startProcess(t, settingsFor(t, testenv.SQLite(t), ""))
		signal(t, p, syscall.SIGTERM)
		if err := p.awaitEnd(t); err != nil {
			t.Errorf("it ends with %v", err)
		}
	})
	t.Run("a second one ends it at once", func(t *testing.T) {
		stuck := make(chan struct{})
		r := newReceiver(t, func(delivery) string { <-stuck; return `{}` })
		t.Cleanup(func() { close(stuck) })
		p := startProcess(t, settingsFor(t, testenv.SQLite(t), ""))
		p.register(t, r.url, "PT0S")
		p.create(t)
		r.next(t)
		signal(t, p, syscall.SIGINT)
		awaitStatus(t, p.client, "/readyz", 503)
		signal(t, p, syscall.SIGTERM)
		if err := p.awaitEnd(t); err == nil || !strings.Contains(err.Error(), "terminated") {
			t.Errorf("it ends with %v, want to be terminated by the signal", err)
		}
	})
}

// TestItOutlivesTheReaderOfItsLog closes the pipe that the log goes to, as journald does when it is restarted.
func TestItOutlivesTheReaderOfItsLog(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	p := startProcess(t, settingsFor(t, testenv.SQLite(t), ""))
	if err := p.stderr.Close(); err != nil {
		t.Fatal(err)
	}
	p.register(t, r.url, "PT0S")
	p.awaitFinished(t, p.create(t).ID)
	signal(t, p, syscall.SIGTERM)
	if err := p.awaitEnd(t); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

func signal(t *testing.T, p *process, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
