package api

import (
	"fmt"
	"strings"
	"time"
)

// Time is a moment on the wire: RFC 3339 in UTC, always with six decimals. It reads any RFC 3339 time and
// cuts it to microseconds, which is what the databases keep; the edge has refused those out of bounds before.
type Time struct{ Time time.Time } // not embedded, whose MarshalJSON would come before MarshalText and costs more

// timeLayout is fixed in width, so that times also sort as text.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// NewTime makes a Time.
func NewTime(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// NewTimePtr makes a *Time, nil for nil.
func NewTimePtr(t *time.Time) *Time {
	if t == nil {
		return nil
	}
	at := NewTime(*t)
	return &at
}

// String gives the form on the wire.
func (t Time) String() string { return t.Time.UTC().Format(timeLayout) }

// MarshalText writes the form on the wire.
func (t Time) MarshalText() ([]byte, error) {
	return t.Time.UTC().AppendFormat(make([]byte, 0, len(timeLayout)), timeLayout), nil
}

// UnmarshalText reads an RFC 3339 time, whose t and z may be in lower case.
func (t *Time) UnmarshalText(b []byte) error {
	at, err := time.Parse(time.RFC3339Nano, strings.ToUpper(string(b)))
	if err != nil {
		return fmt.Errorf("%q is not an RFC 3339 time", b)
	}
	*t = NewTime(at)
	return nil
}

// Bind reads a query parameter.
func (t *Time) Bind(s string) error { return t.UnmarshalText([]byte(s)) }
