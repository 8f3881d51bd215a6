package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// otherRequests is the route of every path that leads nowhere, and the method of every request with one that
// HTTP does not know: what clients make up must not make series.
const otherRequests = "other"

// request is the labels of one: as many as there are routes, methods and statuses.
type request struct {
	method, route string
	status        int // 0 where it does not matter
}

func (m *Metrics) measureRequests() {
	requests := m.counterVec("http_requests_total", "Requests to this server that were answered, by route and status.", "method", "route", "status")
	m.requests = newChildren(func(r request) prometheus.Counter {
		return requests.WithLabelValues(r.method, r.route, strconv.Itoa(r.status))
	})
	took := m.histograms("http_request_duration_seconds", "How long requests took, by route.",
		[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}, "method", "route")
	m.took = newChildren(func(r request) prometheus.Observer { return took.WithLabelValues(r.method, r.route) })
}

// Requested counts a request to the API. The route is the pattern that its path matched, "" if it matched none.
func (m *Metrics) Requested(method, route string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		method = otherRequests
	}
	if route == "" {
		route = otherRequests
	}
	m.requests.get(request{method, route, status}).Inc()
	m.took.get(request{method: method, route: route}).Observe(took.Seconds())
}
