package persistence

import (
	"slices"
	"strings"
	"time"
)

// narrow is the update of rows that change alike on MySQL, which parses each statement anew: it is told no more than these
// rows need. A column that they leave as it is does not appear, and a value that is the same for all of them, set or
// compared, stands there once; others are told by the id. So the rows are changed where they are found, where a join with
// a table of values would take temporary tables (docs/decisions/0073). The index is forced, whatever the statistics say.
func (d *dialect) narrow(u *update, rows []rewrite) statement {
	n := narrowing{rows: rows, id: len(u.set)}
	var set []string
	if u.extra != "" {
		set = append(set, d.target+u.extra)
	}
	for i, c := range u.set {
		if !n.changes(i) {
			continue
		}
		value := n.value(i)
		if c.keep {
			value = "coalesce(" + value + ", t." + c.name + ")"
		}
		set = append(set, d.target+c.name+" = "+value)
	}
	if set == nil { // the guard counts all the same
		set = append(set, d.target+u.set[0].name+" = t."+u.set[0].name)
	}
	match := "t.id IN (" + marks(len(rows)) + ")"
	for _, row := range rows {
		n.args = append(n.args, row.after[n.id])
	}
	for i, c := range u.seen {
		match += " AND " + d.compared(c) + " = " + n.value(n.id+1+i)
	}
	query := "UPDATE " + u.table + " AS t FORCE INDEX (PRIMARY) SET " + strings.Join(set, ", ") + " WHERE " + match
	return statement{query: query, args: n.args, rows: int64(len(rows))}
}

// narrowing gathers the arguments of an update in the order of its text.
type narrowing struct {
	rows []rewrite
	id   int // where that stands in a row
	args []any
}

// value is what stands for column i of the rows.
func (n *narrowing) value(i int) string {
	first := n.rows[0].after[i]
	if !slices.ContainsFunc(n.rows, func(row rewrite) bool { return !equal(row.after[i], first) }) {
		n.args = append(n.args, first)
		return "?"
	}
	for _, row := range n.rows {
		n.args = append(n.args, row.after[n.id], row.after[i])
	}
	return "CASE t.id" + strings.Repeat(" WHEN ? THEN ?", len(n.rows)) + " END"
}

// changes tells whether a value in column i is to become another one.
func (n *narrowing) changes(i int) bool {
	return slices.ContainsFunc(n.rows, func(row rewrite) bool { return !equal(row.before[i], row.after[i]) })
}

// alike sorts rows by the columns that change in them, which are the same for those that go the same way.
func alike(rows []rewrite) (groups [][]rewrite) {
	places := map[uint64]int{}
	for _, row := range rows {
		var changed uint64
		for i := range row.before {
			if !equal(row.before[i], row.after[i]) {
				changed |= 1 << i
			}
		}
		place, there := places[changed]
		if !there {
			place = len(groups)
			places[changed], groups = place, append(groups, nil)
		}
		groups[place] = append(groups[place], row)
	}
	return groups
}

// equal compares values of a row; times by the moment.
func equal(a, b any) bool {
	if t, ok := a.(time.Time); ok {
		u, ok := b.(time.Time)
		return ok && t.Equal(u)
	}
	return a == b
}
