package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	secretsVariable = "GENEVADRIVE_WEBHOOK_SECRETS"
	stopTimeout     = 10 * time.Second
	keptLines       = 20
)

// build compiles both programs into dir, the service without its profile, which takes half as long the first time.
func build(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	for name, path := range map[string]string{"genevadrive": "/cmd/server", "receiver": "/examples/receivers/go"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-pgo=off", "-o", dir+string(os.PathSeparator)+name, module+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s%s: %w\n%s", module, path, err, out)
		}
	}
	return nil
}

// process is a running program. What it writes is read line by line.
type process struct {
	cmd   *exec.Cmd
	lines chan string // what it writes; closed when it has ended
	ended chan struct{}

	mu   sync.Mutex
	tail []string // the last lines, shown if the demo fails
}

// start runs a program in dir with this environment and nothing of the service's variables beside it.
func start(dir, program string, env ...string) (*process, error) {
	cmd := exec.Command(program)
	cmd.Dir = dir
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "GENEVADRIVE_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	p := &process{cmd: cmd, lines: make(chan string, 1000), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		_ = writer.Close()
		close(p.ended)
	}()
	go p.read(reader)
	return p, nil
}

func (p *process) read(r io.Reader) {
	defer close(p.lines)
	for scanner := bufio.NewScanner(r); scanner.Scan(); {
		line := scanner.Text()
		p.mu.Lock()
		p.tail = append(p.tail, line)
		p.tail = p.tail[max(0, len(p.tail)-keptLines):]
		p.mu.Unlock()
		select {
		case p.lines <- line:
		default: // nobody reads the service's log once it is up
		}
	}
}

var localURL = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// url waits for the program to say where it listens.
func (p *process) url(ctx context.Context) (string, error) {
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return "", fmt.Errorf("%s ended at once", p.cmd.Path)
			}
			if url := localURL.FindString(line); url != "" {
				return url, nil
			}
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// stop ends the program in order, or by force if that takes too long. If the demo has failed it shows the
// program's last words; a service that does not stop in order is a failure too.
func (p *process) stop(failure error) error {
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.ended
		failure = errors.Join(failure, fmt.Errorf("%s did not stop within %s", p.cmd.Path, stopTimeout))
	}
	if failure != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		fmt.Fprintf(os.Stderr, "\nThe last lines of %s:\n  %s\n", p.cmd.Path, strings.Join(p.tail, "\n  "))
	}
	return failure
}

// readSecret finds the signing secret that the service made beside its database.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if secret, ok := strings.CutPrefix(line, secretsVariable+"="); ok {
			return strings.TrimSpace(secret), nil
		}
	}
	return "", fmt.Errorf("there is no %s in %s", secretsVariable, path)
}
