package contracttest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	goodHealth   = `{"status":"ok"}`
	goodPage     = `{"items":[],"next_cursor":null}`
	goodProblem  = `{"type":"urn:genevadrive:problem:not_found","title":"Not found","status":404,"code":"not_found","detail":"x"}`
	goodVersions = `{"items":[{"type":"A","version":1,"created_at":"2026-01-02T03:04:05.000006Z","step_names":[]}],"next_cursor":null}`
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name, method, path string
		status             int
		contentType, body  string
		fault              string // part of the error; "" for none
	}{
		{"a good answer", "GET", "/healthz", 200, "application/json", goodHealth, ""},
		{"a good page", "GET", "/v1/workflows", 200, "application/json", goodPage, ""},
		{"a good time", "GET", "/v1/definitions/A/versions", 200, "application/json", goodVersions, ""},
		{"a documented problem", "GET", "/v1/workflows/x", 404, problemType, goodProblem, ""},
		{"an unknown path", "GET", "/v2", 404, problemType, goodProblem, ""},
		{"HEAD", "HEAD", "/healthz", 200, "application/json", "", ""},

		{"a property is missing", "GET", "/v1/workflows", 200, "application/json", `{"items":[]}`, "next_cursor"},
		{"a property is not documented", "GET", "/v1/workflows", 200, "application/json", `{"items":[],"next_cursor":null,"total":1}`, "total"},
		{"null where there is none", "GET", "/v1/workflows", 200, "application/json", `{"items":null,"next_cursor":null}`, "not nullable"},
		{"a time without decimals", "GET", "/v1/definitions/A/versions", 200, "application/json", strings.Replace(goodVersions, ".000006", "", 1), "created_at"},
		{"a status that is not listed", "GET", "/v1/workflows", 204, "", "", "status is not supported"},
		{"a success on an unknown path", "GET", "/v2", 200, "application/json", `{}`, "no such operation"},
		{"a problem in plain text", "GET", "/v1/workflows/x", 404, "text/plain", "not found", "text/plain"},
		{"a problem with another status", "GET", "/v2", 405, problemType, goodProblem, "405"},
		{"a problem without code", "GET", "/v2", 404, problemType, strings.Replace(goodProblem, `"code"`, `"kode"`, 1), "code"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{"X-Request-Id": {"1"}}
			if tt.contentType != "" {
				header.Set("Content-Type", tt.contentType)
			}
			err := loaded(t).Check(httptest.NewRequest(tt.method, tt.path, nil), tt.status, header, []byte(tt.body))
			switch {
			case tt.fault == "" && err != nil:
				t.Errorf("a fault was found: %v", err)
			case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)):
				t.Errorf("the fault %q was not found: %v", tt.fault, err)
			}
		})
	}
}

func TestCheckWantsARequestID(t *testing.T) {
	r := httptest.NewRequest("GET", "/healthz", nil)
	header := http.Header{"Content-Type": {"application/json"}}
	if err := loaded(t).Check(r, 200, header, []byte(goodHealth)); err == nil {
		t.Error("a response without x-request-id passes")
	}
}

// recorder is a testing.TB that counts what is reported to it.
type recorder struct {
	testing.TB
	faults int
}

func (r *recorder) Errorf(string, ...any) { r.faults++ }

func TestClientAndHandlerReportAndPassOn(t *testing.T) {
	bad := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "1")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
	})
	tb := &recorder{TB: t}
	server := httptest.NewServer(Handler(tb, bad))
	defer server.Close()
	response, err := Client(tb, server.Client()).Get(server.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusAccepted || tb.faults != 2 {
		t.Errorf("status %d, %d faults reported; want 202 and one fault each", response.StatusCode, tb.faults)
	}
}

func TestDelivery(t *testing.T) {
	const (
		failed = `{"code":"timeout","message":"x","backtrace":null,"status":null}`
		good   = `{"type":"step.perform","timestamp":"2026-01-02T03:04:05.000006Z","data":{
			"workflow":{"id":"019b7c5a-2f00-7d11-8a51-0f3c2b1a9e70","type":"A","definition_version":1,"subject":{"type":"User","id":"1"},
				"data":{},"created_at":"2026-01-02T03:04:05.000006Z"},
			"step_execution":{"id":"019b7c5a-2f01-7a20-9c42-5d6e7f809112","step_name":"a","params":{},"attempt":2,
				"scheduled_for":"2026-01-02T03:04:05.000006Z","previous_error":` + failed + `}}}`
	)
	for body, faults := range map[string]int{
		good: 0,
		strings.Replace(good, "step.perform", "hook.before_step_starts", 1): 0,
		strings.Replace(good, failed, "null", 1):                            0,
		strings.Replace(good, `,"status":null`, "", 1):                      1,
		strings.Replace(good, `"attempt":2`, `"attempt":2,"more":1`, 1):     1,
		strings.Replace(good, ".000006Z", "Z", 1):                           1,
		strings.Replace(good, "step.perform", "step.done", 1):               1,
		"[]": 1,
	} {
		tb := &recorder{TB: t}
		if Delivery(tb, []byte(body)); tb.faults != faults {
			t.Errorf("%d faults, want %d: %s", tb.faults, faults, body)
		}
	}
}
