// Command statesdoc writes docs/states.md from the tables of moves in domain. It knows nothing else.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
)

//go:generate go run . ../../../docs/states.md

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: statesdoc FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(page()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const head = `<!-- Generated from domain/states.go by go generate; do not edit. -->
# States and moves

A workflow and its step executions move through these tables only: they are the guard in the code, and this page is
printed from them. What each answer and each verb does with both at once is in the README.
`

// What the states and outcomes mean; a test holds these lists against domain's.
var (
	workflowStates = map[domain.WorkflowState]string{
		domain.WorkflowReady:      "A step execution is scheduled: it waits for its time, or for a server.",
		domain.WorkflowPerforming: "A server is performing the step execution, or its callback is awaited.",
		domain.WorkflowPaused:     "Nothing is started until somebody resumes, reattempts, cancels or finishes it; a delivery in flight may still end.",
		domain.WorkflowFinished:   "It has done what it had to do. Terminal.",
		domain.WorkflowCanceled:   "It was given up. Terminal.",
	}
	executionStates = map[domain.ExecutionState]string{
		domain.ExecutionScheduled: "It will run when it is due; held while its workflow is paused.",
		domain.ExecutionExecuting: "A server has claimed it and is delivering it; or the receiver answered 202 and its callback is awaited.",
		domain.ExecutionCompleted: "The receiver has answered. Terminal.",
		domain.ExecutionFailed:    "It failed for good. Terminal.",
		domain.ExecutionCanceled:  "It ended without counting as done. Terminal.",
		domain.ExecutionSkipped:   "It was passed over. Terminal.",
	}
	outcomes = map[domain.Outcome]string{
		domain.OutcomeCompleted:   "The step is done; the workflow went on to the next one, or finished.",
		domain.OutcomeSkipped:     "The step was passed over, by an answer, a verb, a condition, or `on_exception: skip`.",
		domain.OutcomeReattempted: "The step runs again as a new step execution.",
		domain.OutcomePaused:      "The workflow paused here; resume runs the step again.",
		domain.OutcomeCanceled:    "The workflow was canceled here.",
		domain.OutcomeFinished:    "The receiver finished the workflow here, whatever steps were left.",
		domain.OutcomeFailed:      "The step failed for good and the workflow paused.",
		domain.OutcomeSuperseded:  "A verb decided in its place; a late answer changes nothing.",
	}
)

// page is the whole document.
func page() string {
	var b strings.Builder
	b.WriteString(head)

	b.WriteString("\n## Workflow\n\n| State | Meaning |\n|---|---|\n")
	for _, s := range domain.WorkflowStates {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s, workflowStates[s])
	}
	b.WriteString("\n| Event | From | To | When |\n|---|---|---|---|\n")
	var d diagram
	d.add("[*]", string(domain.WorkflowReady), "create")
	for _, m := range domain.WorkflowMoves {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", m.Event, code(m.From), m.To, m.Note)
		for _, from := range m.From {
			d.add(string(from), string(m.To), m.Event)
		}
	}
	for _, s := range domain.WorkflowStates {
		if s.Terminal() {
			d.add(string(s), "[*]", "")
		}
	}
	d.write(&b)

	b.WriteString("\n## Step execution\n\n| State | Meaning |\n|---|---|\n")
	for _, s := range domain.ExecutionStates {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s, executionStates[s])
	}
	b.WriteString("\n| Event | From | To | Outcome | When |\n|---|---|---|---|---|\n")
	d = diagram{}
	d.add("[*]", string(domain.ExecutionScheduled), "create")
	for _, m := range domain.ExecutionMoves {
		outcome := "none yet"
		if m.Outcome != "" {
			outcome = fmt.Sprintf("`%s`", m.Outcome)
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s |\n", m.Event, code(m.From), m.To, outcome, m.Note)
		for _, from := range m.From {
			d.add(string(from), string(m.To), m.Event)
		}
	}
	for _, s := range domain.ExecutionStates {
		if !s.Open() {
			d.add(string(s), "[*]", "")
		}
	}
	d.write(&b)

	b.WriteString("\n## Outcomes\n\n| Outcome | Meaning |\n|---|---|\n")
	for _, o := range domain.Outcomes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", o, outcomes[o])
	}
	return b.String()
}

func code[T ~string](states []T) string {
	quoted := make([]string, len(states))
	for i, s := range states {
		quoted[i] = "`" + string(s) + "`"
	}
	return strings.Join(quoted, ", ")
}

// diagram is a Mermaid state diagram with one arrow for all events between the same two states.
type diagram struct {
	order  [][2]string
	events map[[2]string][]string
}

func (d *diagram) add(from, to, event string) {
	if d.events == nil {
		d.events = map[[2]string][]string{}
	}
	arrow := [2]string{from, to}
	if _, known := d.events[arrow]; !known {
		d.order = append(d.order, arrow)
	}
	d.events[arrow] = append(d.events[arrow], event)
}

func (d *diagram) write(b *strings.Builder) {
	b.WriteString("\n```mermaid\nstateDiagram-v2\n")
	for _, arrow := range d.order {
		fmt.Fprintf(b, "    %s --> %s", arrow[0], arrow[1])
		if label := strings.Join(d.events[arrow], ", "); label != "" {
			b.WriteString(" : " + label)
		}
		b.WriteString("\n")
	}
	b.WriteString("```\n")
}
