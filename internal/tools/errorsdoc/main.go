// Command errorsdoc writes docs/errors.md from the table of problems in domain. It knows nothing else.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
)

//go:generate go run . ../../../docs/errors.md

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: errorsdoc FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(page()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const head = `<!-- Generated from domain/errors.go by go generate; do not edit. -->
# Errors

Every error of the API is an ` + "`application/problem+json`" + ` document (RFC 9457):

` + "```json" + `
{
  "type": "urn:genevadrive:problem:invalid_request",
  "title": "Invalid request",
  "status": 422,
  "code": "invalid_request",
  "detail": "#/subject/id: it is required",
  "errors": [{"pointer": "#/subject/id", "detail": "it is required"}]
}
` + "```" + `

Decide by ` + "`code`" + `, which never changes its meaning; show ` + "`detail`" + ` to people. ` + "`errors`" + ` lists every fault of the request at
once, each with a JSON pointer into the body or the name of a parameter or header. Further members:
` + "`workflow_id`" + ` with ` + "`workflow_exists`" + `, ` + "`state`" + ` with ` + "`invalid_transition`" + `, ` + "`step_execution_id`" + ` with ` + "`stale_execution`" + `.
Every response carries ` + "`x-request-id`" + `, which the server's log has too. A 401 carries ` + "`WWW-Authenticate`" + `, a 405
` + "`Allow`" + `, a 503 ` + "`Retry-After`" + `.

What an error of a step means (` + "`error.code`" + ` of a step execution) is another table: see the protocol.

| Status | Code | Title | What to do |
|---|---|---|---|
`

// page is the whole document.
func page() string {
	var b strings.Builder
	b.WriteString(head)
	for _, k := range domain.Kinds() {
		fmt.Fprintf(&b, "| %d %s | `%s` | %s | %s |\n", k.Status, http.StatusText(k.Status), k.Code, k.Title, strings.ReplaceAll(k.Help, "|", `\|`))
	}
	return b.String()
}
