// Command chaos proves the promises of DESIGN section 1 by breaking things: it runs the real server as
// processes of its own against real databases and a real Redis, with a receiver that writes every delivery to
// disk before it answers, kills, stops and cuts what it can, and afterwards holds the receiver's log against
// the database. All traffic stays on loopback and is bounded in count and time. The report goes to
// docs/reliability.md.
//
// It knows the service from outside: the program, the API, the tables, and the domain's table of moves.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// options are what the command line says.
type options struct {
	short    bool   // less of each row, for CI
	only     string // run the rows whose name contains one of these, separated by commas
	report   string // file to write, "" for none
	old      string // the revision that the rolling restart begins with, "" to choose one
	parallel int    // rows at once
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "receiver" {
		if err := serveReceiver(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "chaos receiver:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.BoolVar(&o.short, "short", false, "run less of each row, in about two minutes")
	flag.StringVar(&o.only, "only", "", "run only the rows whose name contains one of these words, separated by commas")
	flag.StringVar(&o.report, "report", "", "write the report to this file")
	flag.StringVar(&o.old, "old", "", "the revision the rolling restart begins with (the newest tag, else the one before the last migration)")
	flag.IntVar(&o.parallel, "parallel", 3, "how many rows run at once; those that measure times run alone, unless -short")
	flag.Parse()
	os.Exit(run(o))
}

// run runs the rows and gives the exit status.
func run(o options) int {
	program := testenv.NewProgram("chaos")
	defer program.Close()
	r := &runner{options: o}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stopped
		r.abandon()
		program.Close()
		os.Exit(1)
	}()
	list := selected(rows(o.short), o.only)
	var err error
	if r.builds, err = buildFor(list, program.TempDir(), o.old); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return 1
	}
	findings := r.run(list)
	status := 0
	for _, f := range findings {
		if f.verdict != holds {
			status = 1
		}
	}
	if o.report != "" {
		if err := writeReport(o, findings); err != nil {
			fmt.Fprintln(os.Stderr, "chaos:", err)
			return 1
		}
	}
	return status
}

func selected(all []row, only string) []row {
	if only == "" {
		return all
	}
	var list []row
	for _, r := range all {
		for word := range strings.SplitSeq(only, ",") {
			if strings.Contains(r.name+" "+r.database, word) {
				list = append(list, r)
				break
			}
		}
	}
	return list
}

// runner runs rows, some of them at once.
type runner struct {
	options options
	builds  builds
	until   time.Time // when the run is given up

	mu      sync.Mutex
	systems map[*system]bool // those that run
	closed  bool
	leaks   leakFigures
	secrets secretFigures
}

// abandon ends every process of every row.
func (r *runner) abandon() {
	r.mu.Lock()
	r.closed = true
	var list []*system
	for s := range r.systems {
		list = append(list, s)
	}
	r.mu.Unlock()
	for _, s := range list {
		s.close()
	}
}
