// Package receivers_test runs the receivers of every language as what they are, programs of their own, and
// holds all of them to the same cases.
package receivers_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
	"github.com/genevadrive/genevadrive/webhook"
)

// patience is how long a test waits for what takes a moment.
const patience = time.Minute

// language is one of the receivers.
type language struct {
	name    string
	command func(t *testing.T, port int) []string
	vectors func(t *testing.T) []string // runs its verification over docs/signatures.json; nil: go test does
}

var languages = []language{
	{name: "go", command: func(t *testing.T, _ int) []string { return []string{goReceiver(t)} }},
	interpreted("typescript", testenv.Node, "receiver.mjs", "test_receiver.mjs"),
	interpreted("python", testenv.Python, "receiver.py", "test_receiver.py"),
	interpreted("ruby", testenv.Ruby, "receiver.rb", "test_receiver.rb"),
	interpreted("php", testenv.PHP, "receiver.php", "test_receiver.php"),
}

func interpreted(name string, runtime *testenv.Runtime, program, vectors string) language {
	return language{
		name: name,
		command: func(t *testing.T, port int) []string {
			path := absolute(t, name, program)
			if runtime == testenv.PHP {
				return []string{runtime.Path(t), "-S", fmt.Sprintf("127.0.0.1:%d", port), path}
			}
			return []string{runtime.Path(t), path}
		},
		vectors: func(t *testing.T) []string { return []string{runtime.Path(t), absolute(t, name, vectors)} },
	}
}

func absolute(t *testing.T, parts ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// built is where the receiver in Go is; TestMain removes it.
var built string

var build = sync.OnceValues(func() (program string, err error) {
	if built, err = os.MkdirTemp("", "genevadrive-receiver-"); err != nil {
		return "", err
	}
	program = filepath.Join(built, "receiver")
	if out, err := exec.Command("go", "build", "-o", program, "./go").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

func goReceiver(t *testing.T) string {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// receiver is a running one.
type receiver struct {
	url     string
	secret  webhook.Secret
	command []string
	env     []string
	process *exec.Cmd
	said    lines
}

// start runs the language's receiver in an empty directory, with a secret of its own.
func (l language) start(t *testing.T, secret webhook.Secret) *receiver {
	t.Helper()
	dir := t.TempDir()
	port := testenv.FreePort(t)
	r := &receiver{url: fmt.Sprintf("http://127.0.0.1:%d", port), secret: secret, command: l.command(t, port)}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "GENEVADRIVE_") {
			r.env = append(r.env, entry)
		}
	}
	r.env = append(r.env, "WEBHOOK_SECRET="+secret.Reveal(), fmt.Sprintf("PORT=%d", port), "ANSWERS="+filepath.Join(dir, "answers"))
	t.Cleanup(func() {
		r.kill()
		if t.Failed() {
			t.Logf("the receiver said:\n%s", r.said.text())
		}
	})
	r.run(t)
	return r
}

// run starts the process and returns when it says that it listens.
func (r *receiver) run(t *testing.T) {
	t.Helper()
	r.process = exec.Command(r.command[0], r.command[1:]...)
	r.process.Env = r.env
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.process.Stdout, r.process.Stderr = in, in
	err = r.process.Start()
	_ = in.Close()
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool, 1)
	go r.said.read(out, r.url, ready)
	select {
	case ok := <-ready:
		if !ok {
			t.Fatalf("the receiver ended at once:\n%s", r.said.text())
		}
	case <-time.After(patience):
		t.Fatalf("the receiver does not listen after %s:\n%s", patience, r.said.text())
	}
}

func (r *receiver) kill() {
	_ = r.process.Process.Kill()
	_ = r.process.Wait()
}

// restart kills the receiver, as a crash would, and starts it again.
func (r *receiver) restart(t *testing.T) {
	t.Helper()
	r.kill()
	r.run(t)
}

// lines is what a process wrote.
type lines struct {
	mu  sync.Mutex
	all []string
}

// read reports on ready whether a line with the mark came, at the latest when there are no more.
func (l *lines) read(r io.ReadCloser, mark string, ready chan<- bool) {
	defer r.Close()
	found := false
	for scanner := bufio.NewScanner(r); scanner.Scan(); {
		l.mu.Lock()
		l.all = append(l.all, scanner.Text())
		l.mu.Unlock()
		if !found && strings.Contains(scanner.Text(), mark) {
			found = true
			ready <- true
		}
	}
	if !found {
		ready <- false
	}
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}
