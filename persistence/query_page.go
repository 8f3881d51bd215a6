package persistence

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
)

// Page is which part of a list is wanted.
type Page struct {
	Limit  int    // at least 1
	Cursor string // the next cursor of the page before, "" for the first
}

// cursor is where a list goes on. It carries a hash of the list's filters, so that it cannot be used with
// others by mistake. It is opaque to clients but no secret: forging one only chooses where to go on.
type cursor struct {
	After   string `json:"a"`
	Filters string `json:"f"`
}

func hashOf(filters any) string {
	data, err := json.Marshal(filters)
	if err != nil {
		panic(fmt.Sprintf("persistence: filters that have no JSON: %v", err))
	}
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// after reads the cursor of a page, "" for the first page. Errors: invalid_cursor.
func (p Page) after(filters any) (string, error) {
	if p.Cursor == "" {
		return "", nil
	}
	var c cursor
	data, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil || !isKey(c.After) || c.Filters != hashOf(filters) {
		return "", invalidCursor()
	}
	return c.After, nil
}

// isKey tells whether a list may go on after a text: names, ids and numbers are of visible ASCII. MySQL does not
// compare another text with a column of them, and the other databases end a statement at a NUL.
func isKey(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func invalidCursor() error {
	return domain.WithProblems(domain.CodeInvalidCursor, []domain.Problem{{Parameter: "cursor",
		Detail: "The cursor is not one that a list with these filters has given."}})
}

// paged cuts a list that was read one item too long to the page's limit, and gives the cursor of the next
// page, "" on the last one.
func paged[T any](list []T, p Page, filters any, key func(T) string) ([]T, string) {
	if len(list) <= p.Limit {
		return list, ""
	}
	list = list[:p.Limit]
	data, err := json.Marshal(cursor{After: key(list[p.Limit-1]), Filters: hashOf(filters)})
	if err != nil {
		panic(fmt.Sprintf("persistence: a cursor that has no JSON: %v", err))
	}
	return list, base64.RawURLEncoding.EncodeToString(data)
}
