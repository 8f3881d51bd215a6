package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// logTo gives a logger into a buffer, into nothing for nil.
func logTo(b *bytes.Buffer) *slog.Logger {
	var w io.Writer = io.Discard
	if b != nil {
		w = b
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestRequestIDs(t *testing.T) {
	for given, want := range map[string]string{
		"":                       "request-1",
		"client-id-7":            "client-id-7",
		"short":                  "request-1",
		"with space in it":       "request-1",
		strings.Repeat("x", 65):  "request-1",
		"quote\"quote\"quote":    "request-1",
		"019b7c5a-2f00-7d11-8a5": "019b7c5a-2f00-7d11-8a5",
	} {
		e := newEdge(t)
		var seen string
		e.api.reply = func(ctx context.Context) error { seen = infoOf(ctx).id; return nil }
		w := e.do("GET", getPath, "", "X-Request-Id", given)
		if got := w.Header().Get("X-Request-Id"); got != want || seen != want {
			t.Errorf("%q becomes %q in the response and %q inside", given, got, seen)
		}
	}
}

func TestTraceparent(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for given, want := range map[string]string{good: good, "": "", good + "-00": "", strings.ToUpper(good): "", "00-1-2-3": ""} {
		e := newEdge(t)
		var seen string
		e.api.reply = func(ctx context.Context) error { seen = infoOf(ctx).traceparent; return nil }
		e.do("GET", getPath, "", "Traceparent", given)
		if seen != want {
			t.Errorf("%q is seen as %q", given, seen)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	e := newEdge(t)
	for _, path := range []string{getPath, "/healthz", "/nowhere"} {
		h := e.do("GET", path, "").Header()
		for _, name := range []string{"X-Content-Type-Options", "Cache-Control", "Content-Security-Policy"} {
			if h.Get(name) == "" {
				t.Errorf("%s has no %s", path, name)
			}
		}
	}
}

func TestAccessLog(t *testing.T) {
	tests := []struct {
		path, level, route string
		status             float64
		code               any
	}{
		{getPath, "INFO", "/v1/workflows/{id}", 200, nil},
		{"/v1/workflows/42", "INFO", "/v1/workflows/{id}", 404, "workflow_not_found"},
		{"/healthz", "DEBUG", "/healthz", 200, nil},
		{"/v1/nowhere", "INFO", "", 404, "not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			e := newEdge(t)
			e.do("GET", tt.path, "")
			var line map[string]any
			if err := json.Unmarshal(e.log.Bytes(), &line); err != nil {
				t.Fatalf("not one line of log: %v: %s", err, e.log)
			}
			if line["msg"] != "request" || line["level"] != tt.level || line["path"] != tt.path || line["status"] != tt.status ||
				line["code"] != tt.code || line["request_id"] != "request-1" {
				t.Errorf("the line is %s", e.log)
			}
			if tt.route != "" && line["route"] != tt.route {
				t.Errorf("route is %v", line["route"])
			}
			if line["duration"] == nil || line["remote"] == nil || line["bytes"] == nil {
				t.Errorf("the line lacks something: %s", e.log)
			}
		})
	}
}

// What a request is asked to write to the log at a level that is off costs no line.
func TestAccessLogKeepsToItsLevel(t *testing.T) {
	var b bytes.Buffer
	e := newEdge(t, func(d *Deps) { d.Log = slog.New(slog.NewJSONHandler(&b, nil)) })
	e.do("GET", "/healthz", "")
	if b.Len() > 0 {
		t.Errorf("a probe is logged at info: %s", &b)
	}
}

func TestServedRequestsAreTold(t *testing.T) {
	var got []string
	e := newEdge(t, func(d *Deps) {
		d.Served = func(s Served) {
			got = append(got, fmt.Sprintf("%s %s %d", s.Method, s.Route, s.Status))
			if s.Took <= 0 {
				t.Errorf("%+v took no time", s)
			}
		}
	})
	for _, request := range []string{"GET " + getPath, "HEAD " + getPath, "GET /v1/workflows/42", "GET /healthz", "GET /v1/nowhere", "GET /v1/no/../where%2f", "DELETE /v1/workflows"} {
		method, path, _ := strings.Cut(request, " ")
		e.do(method, path, "")
	}
	want := []string{"GET /v1/workflows/{id} 200", "HEAD /v1/workflows/{id} 200", "GET /v1/workflows/{id} 404", "GET /healthz 200",
		"GET  404", "GET  404", "DELETE  405"}
	if !slices.Equal(got, want) {
		t.Errorf("told of\n%q, want\n%q", got, want)
	}
}
