package strictjson

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// plain marks the bytes that stand for themselves inside a string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// text scans a string and gives what stands between its quotes, still escaped.
func (s *scanner) text() (inner []byte, escaped, ok bool) {
	data, i := s.data, s.pos+1
	start := i
	for {
		for i < len(data) && plain[data[i]] {
			i++
		}
		if i == len(data) {
			return nil, false, s.fail(i, "the document ends inside a string")
		}
		switch c := data[i]; {
		case c == '"':
			s.pos = i + 1
			return data[start:i], escaped, true
		case c == '\\':
			n := s.escape(i)
			if n == 0 {
				return nil, false, false
			}
			escaped = true
			i += n
		case c < 0x20:
			return nil, false, s.fail(i, "a string holds the control character U+%04X, which must be written as an escape", c)
		default:
			r, n := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && n == 1 {
				return nil, false, s.refuse(i, "the byte 0x%02X is not valid UTF-8", c)
			}
			i += n
		}
	}
}

// escape gives the length of the escape at i, a surrogate pair counting as one; 0 when it is not one.
func (s *scanner) escape(i int) int {
	if i+1 == len(s.data) {
		s.fail(i, "the document ends inside a string")
		return 0
	}
	switch s.data[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
	default:
		s.fail(i, `%q is not an escape; JSON knows \" \\ \/ \b \f \n \r \t and \u with four hex digits`, s.data[i:i+2])
		return 0
	}
	r, ok := hex4(s.data[i+2:])
	switch {
	case !ok:
		s.fail(i, `\u must be followed by four hex digits`)
		return 0
	case r == 0:
		s.refuse(i, "a string holds a NUL character, which databases cannot store")
		return 0
	case !utf16.IsSurrogate(r):
		return 6
	}
	if rest := s.data[i+6:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
		if low, ok := hex4(rest[2:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			return 12
		}
	}
	s.refuse(i, "a string holds the lone surrogate %s, which is not a character", s.data[i:i+6])
	return 0
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number scans a number and says whether it was written as a whole one.
func (s *scanner) number() (kind, bool) {
	data, start := s.data, s.pos
	i := start
	if data[i] == '-' {
		i++
	}
	first := i
	i = digits(data, i)
	switch {
	case i == first:
		return 0, s.fail(start, "expected a digit after the minus sign")
	case data[first] == '0' && i > first+1:
		return 0, s.fail(start, "a number must not start with a zero")
	}
	found := whole
	if i < len(data) && data[i] == '.' {
		found = number
		from := i + 1
		if i = digits(data, from); i == from {
			return 0, s.fail(start, "expected a digit after the decimal point")
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		found = number
		from := i + 1
		if from < len(data) && (data[from] == '+' || data[from] == '-') {
			from++
		}
		if i = digits(data, from); i == from {
			return 0, s.fail(start, "expected a digit in the exponent")
		}
	}
	s.pos = i
	if i-first <= 15 && found == whole || s.lax {
		return found, true
	}
	return found, s.inRange(start, data[start:i], found)
}

func (s *scanner) inRange(at int, literal []byte, found kind) bool {
	if found == whole {
		n, err := strconv.ParseInt(string(literal), 10, 64)
		if err != nil || n > MaxInteger || n < -MaxInteger {
			return s.refuse(at, "a whole number lies beyond ±2^53, where readers of JSON disagree; send it as a string")
		}
		return true
	}
	if _, err := strconv.ParseFloat(string(literal), 64); err != nil {
		return s.refuse(at, "a number is too large for a 64-bit float")
	}
	return true
}

func digits(data []byte, i int) int {
	for i < len(data) && data[i] >= '0' && data[i] <= '9' {
		i++
	}
	return i
}
