package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// Kind is one sort of server that tests can have.
type Kind struct {
	Name    string // postgres, mysql, redis
	Label   string // as people write it
	Env     string // the environment variable that names a running server
	Example string // a value for Env
	Package string // the Debian package that brings it

	engine  engine
	stop    syscall.Signal                 // ends the server in order
	discard syscall.Signal                 // ends it at once, without leaving anything in the kernel
	shared  func() (url string, err error) // the server for all tests of this process
	kept    *Server                        // that server, if it is private: what holds its guard's pipe open until the process ends
}

// The kinds of server.
var (
	PostgreSQL = newKind(Kind{
		Name: "postgres", Label: "PostgreSQL", Package: "postgresql",
		Env:     "GENEVADRIVE_TEST_POSTGRES_URL",
		Example: "postgres://user:password@127.0.0.1:5432/postgres?sslmode=disable",
		engine:  postgresEngine{}, stop: syscall.SIGINT, discard: syscall.SIGQUIT,
	})
	MariaDB = newKind(Kind{
		Name: "mysql", Label: "MariaDB or MySQL", Package: "mariadb-server",
		Env:     "GENEVADRIVE_TEST_MYSQL_URL",
		Example: "mysql://root:password@127.0.0.1:3306/mysql",
		engine:  mariadbEngine{}, stop: syscall.SIGTERM, discard: syscall.SIGKILL,
	})
	RedisServer = newKind(Kind{
		Name: "redis", Label: "Redis", Package: "redis-server",
		Env:     "GENEVADRIVE_TEST_REDIS_URL",
		Example: "redis://127.0.0.1:6379",
		engine:  redisEngine{}, stop: syscall.SIGTERM, discard: syscall.SIGKILL,
	})
)

// Kinds lists every kind of server.
func Kinds() []*Kind { return []*Kind{PostgreSQL, MariaDB, RedisServer} }

// Off as the value of a kind's environment variable means: there is none, look no
// further.
const Off = "off"

// engine is what differs between the kinds.
type engine interface {
	// locate returns the path of each program that is needed, or ErrNotInstalled.
	locate() (programs map[string]string, err error)
	// account is the system user that a server started by root steps down to; empty
	// if it may stay root.
	account() string
	// prepare fills the empty data directory.
	prepare(in *install) error
	// command is what runs the server in the foreground.
	command(in *install) []string
	// url is where clients reach it, with every right.
	url(port int) string
	// ping succeeds when the server answers queries.
	ping(ctx context.Context, url string) error
	// create makes an empty database on the server at url.
	create(url string) (database string, drop func() error, err error)
}

// ErrNotInstalled means that the programs of a server are not on this machine.
var ErrNotInstalled = errors.New("not installed")

func newKind(k Kind) *Kind {
	kind := &k
	kind.shared = sync.OnceValues(func() (string, error) {
		if err := kind.off(); err != nil {
			return "", err
		}
		if url := os.Getenv(kind.Env); url != "" {
			return url, nil
		}
		server, err := kind.launch(false, nil)
		if err != nil {
			return "", err
		}
		kind.kept = server
		return server.URL, nil
	})
	return kind
}

// off is an error if the environment says that there is no server of this kind.
func (k *Kind) off() error {
	if os.Getenv(k.Env) == Off {
		return fmt.Errorf("%s=%s: %w", k.Env, Off, ErrNotInstalled)
	}
	return nil
}

// Installed says whether a private server of this kind can be started here.
func (k *Kind) Installed() bool {
	_, err := k.engine.locate()
	return err == nil
}

// Ping says whether the server at url answers.
func (k *Kind) Ping(ctx context.Context, url string) error { return k.engine.ping(ctx, url) }

// locate finds programs in PATH or in the given directories (globs; the last match
// wins, so that the newest version does). All must be in one directory, unless they
// come from PATH.
func locate(dirs []string, programs ...string) (map[string]string, error) {
	for i := range dirs {
		matches, _ := filepath.Glob(dirs[i])
		for j := len(matches) - 1; j >= 0; j-- {
			if found := inDirectory(matches[j], programs); found != nil {
				return found, nil
			}
		}
	}
	found := map[string]string{}
	for _, p := range programs {
		path, err := exec.LookPath(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, ErrNotInstalled)
		}
		found[p] = path
	}
	return found, nil
}

func inDirectory(dir string, programs []string) map[string]string {
	found := map[string]string{}
	for _, p := range programs {
		path, err := exec.LookPath(filepath.Join(dir, p))
		if err != nil {
			return nil
		}
		found[p] = path
	}
	return found
}
