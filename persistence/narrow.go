package persistence

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// narrow is the update of some rows on MySQL, which parses each statement anew and keeps its values in temporary
// tables: it is told no more than these rows need. A column that none of them changes is left out, and a value that
// is the same for all of them, set or compared, stands in the text once. The rest stands in a derived table v with
// columns c0, c1, …, which one row does not need.
func (d *dialect) narrow(u *update, rows []rewrite) statement {
	n := narrowing{rows: rows, id: len(u.set)}
	var assigned, matched []any
	match := "t.id = " + n.value(n.id, &matched)
	for i, c := range u.seen {
		match += " AND " + d.compared(c) + " = " + n.value(n.id+1+i, &matched)
	}
	var set []string
	if u.extra != "" {
		set = append(set, d.target+u.extra)
	}
	for i, c := range u.set {
		if !changes(rows, i) {
			continue
		}
		value := n.value(i, &assigned)
		if c.keep {
			value = "coalesce(" + value + ", t." + c.name + ")"
		}
		set = append(set, d.target+c.name+" = "+value)
	}
	if set == nil { // the guard counts all the same
		set = append(set, d.target+u.set[0].name+" = t."+u.set[0].name)
	}
	sets := " SET " + strings.Join(set, ", ")
	st := statement{rows: int64(len(rows))}
	if n.derived == nil {
		st.query, st.args = "UPDATE "+u.table+" AS t"+sets+" WHERE "+match, append(assigned, matched...)
		return st
	}
	var b strings.Builder
	b.WriteString("UPDATE (")
	st.args = n.selects(&b)
	b.WriteString(") AS v STRAIGHT_JOIN " + u.table + " AS t ON " + match + sets)
	st.query, st.args = b.String(), append(append(st.args, matched...), assigned...)
	return st
}

// narrowing sorts out where the values of rows stand.
type narrowing struct {
	rows    []rewrite
	id      int   // where that stands in a row
	derived []int // the columns of the derived table
}

// value is what stands for column i of the rows: a placeholder, whose argument it appends, or a column of v.
func (n *narrowing) value(i int, args *[]any) string {
	first := n.rows[0].after[i]
	for _, row := range n.rows[1:] {
		if !equal(row.after[i], first) {
			n.derived = append(n.derived, i)
			return "v.c" + strconv.Itoa(len(n.derived)-1)
		}
	}
	*args = append(*args, first)
	return "?"
}

// selects writes the derived table and gives its arguments. The id is given the collation of the primary key, which
// could not be used to find the row otherwise.
func (n *narrowing) selects(b *strings.Builder) []any {
	args := make([]any, 0, len(n.rows)*len(n.derived))
	for r, row := range n.rows {
		if r > 0 {
			b.WriteString(" UNION ALL ")
		}
		for c, i := range n.derived {
			b.WriteString(map[bool]string{true: "SELECT ", false: ", "}[c == 0])
			if i == n.id {
				b.WriteString("_ascii? COLLATE ascii_bin")
			} else {
				b.WriteString("?")
			}
			if r == 0 {
				b.WriteString(" AS c" + strconv.Itoa(c))
			}
			args = append(args, row.after[i])
		}
	}
	return args
}

// changes tells whether a value in column i is to become another one.
func changes(rows []rewrite, i int) bool {
	return slices.ContainsFunc(rows, func(row rewrite) bool { return !equal(row.before[i], row.after[i]) })
}

// equal compares values of a row; times by the moment.
func equal(a, b any) bool {
	if t, ok := a.(time.Time); ok {
		u, ok := b.(time.Time)
		return ok && t.Equal(u)
	}
	return a == b
}
