package testenv

import (
	"fmt"
	"os/exec"
)

// Runtime is a language that tests run programs in, as its own interpreter.
type Runtime struct {
	Name    string // the program
	Label   string // as people write it
	Package string // the Debian package that brings it
}

// The languages.
var (
	Node   = &Runtime{Name: "node", Label: "Node.js", Package: "nodejs"}
	Python = &Runtime{Name: "python3", Label: "Python", Package: "python3"}
	Ruby   = &Runtime{Name: "ruby", Label: "Ruby", Package: "ruby"}
	PHP    = &Runtime{Name: "php", Label: "PHP", Package: "php-cli"}
)

// Runtimes lists every language.
func Runtimes() []*Runtime { return []*Runtime{Node, Python, Ruby, PHP} }

// Installed says whether the interpreter is in PATH.
func (r *Runtime) Installed() bool {
	_, err := exec.LookPath(r.Name)
	return err == nil
}

// Path returns the path of the interpreter. Without one the test counts as not run, or
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

// Remedy says how to get the language.
func (r *Runtime) Remedy() string {
	return fmt.Sprintf("install it (Debian, Ubuntu: apt-get install %s)", r.Package)
}
