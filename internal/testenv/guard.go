package testenv

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// guard is a small process that outlives this one: when the pipe between them closes,
// because this process asked or because it is gone in whatever way, SIGKILL included,
// the guard ends the server and deletes its directory.
type guard struct {
	pidFile string
	pipe    io.Closer
	cmd     *exec.Cmd
}

const guardScript = `
trap '' HUP INT QUIT TERM
while read -r _; do :; done
if pid=$(cat "$1/pid" 2>/dev/null); then
	kill -"$2" "$pid" 2>/dev/null
	n=0
	while kill -0 "$pid" 2>/dev/null && ! grep -qs ') Z' "/proc/$pid/stat" && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
	kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$1"
`

// startGuard starts the guard of dir; discard is the signal that ends the server when
// its data no longer matters.
func startGuard(dir string, discard syscall.Signal) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "guard", dir, strconv.Itoa(int(discard)))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &guard{pidFile: filepath.Join(dir, "pid"), pipe: pipe, cmd: cmd}, nil
}

// watch names the process to end.
func (g *guard) watch(pid int) error {
	return os.WriteFile(g.pidFile, []byte(strconv.Itoa(pid)), 0o644)
}

// forget says that the process has ended.
func (g *guard) forget() error { return os.Remove(g.pidFile) }

// release makes the guard do its work now, and returns when it is done.
func (g *guard) release() {
	_ = g.pipe.Close()
	_ = g.cmd.Wait()
}
