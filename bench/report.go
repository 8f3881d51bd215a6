package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/genevadrive/genevadrive/persistence"
)

// report is what was measured.
type report struct {
	rows    []row
	growth  []row
	notes   []string
	inForce []string
	faults  []string
	took    time.Duration
}

// row is a line of a table; cells are as they are printed.
type row struct {
	name    string
	system  *system
	title   string // of the system, set by add
	floor   string
	product string
	ratio   string
	target  string
	verdict string
}

func newReport() *report { return &report{} }

// target is what a figure has to reach.
type target struct {
	limit   float64
	atLeast bool
}

func atLeast(limit float64) target { return target{limit, true} }
func atMost(limit float64) target  { return target{limit, false} }

func (t target) holds(x float64) bool { return t.atLeast && x >= t.limit || !t.atLeast && x <= t.limit }

func (t target) String() string {
	if t.atLeast {
		return fmt.Sprintf("≥ %g", t.limit)
	}
	return fmt.Sprintf("≤ %g", t.limit)
}

func holds(ok bool) string {
	if ok {
		return "holds"
	}
	return "**no**"
}

// add adds a row and prints it.
func (r *report) add(x row) {
	x.title = x.system.title()
	fmt.Printf("%-54s %-18s %14s %14s %6s %8s %s\n", x.name, x.title, x.floor, x.product, x.ratio, x.target, strings.Trim(x.verdict, "*"))
	r.rows = append(r.rows, x)
}

// compare adds a row whose target is of the ratio of product to floor.
func (r *report) compare(name string, s *system, format string, floor, product float64, t target) {
	ratio := product / floor
	r.add(row{name: name, system: s, floor: fmt.Sprintf(format, floor), product: fmt.Sprintf(format, product),
		ratio: fmt.Sprintf("%.2f", ratio), target: t.String(), verdict: holds(t.holds(ratio))})
}

// limit adds a row whose target is of the product's own figure.
func (r *report) limit(name string, s *system, format string, product float64, t target) {
	r.add(row{name: name, system: s, product: fmt.Sprintf(format, product), target: t.String(), verdict: holds(t.holds(product))})
}

// grow adds a row to the table of how it grows, and prints it.
func (r *report) grow(name string, s *system, product, target, verdict string) {
	fmt.Printf("%-54s %-18s %s %s %s\n", name, s.title(), product, target, verdict)
	r.growth = append(r.growth, row{name: name, title: s.title(), product: product, target: target, verdict: verdict})
}

// note adds a sentence below the table.
func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// leftOut says that a phase was not measured to its end since the run's time was up.
func (r *report) leftOut(name string) { r.note("%s was left out: the time was up.", name) }

// fault says what could not be measured or was wrong: the run fails.
func (r *report) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Println("FAULT:", text)
	r.faults = append(r.faults, text)
}

// settings reads from the servers what decides how durable a commit is, over the connections that the service
// makes.
func (r *report) settings(s *system) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	store, err := persistence.Open(ctx, persistence.Config{URL: s.url, MaxConns: 1})
	if err != nil {
		r.fault("the settings of %s: %v", s.title(), err)
		return
	}
	defer store.Close()
	query, names := "SHOW %s", []string{"server_version", "synchronous_commit", "fsync", "full_page_writes", "wal_sync_method", "wal_level", "shared_buffers", "max_wal_size"}
	switch s.kind {
	case "mysql":
		query, names = "SELECT @@%s", []string{"version", "innodb_flush_log_at_trx_commit", "innodb_flush_method", "sync_binlog", "log_bin", "innodb_buffer_pool_size", "innodb_log_file_size"}
	case "sqlite":
		query, names = "PRAGMA %s", []string{"journal_mode", "synchronous"}
	}
	var found []string
	for _, name := range names {
		var value string
		if err := store.DB().QueryRowContext(ctx, fmt.Sprintf(query, name)).Scan(&value); err != nil {
			value = err.Error()
		}
		found = append(found, name+"="+value)
	}
	line := strings.Fields(strings.ReplaceAll(s.title(), ",", " "))[0] + ": " + strings.Join(found, ", ")
	if s.redis != nil {
		line += "; Redis: " + redisSettings(ctx, s.redisURL)
	}
	r.inForce = append(r.inForce, strings.ReplaceAll(line, "synchronous=2", "synchronous=2 (FULL)"))
}

