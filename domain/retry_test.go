package domain

import (
	"math"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	almost := math.Nextafter(1, 0)
	flat := Retry{Initial: 10 * time.Second, Multiplier: 1, Max: time.Hour}
	tests := []struct {
		name       string
		retry      Retry
		failures   int
		retryAfter time.Duration
		low, high  time.Duration // at jitter 0 and at jitter almost 1
	}{
		{"default, 1st", DefaultRetry, 1, 0, 2500 * time.Millisecond, 5 * time.Second},
		{"default, 2nd", DefaultRetry, 2, 0, 10 * time.Second, 20 * time.Second},
		{"default, 5th", DefaultRetry, 5, 0, 640 * time.Second, 1280 * time.Second},
		{"default, capped", DefaultRetry, 6, 0, 30 * time.Minute, time.Hour},
		{"default, far beyond", DefaultRetry, 5000, 0, 30 * time.Minute, time.Hour},
		{"before any failure", DefaultRetry, 0, 0, 2500 * time.Millisecond, 5 * time.Second},
		{"flat", flat, 9, 0, 5 * time.Second, 10 * time.Second},
		{"initial over the cap", Retry{Initial: time.Hour, Multiplier: 4, Max: time.Minute}, 1, 0, 30 * time.Second, time.Minute},
		{"no wait", Retry{Multiplier: 4, Max: time.Hour}, 5000, 0, 0, 0},
		{"Retry-After longer", flat, 1, time.Minute, time.Minute, time.Minute},
		{"Retry-After within", flat, 1, 7 * time.Second, 7 * time.Second, 10 * time.Second},
		{"Retry-After shorter", flat, 1, time.Second, 5 * time.Second, 10 * time.Second},
		{"Retry-After over a day", flat, 1, 48 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		{"Retry-After in the past", flat, 1, -time.Hour, 5 * time.Second, 10 * time.Second},
		{"a cap of more than a day", Retry{Initial: 48 * time.Hour, Multiplier: 1, Max: MaxDuration}, 1, time.Hour, 24 * time.Hour, 48 * time.Hour},
	}
	for _, tt := range tests {
		low, high := tt.retry.Backoff(tt.failures, tt.retryAfter, 0), tt.retry.Backoff(tt.failures, tt.retryAfter, almost)
		if low != tt.low || high > tt.high || high < tt.high-time.Microsecond {
			t.Errorf("%s: from %s to %s, want from %s to %s", tt.name, low, high, tt.low, tt.high)
		}
	}
	middle := DefaultRetry.Backoff(2, 0, 0.5)
	if middle != 15*time.Second {
		t.Errorf("jitter 0.5 gives %s, want the middle of the upper half", middle)
	}
}

// The default schedule rides out several hours (DESIGN section 5).
func TestDefaultRetryLastsHours(t *testing.T) {
	total := time.Duration(0)
	for failures := 1; failures < DefaultRetry.MaxAttempts; failures++ {
		total += DefaultRetry.Backoff(failures, 0, 0)
	}
	if total < 3*time.Hour {
		t.Errorf("the default retries are over after %s", total)
	}
}
