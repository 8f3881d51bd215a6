package strictjson

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Value reads a document into map[string]any, []any, string, bool, nil, int64 and float64. A whole number
// becomes an int64 where it fits, so that 1 stays 1 and not 1.0. It checks the form as Check does, but takes
// numbers of any size, since a database may write 1e300 with all its zeros.
func Value(data []byte) (any, error) { return value(data, false) }

// ExactValue is Value, but for numbers that a float64 may not hold to the digit: those of more than 15 digits and those with
// an exponent become a json.Number, as they were written. What json.Marshal makes of it tells documents apart.
func ExactValue(data []byte) (any, error) { return value(data, true) }

func value(data []byte, exact bool) (any, error) {
	s := newScanner(data)
	defer s.release()
	s.lax = true
	if err := s.document(nil); err != nil {
		return nil, err
	}
	r := reader{data: data, exact: exact}
	return r.value(), nil
}

// reader builds values from a document that has been checked.
type reader struct {
	data  []byte
	pos   int
	exact bool
}

func (r *reader) space() {
	for r.pos < len(r.data) && r.data[r.pos] <= ' ' {
		r.pos++
	}
}

// more moves to the next member or element; false after the closing character, which it consumes.
func (r *reader) more(closing byte) bool {
	r.space()
	if r.data[r.pos] == closing {
		r.pos++
		return false
	}
	if r.data[r.pos] == ',' {
		r.pos++
		r.space()
	}
	return true
}

func (r *reader) value() any {
	r.space()
	switch r.data[r.pos] {
	case '{':
		r.pos++
		m := map[string]any{}
		for r.more('}') {
			key := r.key()
			m[key] = r.value()
		}
		return m
	case '[':
		r.pos++
		list := []any{}
		for r.more(']') {
			list = append(list, r.value())
		}
		return list
	case '"':
		return r.text()
	case 't':
		r.pos += 4
		return true
	case 'f':
		r.pos += 5
		return false
	case 'n':
		r.pos += 4
		return nil
	}
	return r.number()
}

func (r *reader) number() any {
	literal := string(r.skipNumber())
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return n
	}
	const held = len("1.23456789012345") // 15 digits, which every float64 gives back
	if r.exact && (len(literal) > held || strings.ContainsAny(literal, "eE")) {
		return json.Number(literal)
	}
	f, _ := strconv.ParseFloat(literal, 64) // out of range: ±Inf, as near as it gets
	return f
}

func (r *reader) skipNumber() []byte {
	start := r.pos
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			r.pos++
			continue
		}
		break
	}
	return r.data[start:r.pos]
}

func (r *reader) key() string {
	key := r.text()
	r.space()
	r.pos++ // the colon
	return key
}

func (r *reader) text() string {
	raw, escaped := r.skipText()
	if !escaped {
		return string(raw)
	}
	return string(appendUnescaped(nil, raw))
}

// skipText moves past a string and gives what stands between its quotes.
func (r *reader) skipText() (inner []byte, escaped bool) {
	r.pos++
	start := r.pos
	for r.data[r.pos] != '"' {
		if r.data[r.pos] == '\\' {
			escaped = true
			r.pos++
		}
		r.pos++
	}
	r.pos++
	return r.data[start : r.pos-1], escaped
}

// skip moves past one value and gives it as it was written.
func (r *reader) skip() []byte {
	r.space()
	start, open := r.pos, 0
	for {
		switch r.data[r.pos] {
		case '{', '[':
			open++
			r.pos++
		case '}', ']':
			open--
			r.pos++
		case '"':
			r.skipText()
		case ',', ':', ' ', '\t', '\n', '\r':
			r.pos++
			continue
		case 't', 'n':
			r.pos += 4
		case 'f':
			r.pos += 5
		default:
			r.skipNumber()
		}
		if open == 0 {
			return r.data[start:r.pos]
		}
	}
}

// appendUnescaped resolves the escapes of a checked string.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				low, _ := hex4(raw[i+3:])
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
