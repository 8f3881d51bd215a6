package strictjson

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// manyKeys is the number of keys from which an object's duplicates are found by a map and not by comparing.
const manyKeys = 32

// scanner walks one document once. With a shape it also compares the document with a Go type.
type scanner struct {
	data  []byte
	pos   int
	depth int
	keys  [][]byte // unescaped keys of the open objects, innermost last
	lax   bool     // numbers of any size: documents that were checked when they came in
	err   *SyntaxError

	path   []step // where the scanner is; kept only with a shape
	faults FieldErrors
}

func (s *scanner) fail(at int, format string, args ...any) bool {
	if s.err == nil {
		s.err = syntaxError(s.data, at, fmt.Sprintf(format, args...))
	}
	return false
}

// refuse is fail for what is JSON, but not for us.
func (s *scanner) refuse(at int, format string, args ...any) bool {
	s.fail(at, format, args...)
	s.err.refused = true
	return false
}

func syntaxError(data []byte, at int, detail string) *SyntaxError {
	before := data[:at]
	return &SyntaxError{
		Offset: at,
		Line:   bytes.Count(before, []byte{'\n'}) + 1,
		Column: at - bytes.LastIndexByte(before, '\n'),
		Detail: detail,
	}
}

// document scans the whole input as one value.
func (s *scanner) document(sh *shape) error {
	if bytes.HasPrefix(s.data, []byte("\xef\xbb\xbf")) {
		s.fail(0, "the document starts with a byte order mark; send plain UTF-8")
		return s.err
	}
	s.space()
	if s.pos == len(s.data) {
		s.fail(s.pos, "the document is empty; expected one JSON value")
		return s.err
	}
	if !s.value(sh) {
		return s.err
	}
	if s.space(); s.pos < len(s.data) {
		s.fail(s.pos, "there is more after the end of the document; expected exactly one JSON value")
		return s.err
	}
	return nil
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value scans one value that starts at pos, white space already skipped.
func (s *scanner) value(sh *shape) bool {
	if s.pos == len(s.data) {
		return s.fail(s.pos, "the document ends where a value is expected")
	}
	start, ok := s.pos, false
	var found kind
	switch c := s.data[s.pos]; {
	case c == '{':
		found, ok = object, s.object(sh)
	case c == '[':
		found, ok = array, s.array(sh)
	case c == '"':
		found = text
		_, _, ok = s.text()
	case c == '-' || c >= '0' && c <= '9':
		found, ok = s.number()
	case c == 't':
		found, ok = boolean, s.word("true")
	case c == 'f':
		found, ok = boolean, s.word("false")
	case c == 'n':
		found, ok = null, s.word("null")
	default:
		return s.fail(s.pos, "expected a value, found %s", s.seen())
	}
	if ok && sh != nil {
		s.compare(sh, found, s.data[start:s.pos])
	}
	return ok
}

func (s *scanner) enter() bool {
	if s.depth++; s.depth > MaxDepth {
		return s.refuse(s.pos, "arrays and objects nest deeper than %d levels", MaxDepth)
	}
	s.pos++
	s.space()
	return true
}

func (s *scanner) leave() bool {
	s.depth--
	s.pos++
	return true
}

// next moves past a comma. more is false at the closing character, which it leaves to the caller.
func (s *scanner) next(closing byte) (more, ok bool) {
	s.space()
	switch {
	case s.pos == len(s.data):
		return false, s.fail(s.pos, "the document ends inside %s", inside(closing))
	case s.data[s.pos] == closing:
		return false, true
	case s.data[s.pos] != ',':
		return false, s.fail(s.pos, "expected a comma or %q inside %s, found %s", closing, inside(closing), s.seen())
	}
	s.pos++
	s.space()
	return true, true
}

func inside(closing byte) string {
	if closing == '}' {
		return "an object"
	}
	return "an array"
}

func (s *scanner) array(sh *shape) bool {
	if !s.enter() {
		return false
	}
	if s.pos < len(s.data) && s.data[s.pos] == ']' {
		return s.leave()
	}
	elem := sh.element()
	for i := 0; ; i++ {
		if elem != nil {
			s.path = append(s.path, step{index: i})
		}
		if !s.value(elem) {
			return false
		}
		if elem != nil {
			s.path = s.path[:len(s.path)-1]
		}
		more, ok := s.next(']')
		if !ok {
			return false
		}
		if !more {
			return s.leave()
		}
	}
}

func (s *scanner) object(sh *shape) bool {
	if !s.enter() {
		return false
	}
	if s.pos < len(s.data) && s.data[s.pos] == '}' {
		return s.leave()
	}
	base := len(s.keys)
	var seen map[string]struct{}
	for {
		at := s.pos
		key, ok := s.key()
		if !ok {
			return false
		}
		if seen, ok = s.once(seen, base, key); !ok {
			return s.refuse(at, "the key %s stands twice in one object", quote(key))
		}
		field := sh.field(key)
		if sh != nil {
			s.path = append(s.path, step{key: key, index: -1})
			if field == unknown {
				s.unknownField(sh, key)
				field = nil
			}
		}
		if !s.value(field) {
			return false
		}
		if sh != nil {
			s.path = s.path[:len(s.path)-1]
		}
		more, ok := s.next('}')
		if !ok {
			return false
		}
		if !more {
			s.keys = s.keys[:base]
			return s.leave()
		}
	}
}

// key scans a key and its colon and gives the key unescaped.
func (s *scanner) key() ([]byte, bool) {
	if s.pos == len(s.data) {
		return nil, s.fail(s.pos, "the document ends inside an object")
	}
	if s.data[s.pos] != '"' {
		return nil, s.fail(s.pos, "expected a key in double quotes, found %s", s.seen())
	}
	key, escaped, ok := s.text()
	if !ok {
		return nil, false
	}
	if escaped {
		key = appendUnescaped(nil, key)
	}
	s.space()
	if s.pos == len(s.data) || s.data[s.pos] != ':' {
		return nil, s.fail(s.pos, "expected a colon after the key, found %s", s.seen())
	}
	s.pos++
	s.space()
	return key, true
}

// once notes a key of the object whose keys start at base; ok is false when the object has it already.
func (s *scanner) once(seen map[string]struct{}, base int, key []byte) (_ map[string]struct{}, ok bool) {
	if seen == nil {
		for _, other := range s.keys[base:] {
			if string(other) == string(key) {
				return nil, false
			}
		}
		s.keys = append(s.keys, key)
		if len(s.keys)-base <= manyKeys {
			return nil, true
		}
		seen = make(map[string]struct{}, 4*manyKeys)
		for _, other := range s.keys[base:] {
			seen[string(other)] = struct{}{}
		}
		return seen, true
	}
	if _, twice := seen[string(key)]; twice {
		return seen, false
	}
	seen[string(key)] = struct{}{}
	return seen, true
}

func (s *scanner) word(w string) bool {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(w)) {
		return s.fail(s.pos, "expected a value, found %s", s.seen())
	}
	s.pos += len(w)
	return true
}

// seen describes what stands at pos, for messages.
func (s *scanner) seen() string {
	if s.pos >= len(s.data) {
		return "the end of the document"
	}
	r, n := utf8.DecodeRune(s.data[s.pos:])
	if r == utf8.RuneError && n == 1 {
		return fmt.Sprintf("the byte 0x%02X", s.data[s.pos])
	}
	return strconv.QuoteRune(r)
}

// quote shows a key in a message, shortened.
func quote(key []byte) string { return strconv.Quote(shorten(string(key), 64)) }
