package testenv

import (
	"fmt"
	"os/exec"
)

// Runtime is a language that tests run programs in, as its own interpreter, or another program that they run.
type Runtime struct {
	Name    string // the program
	Label   string // as people write it
	Package string // the Debian package that brings it
}

// The languages, and curl for what the documentation does with it.
var (
	Node   = &Runtime{Name: "node", Label: "Node.js", Package: "nodejs"}
	Python = &Runtime{Name: "python3", Label: "Python", Package: "python3"}
	Ruby   = &Runtime{Name: "ruby", Label: "Ruby", Package: "ruby"}
	PHP    = &Runtime{Name: "php", Label: "PHP", Package: "php-cli"}
	Curl   = &Runtime{Name: "curl", Label: "curl", Package: "curl"}
)

// Runtimes lists them all.
func Runtimes() []*Runtime { return []*Runtime{Node, Python, Ruby, PHP, Curl} }

// Installed says whether the program is in PATH.
func (r *Runtime) Installed() bool {
	_, err := exec.LookPath(r.Name)
	return err == nil
}

// Path returns the path of the program. Without it the test counts as not run, or
// as a failure when CI=true.
func (r *Runtime) Path(tb TB) string {
	tb.Helper()
	path, err := exec.LookPath(r.Name)
	if err != nil {
		r.need().notRun(tb, fmt.Errorf("%s: %w", r.Name, ErrNotInstalled))
	}
	return path
}

// FreePort returns a loopback port nobody listens on, for a program that cannot choose
// one itself.
func FreePort(tb TB) int {
	tb.Helper()
	port, err := freePort()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return port
}

// Remedy says how to get the program.
func (r *Runtime) Remedy() string {
	return fmt.Sprintf("install it (Debian, Ubuntu: apt-get install %s)", r.Package)
}
