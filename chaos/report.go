package main

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// line is a finding on the terminal.
func (f finding) line() string {
	return fmt.Sprintf("%-32s %-9s %-15s %4.0f s  %s", f.row.name, f.row.database, strings.Trim(string(f.verdict), "*"), f.took.Seconds(), f.seen)
}

// writeReport writes the table of docs/reliability.md.
func writeReport(o options, findings []finding) error {
	var t strings.Builder
	size := "`make chaos`"
	if o.short {
		size = "`make chaos-short`, with less of everything than `make chaos`"
	}
	fmt.Fprintf(&t, `# Reliability

Written by %s. It runs the real server as processes of its own, with API keys and secrets, against a real
database and a real Redis, each row with its own, and breaks what it can. A receiver in its own process writes every
delivery to disk before it answers; afterwards its log is held against the database. A row that does not hold, or could
not be reached, says so. What the rows mean is in the code of [chaos](../chaos).

`, size)
	fmt.Fprintf(&t, "| | |\n|---|---|\n")
	fmt.Fprintf(&t, "| run | %s |\n", time.Now().UTC().Format("2006-01-02 15:04 MST"))
	fmt.Fprintf(&t, "| source | %s |\n", source())
	fmt.Fprintf(&t, "| machine | %s |\n", machine())
	fmt.Fprintf(&t, "| with | %s |\n", strings.Join(versions(), "; "))
	atOnce := fmt.Sprint(o.parallel)
	if !o.short {
		atOnce += "; the SIGKILL loop on SQLite, FLUSHALL and Redis stopped alone"
	}
	fmt.Fprintf(&t, "| rows at once | %s |\n\n", atOnce)
	fmt.Fprintf(&t, "| test | database | load | must hold | seen | verdict | took |\n|---|---|---|---|---|---|---|\n")
	names := map[string]string{"postgres": "PostgreSQL", "mysql": "MariaDB", "sqlite": "SQLite"}
	for _, f := range findings {
		database := f.row.database
		if name, ok := names[database]; ok {
			database = name
		}
		fmt.Fprintf(&t, "| %s | %s | %s | %s | %s | %s | %.0f s |\n", f.row.name, database, f.row.load, f.row.must, cell(f.seen), f.verdict, f.took.Seconds())
	}
	return os.WriteFile(o.report, []byte(t.String()), 0o644)
}

func cell(text string) string {
	return strings.NewReplacer("|", "/", "\n", " ").Replace(text)
}

// source is the revision that was tested.
func source() string {
	revision := git("describe", "--tags", "--always", "HEAD")
	switch {
	case revision == "":
		return "without a history"
	case git("status", "--porcelain", "--untracked-files=no") != "":
		return revision + ", with changes that are not committed"
	}
	return revision
}

// machine says how large it is.
func machine() string {
	size := fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				size += " (" + strings.TrimSpace(model) + ")"
				break
			}
		}
	}
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kilobytes float64
		if _, err := fmt.Sscanf(string(info), "MemTotal: %f kB", &kilobytes); err == nil {
			size += fmt.Sprintf(", %.0f GB of memory", kilobytes/1e6)
		}
	}
	return size
}

var versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

// versions are those of Go and of the servers at hand.
func versions() []string {
	found := []string{runtime.Version()}
	for _, server := range []struct{ label, pattern string }{
		{"PostgreSQL", "/usr/lib/postgresql/*/bin/postgres"}, {"MariaDB", "/usr/sbin/mariadbd"}, {"Redis", "/usr/bin/redis-server"},
	} {
		program := path.Base(server.pattern) // somewhere in PATH, unless it is where Debian has it
		if there, _ := filepath.Glob(server.pattern); len(there) > 0 {
			program = there[len(there)-1]
		}
		if out, err := exec.Command(program, "--version").Output(); err == nil {
			found = append(found, server.label+" "+versionNumber.FindString(string(out)))
		}
	}
	return found
}
