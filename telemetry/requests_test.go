package telemetry

import (
	"testing"
	"time"
)

func TestRequestsAreMeasured(t *testing.T) {
	m := New()
	for range 3 {
		m.Requested("GET", "/v1/workflows/{id}", 200, 10*time.Millisecond)
	}
	m.Requested("GET", "/v1/workflows/{id}", 404, time.Second)
	m.Requested("GET", "", 404, time.Millisecond)
	m.Requested("BREW", "", 405, time.Millisecond)
	m.Requested("TEA", "", 405, time.Millisecond)
	for _, tc := range []struct {
		name   string
		labels []string
		want   float64
		sum    float64
	}{
		{"genevadrive_http_requests_total", []string{"method=GET", "route=/v1/workflows/{id}", "status=200"}, 3, 0},
		{"genevadrive_http_requests_total", []string{"method=GET", "route=/v1/workflows/{id}", "status=404"}, 1, 0},
		{"genevadrive_http_requests_total", []string{"method=GET", "route=other", "status=404"}, 1, 0},
		{"genevadrive_http_requests_total", []string{"method=other", "route=other", "status=405"}, 2, 0},
		{"genevadrive_http_request_duration_seconds", []string{"method=GET", "route=/v1/workflows/{id}"}, 4, 1.03},
		{"genevadrive_http_request_duration_seconds", []string{"method=other", "route=other"}, 2, .002},
	} {
		got, sum := sample(t, m, tc.name, tc.labels...)
		if got != tc.want || sum-tc.sum > 1e-9 || tc.sum-sum > 1e-9 {
			t.Errorf("%s%v is %v with the sum %v, want %v and %v", tc.name, tc.labels, got, sum, tc.want, tc.sum)
		}
	}
}
