package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// dump is every row of every table of the service as text, for tests that look for what must not be there.
func (w *world) dump() string {
	w.t.Helper()
	ctx := context.Background()
	list := map[string]string{
		"postgres": "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()",
		"mysql":    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
		"sqlite":   "SELECT name FROM sqlite_master WHERE type = 'table'",
	}[w.store.Dialect()]
	var tables []string
	if err := w.store.DB().NewRaw(list).Scan(ctx, &tables); err != nil {
		w.t.Fatal(err)
	}
	var b strings.Builder
	seen := 0
	for _, table := range tables {
		if !strings.HasPrefix(table, "geneva_drive_") {
			continue
		}
		seen++
		var rows []map[string]any
		if err := w.store.DB().NewRaw("SELECT * FROM "+table).Scan(ctx, &rows); err != nil {
			w.t.Fatal(err)
		}
		for _, row := range rows {
			fmt.Fprintf(&b, "%s:", table)
			for _, column := range slices.Sorted(maps.Keys(row)) {
				value := row[column]
				if bytes, ok := value.([]byte); ok {
					value = string(bytes)
				}
				fmt.Fprintf(&b, " %s=%v", column, value)
			}
			b.WriteString("\n")
		}
	}
	if seen < 8 {
		w.t.Fatalf("only %d tables were found: %v", seen, tables)
	}
	return b.String()
}

// linesWith gives the rows of a dump that hold a text.
func linesWith(dump, text string) []string {
	var found []string
	for line := range strings.SplitSeq(dump, "\n") {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	slices.Sort(found)
	return found
}
