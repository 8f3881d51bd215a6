package strictjson

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// longestToken is how many bytes of a key a pointer shows. Names are shorter; a pointer stands in every problem below it.
const longestToken = 128

// PointerToken escapes a key for use in a JSON pointer written as a URI fragment. A key that is too long is cut
// and ends with "…".
func PointerToken(key string) string {
	return url.PathEscape(pointerEscapes.Replace(shorten(key, longestToken)))
}

// shorten cuts a key that is longer than so many bytes, at a character's edge, and marks that.
func shorten(key string, most int) string {
	if len(key) <= most {
		return key
	}
	for most > 0 && !utf8.RuneStart(key[most]) {
		most--
	}
	return key[:most] + "…"
}

// Nearest gives the known word that a misspelt one most likely means: the one with the fewest letters
// typed wrong, missing, added or swapped with a neighbour, case apart. It is "" when none comes close.
func Nearest(word string, known []string) string {
	const longest = 100
	n := utf8.RuneCountInString(word)
	if n > longest {
		return ""
	}
	best, fewest := "", 1+max(1, n/3)
	lower := []rune(strings.ToLower(word))
	for _, k := range known {
		if d := distance(lower, []rune(strings.ToLower(k)), fewest); d < fewest {
			best, fewest = k, d
		}
	}
	return best
}

// distance counts the edits between two words, giving up at limit.
func distance(a, b []rune, limit int) int {
	if diff := len(a) - len(b); diff >= limit || -diff >= limit {
		return limit
	}
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		next[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}
