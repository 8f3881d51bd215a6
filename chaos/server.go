package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// server is one server process, which may be ended and started again on the same address.
type server struct {
	system *system
	number int
	addr   string

	mu      sync.Mutex
	program string // "": that of this source
	cmd     *exec.Cmd
	exited  chan struct{}
}

func (s *system) newServer(number int) *server {
	return &server{system: s, number: number, addr: fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(s.program))}
}

// patience is for whatever takes milliseconds on a machine that is not busy.
const patience = 60 * time.Second

// start starts the process and waits until it answers.
func (v *server) start() error {
	if err := v.launch(); err != nil {
		return err
	}
	return v.awaitReady(patience)
}

func (v *server) launch() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	program := v.program
	if program == "" {
		program = v.system.runner.builds.current
	}
	cmd := v.system.command(program, v.system.behindProxy(), "serve")
	cmd.Env = append(cmd.Env, "GENEVADRIVE_ADDR="+v.addr)
	output, err := os.OpenFile(v.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	v.system.mu.Lock()
	defer v.system.mu.Unlock()
	if v.system.closed {
		return errors.New("the row was given up")
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	v.cmd, v.exited = cmd, exited
	return nil
}

func (v *server) awaitReady(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	v.mu.Lock()
	exited := v.exited
	v.mu.Unlock()
	for {
		err := v.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("server %d ended by itself; its log ends with %q", v.number, v.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("server %d is not ready after %s (%v); its log ends with %q", v.number, patience, err, v.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (v *server) ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.addr+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := v.system.http.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// lastWords is the end of the server's log.
func (v *server) lastWords() string {
	text, err := os.ReadFile(v.logPath())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

func (v *server) logPath() string {
	return filepath.Join(v.system.dir, fmt.Sprintf("server%d.log", v.number))
}

// signal sends a signal to the process.
func (v *server) signal(sig syscall.Signal) error {
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
		<-v.exited
		v.cmd = nil
	}
}

// stop ends the process in order.
func (v *server) stop() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cmd == nil {
		return errors.New("the server does not run")
	}
	if err := v.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-v.exited:
		v.cmd = nil
		return nil
	case <-time.After(patience):
		return fmt.Errorf("server %d did not end %s after SIGTERM; its log ends with %q", v.number, patience, v.lastWords())
	}
}
