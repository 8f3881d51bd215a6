package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a private server with data of its own, on a free loopback port. It may be
// killed, stopped and started again; port and data stay.
type Server struct {
	URL string

	kind    *Kind
	install *install
	guard   *guard

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

// install is one server's place on disk and on the network.
type install struct {
	dir      string // all of it; removed at the end
	data     string // owned by the account the server runs as
	port     int
	durable  bool     // sync to disk as in production
	settings []string // further command-line arguments
	programs map[string]string
	identity *syscall.Credential // nil: the current user
}

// StartPostgres starts a PostgreSQL for this test alone, with production durability.
// Further settings are arguments of postgres, such as "-c", "max_connections=50".
func StartPostgres(tb TB, settings ...string) *Server {
	tb.Helper()
	return PostgreSQL.Start(tb, settings...)
}

// StartMariaDB starts a MariaDB for this test alone, with production durability.
// Further settings are arguments of mariadbd.
func StartMariaDB(tb TB, settings ...string) *Server {
	tb.Helper()
	return MariaDB.Start(tb, settings...)
}

// StartRedis starts a Redis for this test alone, with an append-only file. Further
// settings are arguments of redis-server.
func StartRedis(tb TB, settings ...string) *Server {
	tb.Helper()
	return RedisServer.Start(tb, settings...)
}

// Start starts a server of this kind that production would trust with its data; it
// and its data are gone at cleanup. Where the programs are missing the test counts as
// not run, or as failed when CI=true.
func (k *Kind) Start(tb TB, settings ...string) *Server {
	tb.Helper()
	var server *Server
	err := k.off()
	if err == nil {
		server, err = k.launch(true, settings)
	}
	if err != nil {
		k.need().notRun(tb, err)
		return nil
	}
	tb.Cleanup(server.remove)
	return server
}

// Throwaway starts a server tuned for tests, which trades its data for speed, and
// returns it; it is gone when remove is called or this process ends.
func (k *Kind) Throwaway() (server *Server, remove func(), err error) {
	server, err = k.launch(false, nil)
	if err != nil {
		return nil, nil, err
	}
	return server, server.remove, nil
}

func (k *Kind) launch(durable bool, settings []string) (*Server, error) {
	programs, err := k.engine.locate()
	if err != nil {
		return nil, err
	}
	in := &install{programs: programs, durable: durable, settings: settings}
	if in.identity, err = identityOf(k.engine.account()); err != nil {
		return nil, err
	}
	if in.dir, err = os.MkdirTemp(baseDir(), "genevadrive-"+k.Name+"-"); err != nil {
		return nil, err
	}
	s := &Server{kind: k, install: in}
	if s.guard, err = startGuard(in.dir, k.discard); err != nil {
		_ = os.RemoveAll(in.dir)
		return nil, err
	}
	if err := s.setUp(); err != nil {
		s.remove()
		return nil, fmt.Errorf("starting a private %s: %w", k.Label, err)
	}
	return s, nil
}

// setUp makes the data directory and starts the server, on another port if somebody
// was quicker on the first.
func (s *Server) setUp() error {
	in := s.install
	in.data = filepath.Join(in.dir, "data")
	if err := errors.Join(os.Chmod(in.dir, 0o755), os.Mkdir(in.data, 0o700)); err != nil {
		return err
	}
	if in.identity != nil {
		if err := os.Chown(in.data, int(in.identity.Uid), int(in.identity.Gid)); err != nil {
			return err
		}
	}
	if err := s.kind.engine.prepare(in); err != nil {
		return err
	}
	var err error
	for range 3 {
		if in.port, err = freePort(); err != nil {
			return err
		}
		s.URL = s.kind.engine.url(in.port)
		if err = s.Start(); !errors.Is(err, errDied) {
			return err
		}
	}
	return err
}

var errDied = errors.New("the server ended by itself")

// Start starts the server again on its port and data and returns when it answers.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		return errors.New("the server is running already")
	}
	cmd := s.install.cmd(s.kind.engine.command(s.install)...)
	log, err := os.OpenFile(s.install.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	s.cmd, s.exited = cmd, exited
	if err := s.guard.watch(cmd.Process.Pid); err != nil {
		return errors.Join(err, s.signal(syscall.SIGKILL))
	}
	if err := s.ready(); err != nil {
		return errors.Join(err, s.signal(syscall.SIGKILL))
	}
	return nil
}

// ready waits until the server answers.
func (s *Server) ready() error {
	deadline := time.After(60 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err := s.kind.engine.ping(ctx, s.URL)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%w; its log ends:\n%s", errDied, s.install.logEnd())
		case <-deadline:
			return fmt.Errorf("no answer in 60 s (%w); its log ends:\n%s", err, s.install.logEnd())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// PID is the server's process, whose children work for it too; 0 while it does not run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Kill ends the server and every process of it as a crash would (SIGKILL).
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

// Stop lets the server shut down in order. Clients still connected are cut off.
func (s *Server) Stop() error { return s.end(s.kind.stop) }

func (s *Server) end(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return errors.New("the server is not running")
	}
	return s.signal(sig)
}

// signal ends the running server and returns when it is gone; s.mu is held.
func (s *Server) signal(sig syscall.Signal) error {
	pid := s.cmd.Process.Pid
	s.cmd = nil
	if sig == syscall.SIGKILL {
		killTree(pid)
	} else {
		_ = syscall.Kill(pid, sig)
	}
	select {
	case <-s.exited:
		return s.guard.forget()
	case <-time.After(60 * time.Second):
		killTree(pid)
		<-s.exited
		return errors.Join(s.guard.forget(), fmt.Errorf("%s did not stop in 60 s and was killed", s.kind.Label))
	}
}

// remove ends the server, whatever its state, and deletes its data.
func (s *Server) remove() { s.guard.release() }

func (in *install) log() string { return filepath.Join(in.dir, "log") }

func (in *install) logEnd() string {
	text, _ := os.ReadFile(in.log())
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// cmd is a command that runs as the server's account, in its own process group so
// that Ctrl-C reaches it only through the guard.
func (in *install) cmd(args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = in.data
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "LC_ALL=C", "HOME=" + in.data,
		"TMPDIR=" + in.data} // a MariaDB that starts removes what it takes for leftovers of its own from a common one
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: in.identity}
	return cmd
}

// run runs a command to its end; the error carries what it printed.
func (in *install) run(args ...string) error {
	out, err := in.cmd(args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(args[0]), err, out)
	}
	return nil
}

// identityOf is whom a server runs as: the named account if this process is root.
func identityOf(account string) (*syscall.Credential, error) {
	if account == "" || os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		return nil, fmt.Errorf("a server must not run as root: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

// baseDir is where the data goes; root's own temporary directory may be closed to the
// account the server runs as.
func baseDir() string {
	if os.Geteuid() == 0 {
		return "/tmp"
	}
	return os.TempDir()
}
