package domain

import (
	"math"
	"time"
)

// MaxRetryAfter caps what a receiver may ask for with Retry-After (DESIGN section 5).
const MaxRetryAfter = 24 * time.Hour

// Backoff is the wait before the next attempt after `failures` failed ones: exponential, capped, drawn from
// its upper half by jitter in [0,1), and never less than what the receiver asked for with Retry-After.
func (r Retry) Backoff(failures int, retryAfter time.Duration, jitter float64) time.Duration {
	full := float64(r.Initial)
	if full > 0 { // else 0 times infinity could come up
		full = min(full*math.Pow(r.Multiplier, float64(max(failures-1, 0))), float64(r.Max))
	}
	own := time.Duration(full/2 + full/2*jitter)
	return max(own, min(retryAfter, MaxRetryAfter))
}