func redisSettings(ctx context.Context, url string) string {
	options, err := redis.ParseURL(url)
	if err != nil {
		return err.Error()
	}
	client := redis.NewClient(options)
	defer client.Close()
	values, err := client.ConfigGet(ctx, "append*").Result()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("appendonly=%s, appendfsync=%s", values["appendonly"], values["appendfsync"])
}

// byHand is the heading of what people write below the figures.
const byHand = "\n## What stands in the way\n"

// save writes docs/performance.md, and keeps what people have written there.
func (r *report) save(path string, size size) error {
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var report bytes.Buffer
	r.write(&report, size)
	if _, kept, ok := strings.Cut(string(before), byHand); ok {
		report.WriteString(byHand + kept)
	}
	return os.WriteFile(path, report.Bytes(), 0o644)
}

func (r *report) write(w io.Writer, size size) {
	fmt.Fprintf(w, "# Performance\n\n%s\n\n", introduction)
	fmt.Fprintf(w, "Run on %s in %.0f s: %s/%s, %d cores (%s), %.0f MiB of memory, %s; %s.\n\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), r.took.Seconds(),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpuModel(), statusOf("/proc/meminfo", "MemTotal:"), runtime.Version(), versions())
	fmt.Fprintf(w, "Settings in force, as the servers say over a connection of the service's:\n\n")
	for _, line := range r.inForce {
		fmt.Fprintf(w, "- %s\n", line)
	}
	fmt.Fprintf(w, "\nThe service: `GENEVADRIVE_CONCURRENCY=%d` and `max_in_flight: %d`, the defaults (only where a row says so they are others), the default\n"+
		"queues, one API key, contract validation, metrics and log as they come, the log to a file. PostgreSQL, MariaDB and the floor get\n"+
		"nothing that the other side does not get.\n\n", concurrency, maxInFlight)
	fmt.Fprintf(w, "A round of throughput is %d workflows of %d steps; medians of %d rounds, floor and service in turn, after one to warm up;\nit is half of that beside a backlog and on MariaDB, in twice as many, beside history, and where a row names connections. Latency is that of about one chain at a time, in %d rounds of %d.\n\n",
		size.workflows, chainSteps, size.rounds, size.latencies, size.chains)
	fmt.Fprintf(w, "| what | on | floor | service | ratio | target | |\n|---|---|---|---|---|---|---|\n")
	for _, x := range r.rows {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", cell(x.name), x.title, x.floor, cell(x.product), x.ratio, x.target, x.verdict)
	}
	if len(r.growth) > 0 {
		fmt.Fprintf(w, "\n## How it grows\n\n| what | on | service | target | |\n|---|---|---|---|---|\n")
		for _, x := range r.growth {
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", cell(x.name), x.title, cell(x.product), x.target, x.verdict)
		}
	}
	list(w, "Notes", r.notes)
	list(w, "Not measured, or wrong", r.faults)
}

const introduction = `Written by ` + "`make bench`" + `, which starts its own servers, the floor and the service in turn, on one machine in one run. **The floor**
is a hand-written loop on the same database server: 16 workers, for each step one POST to the same receiver and BEGIN + 3 statements
+ COMMIT, over tables with the least of indexes; no retries, no leases, no API. Its workflows are there before its round begins; the
service takes them over HTTP within its own. The floor's create is a plain insert transaction of a workflow and its first step.
Every delivery is counted, and the run fails if a step was lost or done twice. The receiver and the client run on the same cores; CPU
is user + system time of the service, the database and Redis, or of the floor and the database. A figure that misses its target stays.`

func list(w io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## %s\n\n", title)
	for _, line := range lines {
		fmt.Fprintf(w, "- %s\n", strings.ReplaceAll(line, "\n", " "))
	}
}

func cell(text string) string { return strings.NewReplacer("|", "/", "\n", " ").Replace(text) }

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "model name") {
			return strings.TrimSpace(line[strings.Index(line, ":")+1:])
		}
	}
	return "unknown"
}

// versions are those of the servers' programs.
func versions() string {
	var found []string
	for _, command := range [][]string{{"PostgreSQL", "psql"}, {"MariaDB", "mariadbd"}, {"Redis", "redis-server"}} {
		if out, err := exec.Command(command[1], "--version").Output(); err == nil {
			found = append(found, command[0]+" "+versionNumber.FindString(string(out)))
		}
	}
	return strings.Join(found, ", ")
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)+`)
