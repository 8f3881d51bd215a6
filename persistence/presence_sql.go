package persistence

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
)

// PresenceSQL is what a fragment of SQL asks of the rows of an application's query: does a workflow of this
// type stand open for the row?
type PresenceSQL struct {
	Type          string
	SubjectType   string
	SubjectColumn string // of the application's query, qualified: users.id
	Schema        string // where the tables of GenevaDrive are, if the query runs elsewhere; "": nowhere else
}

// presenceAlias names the workflows within the fragment; no table of the application may have that name.
const presenceAlias = "geneva_drive_presence"

// For writes the fragment, an EXISTS condition, for the database of a URL. It does not connect. The values
// stand in it as literals that mean the same in every session of that database, and the subject's column is
// cast to text and compared byte for byte, as the service does. The error joins what is wrong with each field.
func (p PresenceSQL) For(databaseURL string) (string, error) {
	d, err := dialectOf(databaseURL, limits{})
	if err != nil {
		return "", err
	}
	q := quotings[d.name]
	if err := p.check(q); err != nil {
		return "", err
	}
	table := workflowsTable
	if p.Schema != "" {
		table = p.Schema + "." + table
	}
	states := make([]string, len(domain.OpenWorkflowStates))
	for i, state := range domain.OpenWorkflowStates {
		states[i] = "'" + string(state) + "'"
	}
	return fmt.Sprintf("EXISTS (SELECT 1 FROM %s %[2]s WHERE %[2]s.type = %[3]s AND %[2]s.subject_type = %[4]s AND %[2]s.subject_id = %[5]s AND %[2]s.state IN (%[6]s))",
		table, presenceAlias, q.literal(p.Type), q.literal(p.SubjectType), fmt.Sprintf(q.cast, p.SubjectColumn), strings.Join(states, ", ")), nil
}

func (p PresenceSQL) check(q quoting) error {
	errs := []error{domain.CheckName(p.Type), domain.CheckSubjectType(p.SubjectType)}
	table, rest, qualified := strings.Cut(p.SubjectColumn, ".")
	switch {
	case !q.column.MatchString(p.SubjectColumn):
		errs = append(errs, fmt.Errorf("the subject column %q is not a column: write table.column, like users.id (%s)", p.SubjectColumn, q.hint))
	case !qualified || rest == "":
		errs = append(errs, fmt.Errorf("the subject column %q needs its table, like users.%[1]s: alone it would mean the workflow's own", p.SubjectColumn))
	case strings.EqualFold(strings.Trim(table, "\"`"), presenceAlias):
		errs = append(errs, fmt.Errorf("the subject column cannot be of %s, which is the fragment's own name: give your table an alias", presenceAlias))
	}
	if p.Schema != "" && !q.schema.MatchString(p.Schema) {
		errs = append(errs, fmt.Errorf("the schema %q is not a name (%s)", p.Schema, q.hint))
	}
	return errors.Join(errs...)
}

// quoting is how values and names are written in the SQL of one database, whatever its session's settings.
type quoting struct {
	literal        func(string) string
	cast           string // makes text of a column, to be compared byte for byte
	column, schema *regexp.Regexp
	hint           string
}

var quotings = map[string]quoting{
	"postgres": names(postgresLiteral, `CAST(%s AS text) COLLATE "C"`, `"[^"\x00]+"`, `in double quotes if it is no plain name`),
	"mysql":    names(mysqlLiteral, `CAST(%s AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin`, "`[^`\\x00]+`", "in backquotes if it is no plain name"),
	"sqlite":   names(plainLiteral, `CAST(%s AS TEXT) COLLATE BINARY`, `"[^"\x00]+"`, `in double quotes if it is no plain name`),
}

func names(literal func(string) string, cast, quoted, hint string) quoting {
	name := `(?:[A-Za-z_][A-Za-z0-9_]*|` + quoted + `)`
	return quoting{literal, cast, regexp.MustCompile(`^` + name + `(?:\.` + name + `){0,2}$`), regexp.MustCompile(`^` + name + `$`), hint}
}

func plainLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// postgresLiteral writes a backslash so that it means one with standard_conforming_strings on and off.
func postgresLiteral(text string) string {
	if !strings.Contains(text, `\`) {
		return plainLiteral(text)
	}
	return "E" + plainLiteral(strings.ReplaceAll(text, `\`, `\\`))
}

// mysqlLiteral leaves nothing to the session's character set, nor a backslash to its sql_mode.
func mysqlLiteral(text string) string {
	for i := range len(text) {
		if text[i] >= 0x80 || text[i] == '\\' {
			return "_utf8mb4 X'" + hex.EncodeToString([]byte(text)) + "'"
		}
	}
	return plainLiteral(text)
}
