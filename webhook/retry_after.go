package webhook

import (
	"net/http"
	"strings"
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

// parseRetryAfter reads the value of a Retry-After header in both its forms, seconds and HTTP date. It gives
// 0 for what is neither, or is in the past, and domain.MaxRetryAfter for more than that.
func parseRetryAfter(value string, now time.Time) time.Duration {
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
	return min(max(at.Sub(now), 0), domain.MaxRetryAfter)
}

// parseSeconds reads digits alone, stopping at domain.MaxRetryAfter however many there are.
func parseSeconds(value string) (seconds int64, ok bool) {
	const most = int64(domain.MaxRetryAfter / time.Second)
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return 0, false
		}
		seconds = min(seconds*10+int64(value[i]-'0'), most)
	}
	return seconds, true
}
