package testenv

import (
	"fmt"
	"os"
	"sync"
)

// Program is a TB for programs that are not tests, such as benchmarks and chaos runs.
// Close must be called at the end.
type Program struct {
	name string

	mu       sync.Mutex
	cleanups []func()
}

// NewProgram returns the TB of a program of that name.
func NewProgram(name string) *Program { return &Program{name: name} }

var _ TB = (*Program)(nil)

// Close runs what was registered with Cleanup, the last first.
func (p *Program) Close() {
	for {
		p.mu.Lock()
		n := len(p.cleanups)
		if n == 0 {
			p.mu.Unlock()
			return
		}
		last := p.cleanups[n-1]
		p.cleanups = p.cleanups[:n-1]
		p.mu.Unlock()
		last()
	}
}

// Cleanup registers f for Close.
func (p *Program) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

// TempDir returns a new directory that Close removes.
func (p *Program) TempDir() string {
	dir, err := os.MkdirTemp("", p.name+"-")
	if err != nil {
		p.Fatalf("making a temporary directory: %v", err)
	}
	p.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Name returns the program's name.
func (p *Program) Name() string { return p.name }

// Helper does nothing.
func (p *Program) Helper() {}

// Logf prints to standard error.
func (p *Program) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", p.name, fmt.Sprintf(format, args...))
}

// Skipf ends the program with status 1: it cannot do its work without the server.
func (p *Program) Skipf(format string, args ...any) { p.Fatalf(format, args...) }

// Fatalf prints, closes the program and ends it with status 1.
func (p *Program) Fatalf(format string, args ...any) {
	p.Logf(format, args...)
	p.Close()
	os.Exit(1)
}
