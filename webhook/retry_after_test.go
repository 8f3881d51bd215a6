package webhook

import (
	"testing"
	"time"
)

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"1":                              time.Second,
		" 30 ":                           30 * time.Second,
		"007":                            7 * time.Second,
		"86400":                          24 * time.Hour,
		"86401":                          24 * time.Hour,
		"9223372036854775808":            24 * time.Hour,
		"99999999999999999999999999999":  24 * time.Hour,
		"-1":                             0,
		"+1":                             0,
		"1.5":                            0,
		"1e3":                            0,
		"0x10":                           0,
		"1 2":                            0,
		"soon":                           0,
		"Fri, 02 Jan 2026 03:04:06 GMT":  500 * time.Millisecond,
		"Fri, 02 Jan 2026 03:05:05 GMT":  59*time.Second + 500*time.Millisecond,
		"Friday, 02-Jan-26 03:05:05 GMT": 59*time.Second + 500*time.Millisecond,
		"Fri Jan  2 03:05:05 2026":       59*time.Second + 500*time.Millisecond,
		"Fri, 02 Jan 2026 03:04:05 GMT":  0,
		"Thu, 01 Jan 1970 00:00:00 GMT":  0,
		"Fri, 31 Dec 9999 23:59:59 GMT":  24 * time.Hour,
		"2026-01-02T03:05:05Z":           0,
	} {
		if got := parseRetryAfter(value, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
