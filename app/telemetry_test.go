package app_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/genevadrive/genevadrive/app"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// scrape is what /metrics answers, by "name{label=value,…}" with the labels in alphabetical order; a histogram
// is its count.
func (c client) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	status, body := c.do(t, "GET", "/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("/metrics answers %d", status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			values[name+labels(m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

// scrapeUntil scrapes until all these are there.
func (c client) scrapeUntil(t *testing.T, names ...string) map[string]float64 {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got := c.scrape(t)
		missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, ok := got[name]; return ok })
		if len(missing) == 0 {
			return got
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("/metrics does not have %v", missing)
		}
	}
}

func labels(m *dto.Metric) string {
	var pairs []string
	for _, l := range m.GetLabel() {
		pairs = append(pairs, l.GetName()+"="+l.GetValue())
	}
	if len(pairs) == 0 {
		return ""
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

func TestMetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	eachSystem(t, func(t *testing.T, s app.Settings) {
		r := newReceiver(t, func(d delivery) string {
			if d.step == "step2" {
				return `{"action": "pause", "reason": "look at it"}`
			}
			return `{}`
		})
		service := startService(t, s)
		service.register(t, r.url, "PT0S", "PT0S", "PT0S")
		w := service.create(t)
		service.await(t, w.ID, "paused", func(w workflow) bool { return w.State == "paused" })
		// What is counted in memory comes just after the commit, what is counted in the database takes a moment.
		got := service.scrapeUntil(t, "genevadrive_workflow_transitions_total{to=paused_by_answer,type=SignupWorkflow}",
			"genevadrive_workflows{state=paused}", "genevadrive_backlog{queue=default}",
			"genevadrive_http_requests_total{method=POST,route=/v1/workflows,status=201}")
		for name, want := range map[string]float64{
			"genevadrive_transitions_total{outcome=completed,type=SignupWorkflow}":            1,
			"genevadrive_transitions_total{outcome=paused,type=SignupWorkflow}":               1,
			"genevadrive_workflow_transitions_total{to=created,type=SignupWorkflow}":          1,
			"genevadrive_workflow_transitions_total{to=paused_by_answer,type=SignupWorkflow}": 1,
			"genevadrive_attempt_duration_seconds{result=ok}":                                 2,
			"genevadrive_step_lateness_seconds":                                               2,
			"genevadrive_workflows{state=paused}":                                             1,
			"genevadrive_workflows{state=ready}":                                              0,
			"genevadrive_backlog{queue=default}":                                              0,
			"genevadrive_backlog_age_seconds{queue=default}":                                  0,
			"genevadrive_in_flight_steps":                                                     0,
			"genevadrive_in_flight_deliveries":                                                0,
			"genevadrive_lease_live":                                                          1,
			"genevadrive_doorbell_healthy":                                                    1,
			"genevadrive_rescues_total{why=dead_server}":                                      0,
			"genevadrive_http_requests_total{method=POST,route=/v1/workflows,status=201}":     1,
			"genevadrive_http_request_duration_seconds{method=POST,route=/v1/workflows}":      1,
		} {
			if value, ok := got[name]; !ok || value != want {
				t.Errorf("%s is %v (there: %t), want %v", name, value, ok, want)
			}
		}
		for _, name := range []string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes", "genevadrive_commit_decisions", "genevadrive_database_connections_max"} {
			if got[name] <= 0 {
				t.Errorf("%s is %v", name, got[name])
			}
		}
	})
}

// tracedRun runs a workflow of two steps, created under a traceparent, and gives that of each delivery.
func tracedRun(t *testing.T, traceparent string) []string {
	t.Helper()
	got := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Traceparent") }))
	t.Cleanup(receiver.Close)
	service := startService(t, settingsFor(t, testenv.SQLite(t), ""))
	service.register(t, receiver.URL, "PT0S", "PT0.01S")
	req, err := http.NewRequestWithContext(t.Context(), "POST", service.base+"/v1/workflows",
		strings.NewReader(`{"type": "SignupWorkflow", "subject": {"type": "User", "id": "42"}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if traceparent != "" {
		req.Header.Set("Traceparent", traceparent)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("the creation answers %s", resp.Status)
	}
	var sent []string
	for range 2 {
		sent = append(sent, <-got)
	}
	service.stop(t)
	return sent
}

const clientsContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestWithoutTracingTheClientsContextGoesOut(t *testing.T) {
	for _, sent := range tracedRun(t, clientsContext) {
		if sent != clientsContext {
			t.Errorf("a delivery carries %q", sent)
		}
	}
}

func TestOneTraceSpansTheWorkflow(t *testing.T) {
	for _, tc := range []struct{ name, traceparent string }{{"the client's", clientsContext}, {"a new one", ""}} {
		t.Run(tc.name, func(t *testing.T) {
			var mu sync.Mutex
			spans := map[string]*tracepb.Span{}
			collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				var data tracepb.TracesData
				if err == nil {
					err = proto.Unmarshal(body, &data)
				}
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for _, resource := range data.ResourceSpans {
					for _, scope := range resource.ScopeSpans {
						for _, s := range scope.Spans {
							spans[s.Name] = s
						}
					}
				}
			}))
			defer collector.Close()
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
			sent := tracedRun(t, tc.traceparent)

			mu.Lock()
			defer mu.Unlock()
			created := spans["create SignupWorkflow"]
			if created == nil {
				t.Fatalf("there is no span of the creation: %v", spans)
			}
			trace := hex.EncodeToString(created.TraceId)
			if tc.traceparent != "" && trace != tc.traceparent[3:35] {
				t.Errorf("the trace is %s", trace)
			}
			for i, step := range []string{"step1", "step2"} {
				s := spans["perform "+step]
				if s == nil || string(s.ParentSpanId) != string(created.SpanId) {
					t.Errorf("the span of %s is %v", step, s)
					continue
				}
				if want := "00-" + trace + "-" + hex.EncodeToString(s.SpanId) + "-01"; sent[i] != want {
					t.Errorf("%s was delivered under %q, want %q", step, sent[i], want)
				}
			}
		})
	}
}

func TestTracingThatCannotBeSetUpIsSaidAtStart(t *testing.T) {
	s := settingsFor(t, testenv.SQLite(t), "")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	if _, err := newApp(t, s); err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_PROTOCOL") {
		t.Errorf("the error is %v", err)
	}
}
