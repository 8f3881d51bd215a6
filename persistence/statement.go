package persistence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// statement is a piece of SQL that must affect a number of rows, where that is not 0; anything else is a defect, and rolls
// back.
type statement struct {
	query string
	args  []any
	rows  int64
}

// savable refuses texts that the databases treat differently: PostgreSQL breaks off the conversation at a NUL,
// which looks like a lost connection, MySQL drops it, and SQLite keeps whatever bytes it is given.
func savable(statements []statement) error {
	for _, st := range statements {
		for _, arg := range st.args {
			ok := true
			switch v := arg.(type) {
			case string:
				ok = isText(v)
			case array:
				ok = v.isText()
			}
			if !ok {
				return fmt.Errorf("%w: a text is not UTF-8, or holds a NUL", ErrUnsavable)
			}
		}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// kind is the type of a column of the write path.
type kind string

// The kinds; the value is the type on PostgreSQL.
const (
	kindUUID kind = "uuid"
	kindText kind = "text"
	kindInt  kind = "bigint"
	kindBool kind = "boolean"
	kindTime kind = "timestamptz"

	kindNumber kind = "integer" // of a row, see rowsTogether
)

// column is one column that the write path sets or compares.
type column struct {
	name  string
	kind  kind
	keep  bool // set: NULL leaves what is there
	state bool // compared: the column stands in predicates of partial indexes, see dialect.guard
}

// update writes rows of one table by primary key, each only if it is still as it was read.
type update struct {
	table string
	set   []column
	extra string   // more to set, the same for every row; t is the table
	seen  []column // compared with what was read

	parts []*update // updates that set some of the columns, for rows of which no other changes
	picks []int     // of a part: which of the whole's values are its own
}

// part makes an update of some of the columns that u sets.
func (u *update) part(names ...string) *update {
	p := &update{table: u.table, extra: u.extra, seen: u.seen}
	for i, c := range u.columns() {
		if set := i < len(u.set); !set || slices.Contains(names, c.name) {
			p.picks = append(p.picks, i)
			if set {
				p.set = append(p.set, c)
			}
		}
	}
	u.parts = append(u.parts, p)
	return p
}

// narrowest gives the part that sets all that changes in the rows, else the whole.
func (u *update) narrowest(rows []rewrite) *update {
	for _, p := range u.parts {
		if !slices.ContainsFunc(rows, p.misses) {
			return p
		}
	}
	return u
}

// misses tells whether a row changes in what the part does not set.
func (u *update) misses(row rewrite) bool {
	next := 0
	for i := range row.after {
		if u.picks[next] == i {
			next++
		} else if !equal(row.before[i], row.after[i]) {
			return true
		}
	}
	return false
}

// values are the values of a row of the whole that the update takes.
func (u *update) values(row rewrite) []any {
	if u.picks == nil {
		return row.after
	}
	values := make([]any, len(u.picks))
	for i, pick := range u.picks {
		values[i] = row.after[pick]
	}
	return values
}

// insert adds rows to one table.
type insert struct {
	table   string
	columns []column
}

// width is how many values a row of the update has: what it sets, its id, what was seen.
func (u *update) width() int { return len(u.set) + 1 + len(u.seen) }

// updateOne is the text of the update for a single row; the arguments are what it sets, the id, and what was seen.
func (d *dialect) updateOne(u *update) string {
	var b strings.Builder
	b.WriteString("UPDATE " + u.table + " AS t SET ")
	d.assign(&b, u, func(int, column) string { return "?" })
	b.WriteString(" WHERE t.id = ?")
	for _, c := range u.seen {
		b.WriteString(" AND " + d.compared(c) + " = ?")
	}
	if d.counted {
		return d.bind("WITH u AS (" + b.String() + " RETURNING 1) SELECT 1 / (count(*) = 1)::int FROM u")
	}
	return b.String()
}

// updateMany is the text of the update for several rows on PostgreSQL, see rowsTogether. The other databases have none:
// SQLite updates one row at a time, MySQL see narrow.
func (d *dialect) updateMany(u *update) string {
	var b strings.Builder
	columns := u.columns()
	id := len(u.set)
	b.WriteString("WITH u AS (UPDATE " + u.table + " AS t SET ")
	d.assign(&b, u, element)
	b.WriteString(" FROM " + rowNumbers(columns) + " WHERE t.id = " + element(id, columns[id]))
	for i, c := range u.seen {
		b.WriteString(" AND " + d.compared(c) + " = " + element(id+1+i, c))
	}
	b.WriteString(" RETURNING 1) SELECT 1 / (count(*) = cardinality(" + rowNumbersParameter(columns) + "))::int FROM u")
	return b.String()
}

func (u *update) columns() []column {
	all := make([]column, 0, u.width())
	all = append(all, u.set...)
	all = append(all, column{name: "id", kind: kindUUID})
	return append(all, u.seen...)
}

func (d *dialect) assign(b *strings.Builder, u *update, value func(int, column) string) {
	for i, c := range u.set {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(d.target + c.name + " = ")
		if c.keep {
			b.WriteString("coalesce(" + value(i, c) + ", t." + c.name + ")")
		} else {
			b.WriteString(value(i, c))
		}
	}
	if u.extra != "" {
		b.WriteString(", " + d.target + u.extra)
	}
}

func (d *dialect) compared(c column) string {
	if c.state {
		return d.guard("t." + c.name)
	}
	return "t." + c.name
}

func (d *dialect) insertOne(in *insert) string {
	return d.bind(in.into() + " VALUES (" + marks(len(in.columns)) + ")")
}

// insertMany is the text of the insert for n rows, on PostgreSQL for several, see rowsTogether.
func (d *dialect) insertMany(in *insert, n int) string {
	if d.counted {
		elements := make([]string, len(in.columns))
		for i, c := range in.columns {
			elements[i] = element(i, c)
		}
		return in.into() + " SELECT " + strings.Join(elements, ", ") + " FROM " + rowNumbers(in.columns)
	}
	row := "(" + marks(len(in.columns)) + ")"
	return in.into() + " VALUES " + strings.Repeat(row+", ", n-1) + row
}

func (in *insert) into() string {
	names := make([]string, len(in.columns))
	for i, c := range in.columns {
		names[i] = c.name
	}
	return "INSERT INTO " + in.table + " (" + strings.Join(names, ", ") + ")"
}

func marks(n int) string { return strings.Repeat("?, ", n-1) + "?" }

// rowsTogether is how many rows a text takes at most. PostgreSQL's is the same for any number of them: each column
// is an array, and one array more has the numbers of the rows, each of which takes the elements of its number. An unnest of
// all the columns would be a table for each of them, which a statement of a few rows spends most of its time on; but a
// row's element is found by walking along the array, so that there is a best number of rows (docs/decisions/0078). On
// MySQL the values of an update are found likewise.
const rowsTogether = 64

// element is the i-th column's value of a row.
func element(i int, c column) string {
	return "($" + strconv.Itoa(i+1) + "::" + string(c.kind) + "[])[v.n]"
}

// rowNumbers is the table of the rows' numbers, behind the arrays of the columns.
func rowNumbers(columns []column) string {
	return "unnest(" + rowNumbersParameter(columns) + ") AS v(n)"
}

func rowNumbersParameter(columns []column) string {
	return "$" + strconv.Itoa(len(columns)+1) + "::" + string(kindNumber) + "[]"
}
