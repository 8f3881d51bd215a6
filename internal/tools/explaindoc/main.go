// Command explaindoc writes docs/explain.md from the tables of situations and errors in domain. It knows
// nothing else.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
)

//go:generate go run . ../../../docs/explain.md

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: explaindoc FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(page()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const head = `<!-- Generated from domain/explain.go and domain/explain_stopped.go by go generate; do not edit. -->
# Why a workflow stands where it stands

` + "`GET /v1/workflows/{id}/explain`" + ` answers the question that a list of states does not:

` + "```json" + `
{
  "state": "paused",
  "code": "delivery_failed",
  "summary": "The step send_reminder has failed for good after 12 attempts with connection (…); see that the receiver is up and can be reached from this server, then resume.",
  "next": null,
  "actions": [
    {"verb": "resume", "effect": "Runs the step send_reminder again, as a new step execution with all its attempts."},
    {"verb": "skip", "effect": "Leaves out the step send_reminder and goes on to complete_onboarding, which is held until the workflow is resumed."}
  ],
  "error": {"code": "connection", "message": "…", "backtrace": null, "status": null}
}
` + "```" + `

- ` + "`code`" + ` is one of the words below and never changes its meaning. ` + "`summary`" + ` is one sentence for people; its
  wording may change.
- ` + "`next`" + ` is what happens without anybody's call, by the database's clock: the step that starts, or, while one is
  being performed, the latest end of its attempt or of the wait for its callback. Once that time has passed,
  ` + "`overdue_seconds`" + ` says for how long. It is null when the workflow waits for somebody.
- ` + "`actions`" + ` are the verbs that are possible now and would change something, each with what it would do. They are
  decided by the rules that the calls themselves ask, so none of them is refused unless the workflow has moved since.
- ` + "`error`" + ` is what went wrong last at the current step.

## Situations

| Code | Meaning |
|---|---|
`

const errors = `
## When a step has failed for good

What a workflow paused by each ` + "`error.code`" + ` is told. After ` + "`http_status`" + ` the common statuses have an advice of their
own. The definition of a running workflow is pinned: what says "new workflows" needs a new version of the definition.

| ` + "`error.code`" + ` | Code | Advice |
|---|---|---|
`

// page is the whole document.
func page() string {
	var b strings.Builder
	b.WriteString(head)
	for _, s := range domain.Situations {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s.Code, cell(s.Meaning))
	}
	b.WriteString(errors)
	for _, row := range domain.ErrorAdvices {
		if row.Code == domain.ErrSuperseded {
			continue // only on attempts
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s. |\n", row.Code, row.Situation, cell(strings.ToUpper(row.Advice[:1])+row.Advice[1:]))
	}
	return b.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
