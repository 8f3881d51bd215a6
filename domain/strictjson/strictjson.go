// Package strictjson reads JSON that comes from outside: API requests, webhook answers, definitions. It is
// one reader with one opinion, so that the three databases, the contract and every caller agree on what a
// document says. It knows nothing of workflows; limits of size are the caller's.
//
// It refuses what encoding/json lets pass: duplicate keys, trailing data, invalid UTF-8, NUL characters,
// lone surrogates, nesting deeper than MaxDepth, whole numbers beyond ±2^53 and numbers no float64 holds.
package strictjson

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// MaxDepth is how deep arrays and objects may nest.
const MaxDepth = 64

// MaxInteger is the largest magnitude of a whole number that every JSON reader keeps exactly.
const MaxInteger = 1 << 53

// SyntaxError says that a document cannot be read, where, and why. Line and Column count from 1, Column in
// bytes; Offset counts from 0.
type SyntaxError struct {
	Offset int
	Line   int
	Column int
	Detail string // a sentence without the position

	refused bool // well-formed JSON that this package does not take
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

// FieldError is one fault of a document that could be read: a field that is not known or has the wrong type.
type FieldError struct {
	Pointer string // JSON pointer as a URI fragment, "#/next/wait"
	Detail  string // a sentence
}

// FieldErrors are all such faults of one document, in its order; never empty.
type FieldErrors []FieldError

func (e FieldErrors) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.Pointer + ": " + f.Detail
	}
	return strings.Join(lines, "; ")
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func newScanner(data []byte) *scanner {
	s := scanners.Get().(*scanner)
	*s = scanner{data: data, keys: s.keys[:0], path: s.path[:0]}
	return s
}

func (s *scanner) release() {
	clear(s.keys[:cap(s.keys)])
	clear(s.path[:cap(s.path)])
	s.data, s.err, s.faults = nil, nil, nil
	scanners.Put(s)
}

// Check reports whether data is exactly one JSON document this package takes. The error is a *SyntaxError.
func Check(data []byte) error {
	s := newScanner(data)
	defer s.release()
	return s.document(nil)
}

// Decode checks data and stores it in the value v points to, by the rules of encoding/json but for names:
// they match exactly, case included, and an unknown one is an error. null stands for an absent field. The
// error is a *SyntaxError, or FieldErrors with everything that is wrong; v is not changed then.
//
// A field whose type has an UnmarshalJSON or UnmarshalText of its own is tried on a fresh value first, so
// that its error gets the field's pointer.
func Decode(data []byte, v any) error {
	target := reflect.TypeOf(v)
	if target == nil || target.Kind() != reflect.Pointer {
		return fmt.Errorf("strictjson: Decode needs a pointer, not %T", v)
	}
	s := newScanner(data)
	defer s.release()
	if err := s.document(shapeOf(target.Elem())); err != nil {
		return err
	}
	if len(s.faults) > 0 {
		return s.faults
	}
	if err := json.Unmarshal(data, v); err != nil {
		return FieldErrors{{Pointer: "#", Detail: strings.TrimPrefix(err.Error(), "json: ")}}
	}
	return nil
}
