package domain

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of names (DESIGN section 6).
const (
	MaxNameLength           = 100
	MaxSubjectTypeLength    = 100
	MaxSubjectIDLength      = 190
	MaxQueueNameLength      = 50
	MaxIdempotencyKeyLength = 255
)

var (
	namePattern  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.:-]{0,99}$`)
	queuePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$`)
)

// CheckName reports whether a name may name a workflow type, a step, a condition or an endpoint. The error
// is a sentence without the kind of thing named.
func CheckName(name string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	switch {
	case name == "":
		return fmt.Errorf("the name is empty")
	case len(name) > MaxNameLength:
		return fmt.Errorf("the name %s is longer than %d characters", quoted(name), MaxNameLength)
	case !isLetter(name[0]):
		return fmt.Errorf("the name %s must start with a letter A–Z or a–z", quoted(name))
	}
	return fmt.Errorf("the name %s may hold only letters, digits and _ . : -", quoted(name))
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// CheckQueueName reports whether a name may name a queue, whether or not that queue is configured.
func CheckQueueName(name string) error {
	if queuePattern.MatchString(name) {
		return nil
	}
	return fmt.Errorf("the queue name %s must have 1 to %d characters: letters, digits and _ . - after a letter or digit",
		quoted(name), MaxQueueNameLength)
}

// CheckSubjectType reports whether text may be the type of a subject: 1 to 100 printable characters without
// space at its edges, compared exactly.
func CheckSubjectType(text string) error {
	return checkPrintable("subject type", text, MaxSubjectTypeLength)
}

// CheckSubjectID is CheckSubjectType for a subject's id: 1 to 190 characters.
func CheckSubjectID(text string) error {
	return checkPrintable("subject id", text, MaxSubjectIDLength)
}

func checkPrintable(what, text string, most int) error {
	switch {
	case text == "":
		return fmt.Errorf("the %s is empty", what)
	case !utf8.ValidString(text):
		return fmt.Errorf("the %s is not valid UTF-8", what)
	case utf8.RuneCountInString(text) > most:
		return fmt.Errorf("the %s is longer than %d characters", what, most)
	}
	for i, r := range text {
		switch {
		case unicode.IsSpace(r) && (i == 0 || i+utf8.RuneLen(r) == len(text)):
			return fmt.Errorf("the %s %s starts or ends with white space", what, quoted(text))
		case !unicode.IsPrint(r) || unicode.Is(unicode.Noncharacter_Code_Point, r):
			return fmt.Errorf("the %s holds the unprintable character U+%04X", what, r)
		}
	}
	return nil
}

// ParseIdempotencyKey reads the header Idempotency-Key: 1 to 255 visible ASCII characters, bare or as a
// quoted string (RFC 8941), where a backslash escapes a quote or a backslash. "abc" and abc are one key. The
// error has CodeInvalidIdempotencyKey.
func ParseIdempotencyKey(header string) (string, error) {
	key := header
	if strings.HasPrefix(header, `"`) {
		var ok bool
		if key, ok = unquote(header); !ok {
			return "", badKey("the Idempotency-Key starts with a quote but is not one quoted string")
		}
	}
	if len(key) == 0 || len(key) > MaxIdempotencyKeyLength {
		return "", badKey("the Idempotency-Key has %d characters; it must have 1 to %d", len(key), MaxIdempotencyKeyLength)
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "", badKey("the Idempotency-Key may hold only visible ASCII characters, without spaces")
		}
	}
	return key, nil
}

func badKey(format string, args ...any) error {
	e := Errorf(CodeInvalidIdempotencyKey, format, args...)
	e.Problems = []Problem{{Parameter: "Idempotency-Key", Detail: e.Detail}}
	return e
}

func unquote(s string) (string, bool) {
	var out []byte
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return string(out), i == len(s)-1
		case '\\':
			i++
			if i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", false
			}
		}
		out = append(out, s[i])
	}
	return "", false
}

// quoted shows a name in a message, shortened and with whatever is unprintable escaped.
func quoted(name string) string { return strconv.Quote(shorten(name, 64)) }

// shorten cuts text to at most n bytes, at a character's edge.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
