package receivercheck

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Verdict is what became of one check.
type Verdict string

// The verdicts.
const (
	OK         Verdict = "ok"
	Failed     Verdict = "FAILED"
	NotChecked Verdict = "not checked" // the receiver gives no opportunity to find out
)

// Result is one line of a report.
type Result struct {
	Check   string
	Verdict Verdict
	Detail  string // what the receiver did, and if that was wrong, what it should do
}

// Report is what was found out about a receiver.
type Report struct {
	URL, Step string
	Results   []Result
}

// Failed tells whether the receiver got anything wrong.
func (r Report) Failed() bool { return r.count(Failed) > 0 }

func (r Report) count(v Verdict) (n int) {
	for _, result := range r.Results {
		if result.Verdict == v {
			n++
		}
	}
	return n
}

// Write prints the report as a table.
func (r Report) Write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s, step %s\n\n", printable(r.URL), printable(r.Step))
	for _, result := range r.Results {
		fmt.Fprintf(table, "%s\t%s\t%s\n", result.Verdict, result.Check, printable(result.Detail))
	}
	fmt.Fprintf(table, "\n%d of %d checks passed", r.count(OK), len(r.Results))
	if n := r.count(Failed); n > 0 {
		fmt.Fprintf(table, ", %d failed", n)
	}
	if n := r.count(NotChecked); n > 0 {
		fmt.Fprintf(table, ", %d could not be made", n)
	}
	fmt.Fprintln(table)
	return table.Flush()
}

// printable keeps what a receiver sent from moving a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
