// Command bench measures the service against a floor: a hand-written loop on the same database that does
// what a step cannot do without. Both run in turn, in one run, on the same machine, servers and durability
// settings. It starts everything itself, on loopback, counts every delivery and fails if a step was lost or
// done twice. The service is set up as a user would: there is no switch for benchmarks.
//
// With -report it writes docs/performance.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// The time after which a run leaves out what it has not measured yet.
const (
	fullLimit  = 13 * time.Minute
	shortLimit = 130 * time.Second
)

// options are what the command line says.
type options struct {
	short   bool   // fewer rounds and less of everything, in under three minutes
	only    string // run the groups whose name contains it
	phase   string // of those, run the phases whose name contains it
	report  string // file to write, "" for none
	profile string // directory for CPU profiles of rounds of throughput and creates, "" for none
}

func main() {
	if err := child(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	var o options
	flag.BoolVar(&o.short, "short", false, "measure less of each row, in under three minutes")
	flag.StringVar(&o.only, "only", "", "run only the groups whose name contains this")
	flag.StringVar(&o.phase, "phase", "", "of the groups of postgres and sqlite, run only the phases whose name contains this")
	flag.StringVar(&o.report, "report", "", "write the report to this file")
	flag.StringVar(&o.profile, "profile", "", "write CPU profiles of the service to this directory, which must be there")
	flag.Parse()
	os.Exit(run(o))
}

// child is this program as one of its own helpers; it does not return if it is one.
func child(args []string) error {
	if len(args) == 0 {
		return nil
	}
	var err error
	switch args[0] {
	case "receiver":
		err = serveReceiver()
	case "floor":
		err = serveFloor(args[1:])
	default:
		return nil
	}
	if err == nil {
		os.Exit(0)
	}
	return fmt.Errorf("%s: %w", args[0], err)
}

// bench is one run.
type bench struct {
	options
	size
	ctx      context.Context // ends with the limit
	program  *testenv.Program
	binary   string
	receiver *receiver
	report   *report

	mu        sync.Mutex
	processes []*os.Process // of the service, to be ended whatever happens
}

// size is how much a run does.
type size struct {
	rounds    int
	latencies int           // rounds of latency, which scatter more
	workflows int           // of a round of throughput, three steps each
	chains    int           // of a round of latency
	creates   int           // of a round of creates
	single    int           // delayed steps whose lateness is measured
	burst     int           // steps due at the same second
	sleeping  int           // workflows of the backlog
	idle      time.Duration // how long an idle service is watched
}

var (
	fullSize  = size{rounds: 5, latencies: 9, workflows: 2000, chains: 200, creates: 2000, single: 100, burst: 10_000, sleeping: 1_000_000, idle: 10 * time.Second}
	shortSize = size{rounds: 3, latencies: 3, workflows: 500, chains: 40, creates: 1000, single: 10, burst: 3000, sleeping: 50_000, idle: 2 * time.Second}
)

// group measures some rows.
type group struct {
	name  string
	needs []*testenv.Kind
	long  bool // not in a short run, unless asked for by name
	run   func(*bench) error
}

var groups = []group{
	{"sqlite", nil, false, func(b *bench) error { return b.database("sqlite") }},
	{"postgres", []*testenv.Kind{testenv.PostgreSQL, testenv.RedisServer}, false, func(b *bench) error { return b.database("postgres") }},
	{"mariadb", testenv.Kinds(), false, (*bench).mariadb},
	{"growth", []*testenv.Kind{testenv.PostgreSQL, testenv.RedisServer}, true, (*bench).growth},
}

// run measures and gives the exit status.
func run(o options) int {
	started := time.Now()
	b := &bench{options: o, size: fullSize, program: testenv.NewProgram("bench"), report: newReport()}
	limit := fullLimit
	if o.short {
		b.size, limit = shortSize, shortLimit
	}
	defer b.program.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	b.ctx = ctx
	go b.watch(limit + time.Minute)
	b.binary = filepath.Join(b.program.TempDir(), "genevadrive")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "./cmd/server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: the server does not build: %v\n%s", err, out)
		return 1
	}
	var err error
	if b.receiver, err = startReceiver(b.program); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	for _, g := range groups {
		if strings.Contains(g.name, o.only) && (!o.short || !g.long || o.only != "") {
			b.runGroup(g)
		}
	}
	b.report.took = time.Since(started)
	fmt.Println()
	b.report.write(os.Stdout, b.size)
	if o.report != "" {
		if err := b.report.save(o.report, b.size); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 1
		}
	}
	if len(b.report.faults) > 0 {
		return 1
	}
	return 0
}

// watch ends a run that is told to end, or is still there at the hard limit: something hangs.
func (b *bench) watch(hard time.Duration) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	select {
	case s := <-signals:
		fmt.Fprintln(os.Stderr, "bench: ended by", s)
	case <-time.After(hard):
		fmt.Fprintln(os.Stderr, "bench: a phase hangs; the run is ended without a report")
	}
	b.mu.Lock()
	for _, p := range b.processes {
		_ = p.Kill()
	}
	b.program.Close()
	os.Exit(1)
}

// runGroup runs one group. Whatever goes wrong is said in the report and does not end the run.
func (b *bench) runGroup(g group) {
	defer func() {
		if p := recover(); p != nil {
			b.report.fault("%s: %v", g.name, p)
		}
	}()
	if b.ctx.Err() != nil {
		b.report.leftOut(g.name)
		return
	}
	for _, kind := range g.needs {
		if !kind.Installed() {
			b.report.fault("%s was not measured: %s is not installed (Debian: %s)", g.name, kind.Label, kind.Package)
			return
		}
	}
	started := time.Now()
	if err := g.run(b); err != nil {
		b.report.fault("%s: %v", g.name, err)
	}
	fmt.Printf("-- %s took %.0f s\n", g.name, time.Since(started).Seconds())
}
