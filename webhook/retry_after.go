package webhook

import (
	"net/http"
	"strings"
	"time"
)

// MaxRetryAfter is the longest pause a receiver can ask for (DESIGN section 5).
const MaxRetryAfter = 24 * time.Hour

// ParseRetryAfter reads the value of a Retry-After header in both its forms, seconds and HTTP date. It gives
// 0 for what is neither, or is in the past, and MaxRetryAfter for more than that.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, ok := parseSeconds(value); ok {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}

// parseSeconds reads digits alone, stopping at MaxRetryAfter however many there are.
func parseSeconds(value string) (seconds int64, ok bool) {
	const most = int64(MaxRetryAfter / time.Second)
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return 0, false
		}
		seconds = min(seconds*10+int64(value[i]-'0'), most)
	}
	return seconds, true
}
