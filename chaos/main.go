// Command chaos proves the promises of DESIGN section 1 by breaking things: it runs the real server as
// processes of its own against real databases and a real Redis, with a receiver that writes every delivery to
// disk before it answers, kills, stops and cuts what it can, and afterwards holds the receiver's log against
// the database. All traffic stays on loopback and is bounded in count and time. The report goes to
// docs/reliability.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// options are what the command line says.
type options struct {
	short  bool   // a few minutes' selection with less load, for CI
	only   string // run the rows whose name contains it
	report string // file to write, "" for none
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
	flag.StringVar(&o.only, "only", "", "run only the rows whose name contains this")
	flag.StringVar(&o.report, "report", "", "write the report to this file")
	flag.Parse()
	os.Exit(run(o))
}

// run runs the rows one after another and gives the exit status.
func run(o options) int {
	program := testenv.NewProgram("chaos")
	defer program.Close()
	binary := filepath.Join(program.TempDir(), "genevadrive")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/server").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "chaos: the server does not build: %v\n%s", err, out)
		return 1
	}
	status := 0
	var findings []finding
	for _, row := range rows(o.short) {
		if !strings.Contains(row.name, o.only) {
			continue
		}
		started := time.Now()
		f := runRow(program, binary, row)
		f.took = time.Since(started).Round(time.Second)
		fmt.Println(f.line())
		findings = append(findings, f)
		if !f.holds {
			status = 1
		}
	}
	if o.report != "" {
		if err := writeReport(o.report, findings); err != nil {
			fmt.Fprintln(os.Stderr, "chaos:", err)
			return 1
		}
	}
	return status
}

// row is one experiment.
type row struct {
	name     string
	database string // postgres, mysql or sqlite
	servers  int
	load     string // for the report
	must     string // for the report
	run      func(*system) error
}

// runRow gives a row a system of its own. Whatever goes wrong is a finding, never the end of the run.
func runRow(program *testenv.Program, binary string, r row) (f finding) {
	f = finding{row: r}
	defer func() {
		if p := recover(); p != nil {
			f.seen, f.holds = fmt.Sprint("could not be run: ", p), false
		}
	}()
	s := newSystem(program, binary, r)
	defer s.close()
	err := r.run(s)
	f.seen = s.summary()
	if err != nil {
		f.seen = err.Error() + "; " + f.seen
		return f
	}
	f.holds = true
	return f
}
