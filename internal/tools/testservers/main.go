// Command testservers runs a command, such as go test ./..., with one PostgreSQL, one
// MariaDB and one Redis for all of it, and takes them away afterwards. It also sees to
// the languages that tests run example programs in.
//
//	testservers go test ./...
//
// A server comes from its environment variable (see internal/testenv), else from
// Docker Compose where an engine answers, else from the locally installed programs,
// which are installed first, and so are the languages, when this is root on Debian.
// What there is none of is named at the end, in plain words, with what to do about it;
// with CI=true it fails the run before it begins.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: testservers command [argument ...]")
		os.Exit(2)
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testservers:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(command []string) (exitCode int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	dir, err := os.MkdirTemp("", "genevadrive-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	notRun := filepath.Join(dir, "not-run")

	begin := time.Now()
	servers := &servers{urls: map[*testenv.Kind]string{}, from: map[*testenv.Kind]string{}}
	defer servers.remove()
	if err := servers.provide(ctx); err != nil {
		return 1, err
	}
	if ctx.Err() != nil {
		return 1, errors.New("interrupted")
	}
	fmt.Printf("test servers after %.1f s: %s\n", time.Since(begin).Seconds(), servers)
	if missing := remedies(servers.missing()); missing != "" && os.Getenv("CI") == "true" {
		return 1, fmt.Errorf("with CI=true every server and language must be there:\n%s", missing)
	}

	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), testenv.NotRunEnv+"="+notRun)
	for _, k := range testenv.Kinds() {
		cmd.Env = append(cmd.Env, k.Env+"="+servers.url(k))
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	stopForwarding := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stopForwarding()
	if err := cmd.Wait(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			return 1, err
		}
		exitCode = max(exit.ExitCode(), 1)
	}
	summary, err := testenv.Summary(notRun)
	if summary != "" {
		fmt.Printf("\n%s", summary)
	}
	return exitCode, err
}

// remedies says how to get the missing servers, and the languages that are not there;
// empty if nothing is missing.
func remedies(missing []*testenv.Kind) string {
	var b strings.Builder
	for _, k := range missing {
		fmt.Fprintf(&b, "  %s: %s\n", k.Label, k.Remedy())
	}
	for _, r := range testenv.Runtimes() {
		if !r.Installed() {
			fmt.Fprintf(&b, "  %s: %s\n", r.Label, r.Remedy())
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
