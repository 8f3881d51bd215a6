package persistence

import (
	"testing"

	"github.com/genevadrive/genevadrive/domain"
)

// FuzzCursor wants invalid_cursor of whatever is no cursor, and a cursor back as it was given.
func FuzzCursor(f *testing.F) {
	_, next := paged([]string{"a", "b"}, Page{Limit: 1}, "filters", func(s string) string { return s })
	for _, seed := range []string{"", next, next + "A", "e30", "bnVsbA", "!", "eyJhIjoiYSIsImYiOiIifQ"} {
		f.Add(seed, "filters", "key")
	}
	f.Fuzz(func(t *testing.T, text, filters, key string) {
		after, err := Page{Limit: 1, Cursor: text}.after(filters)
		switch {
		case err != nil && domain.CodeOf(err) != domain.CodeInvalidCursor:
			t.Errorf("%q is refused with %v", text, err)
		case err == nil && text != "" && !isKey(after):
			t.Errorf("%q is taken, and goes on after %q", text, after)
		}
		if !isKey(key) {
			return
		}
		_, cursor := paged([]string{key, key}, Page{Limit: 1}, filters, func(s string) string { return s })
		if again, err := (Page{Limit: 1, Cursor: cursor}).after(filters); err != nil || again != key {
			t.Errorf("the cursor after %q reads as %q, %v", key, again, err)
		}
		if _, err := (Page{Limit: 1, Cursor: cursor}).after(filters + "x"); isText(filters) && err == nil {
			t.Error("a cursor is taken with other filters")
		}
	})
}
