package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// finding is what was seen of one row.
type finding struct {
	row   row
	seen  string
	holds bool
	took  time.Duration
}

func (f finding) verdict() string {
	if f.holds {
		return "holds"
	}
	return "**does not hold**"
}

func (f finding) line() string {
	return fmt.Sprintf("%-36s %-9s %4.0f s  %s", f.row.name, strings.Trim(f.verdict(), "*"), f.took.Seconds(), f.seen)
}

// writeReport writes the table of docs/reliability.md.
func writeReport(path string, findings []finding) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Reliability\n\n")
	fmt.Fprintf(&b, "Written by `make chaos`, which runs the real server as processes of its own, breaks what it can, and then holds the\n")
	fmt.Fprintf(&b, "log of a receiver (synced to disk before each answer) against the database. A row that does not hold says so.\n\n")
	fmt.Fprintf(&b, "Run on %s, %s/%s with %d CPUs, %s. %s.\n\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), runtime.Version(), versions())
	fmt.Fprintf(&b, "| test | load | must hold | seen | verdict | took |\n|---|---|---|---|---|---|\n")
	for _, f := range findings {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %.0f s |\n", f.row.name, f.row.load, f.row.must, cell(f.seen), f.verdict(), f.took.Seconds())
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func cell(text string) string {
	return strings.NewReplacer("|", "/", "\n", " ").Replace(text)
}

// versions are those of the servers at hand.
func versions() string {
	var found []string
	for _, command := range [][]string{{"psql", "--version"}, {"mariadbd", "--version"}, {"redis-server", "--version"}} {
		if out, err := exec.Command(command[0], command[1:]...).Output(); err == nil {
			found = append(found, strings.TrimSpace(strings.SplitN(string(out), "\n", 2)[0]))
		}
	}
	return strings.Join(found, "; ")
}
