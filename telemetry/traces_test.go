package telemetry

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// collector is a receiver of OTLP over HTTP.
type collector struct {
	url string

	mu       sync.Mutex
	answers  []int // statuses, then 200
	requests []*http.Request
	spans    map[string]*tracepb.Span // by name
	resource map[string]string
}

func newCollector(t *testing.T, answers ...int) *collector {
	c := &collector{answers: answers, spans: map[string]*tracepb.Span{}, resource: map[string]string{}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, r)
	if len(c.answers) > 0 {
		status := c.answers[0]
		c.answers = c.answers[1:]
		http.Error(w, "not now", status)
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	text, err := io.ReadAll(body)
	var data tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(text, &data)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, from := range data.ResourceSpans {
		for _, a := range from.GetResource().GetAttributes() {
			c.resource[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, scope := range from.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans[s.Name] = s
			}
		}
	}
}

func tracesTo(t *testing.T, env map[string]string) *Traces {
	t.Helper()
	traces, err := NewTraces(context.Background(), func(name string) string { return env[name] }, "1.2.3", slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return traces
}

func TestOneTraceSpansCreationAndAttempts(t *testing.T) {
	c := newCollector(t)
	traces := tracesTo(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.url + "/", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20abc, x-team=growth"})
	const client = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	create := traces.Start(client, engine.Operation{WorkflowID: uuid.UUID{1}, WorkflowType: "Signup"})
	attempt := traces.Start(create.Traceparent(), engine.Operation{Attempt: 1, WorkflowID: uuid.UUID{1}, WorkflowType: "Signup", Step: "greet", ExecutionID: uuid.UUID{2}})
	create.End(engine.Ending{})
	attempt.End(engine.Ending{Status: 503, ErrorCode: "http_status", Error: "the receiver answered 503"})
	if err := traces.Close(context.Background()); err != nil {
		t.Fatal(err)
	}

	created, performed := c.spans["create Signup"], c.spans["perform greet"]
	if created == nil || performed == nil {
		t.Fatalf("the collector has the spans %v", c.spans)
	}
	if got := hex.EncodeToString(created.TraceId) + " " + hex.EncodeToString(created.ParentSpanId); got != "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331" {
		t.Errorf("the creation is beneath %s", got)
	}
	if hex.EncodeToString(performed.TraceId) != "0af7651916cd43dd8448eb211c80319c" || string(performed.ParentSpanId) != string(created.SpanId) {
		t.Errorf("the attempt is not beneath the creation: %v", performed)
	}
	if want := "00-0af7651916cd43dd8448eb211c80319c-" + hex.EncodeToString(performed.SpanId) + "-01"; attempt.Traceparent() != want {
		t.Errorf("the delivery carries %s, want %s", attempt.Traceparent(), want)
	}
	if created.Kind != tracepb.Span_SPAN_KIND_SERVER || performed.Kind != tracepb.Span_SPAN_KIND_CLIENT || performed.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("kinds are %s and %s, the status is %s", created.Kind, performed.Kind, performed.Status)
	}
	var names []string
	for _, a := range performed.Attributes {
		names = append(names, a.Key)
	}
	for _, want := range []string{"genevadrive.workflow.id", "genevadrive.step_execution.id", "genevadrive.attempt", "http.response.status_code", "error.type"} {
		if !slices.Contains(names, want) {
			t.Errorf("the attempt has no attribute %s: %v", want, names)
		}
	}
	if c.resource["service.name"] != "genevadrive" || c.resource["service.version"] != "1.2.3" {
		t.Errorf("the resource is %v", c.resource)
	}
	r := c.requests[0]
	if r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Basic abc" || r.Header.Get("X-Team") != "growth" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("sent to %s with %v", r.URL.Path, r.Header)
	}
}

func TestACreationWithoutAContextBeginsATrace(t *testing.T) {
	for name, traceparent := range map[string]string{"none": "", "nonsense": "00-xyz", "zero": "00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"reserved version": "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "too long": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t)
			traces := tracesTo(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.url + "/my/path"})
			s := traces.Start(traceparent, engine.Operation{WorkflowType: "Signup"})
			s.End(engine.Ending{})
			if err := traces.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := c.spans["create Signup"]; got == nil || len(got.ParentSpanId) != 0 || strings.Contains(s.Traceparent(), "0af7651916") || c.requests[0].URL.Path != "/my/path" {
				t.Errorf("the span is %v, its context %s", got, s.Traceparent())
			}
		})
	}
}

func TestWhoIsNotSampledIsNotSentButPassedOn(t *testing.T) {
	c := newCollector(t)
	traces := tracesTo(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.url})
	s := traces.Start("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", engine.Operation{WorkflowType: "Signup"})
	s.End(engine.Ending{})
	if err := traces.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := s.Traceparent(); !strings.HasPrefix(got, "00-0af7651916cd43dd8448eb211c80319c-") || !strings.HasSuffix(got, "-00") || len(c.spans) != 0 {
		t.Errorf("passed on as %s, with the spans %v sent", got, c.spans)
	}
}

func TestSpansAreSentAgain(t *testing.T) {
	for _, tc := range []struct {
		name     string
		answers  []int
		requests int
		arrives  bool
	}{
		{"after a 503", []int{503}, 2, true},
		{"not after a 400", []int{400}, 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCollector(t, tc.answers...)
			traces := tracesTo(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.url})
			traces.Start("", engine.Operation{WorkflowType: "Signup"}).End(engine.Ending{})
			if err := traces.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			if len(c.requests) != tc.requests || (len(c.spans) > 0) != tc.arrives {
				t.Errorf("%d requests, spans %v", len(c.requests), c.spans)
			}
		})
	}
}

// The collector has a certificate that only the settings know, and asks for one.
func TestSpansAreSentOverTLS(t *testing.T) {
	files := testenv.NewCertificates(t)
	certificate, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{spans: map[string]*tracepb.Span{}, resource: map[string]string{}}
	server := httptest.NewUnstartedServer(c)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	traces := tracesTo(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://localhost:" + port, "OTEL_EXPORTER_OTLP_CERTIFICATE": files.CA,
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": files.Cert, "OTEL_EXPORTER_OTLP_CLIENT_KEY": files.Key})
	traces.Start("", engine.Operation{WorkflowType: "Signup"}).End(engine.Ending{})
	if err := traces.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(c.requests) != 1 || len(c.spans) != 1 {
		t.Errorf("%d requests, spans %v", len(c.requests), c.spans)
	}
}

func TestSettingsOfTracesComeFirst(t *testing.T) {
	const own, general = "OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"
	env := map[string]string{
		own + "ENDPOINT": "https://c/mine", general + "ENDPOINT": "https://d", own + "TIMEOUT": "1500", general + "TIMEOUT": "1",
		own + "HEADERS": "x-a=1,x-b=%202", general + "HEADERS": "x-c=3", own + "COMPRESSION": "none", general + "COMPRESSION": "gzip",
		own + "CERTIFICATE": "a.pem", general + "CERTIFICATE": "b.pem",
	}
	got, wanted, err := readOTLP(func(name string) string { return env[name] })
	want := otlpSettings{url: "https://c/mine", timeout: 1500 * time.Millisecond, certificate: "a.pem", headers: map[string]string{"x-a": "1", "x-b": " 2"}}
	if !wanted || err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %t, %v, want %+v", got, wanted, err, want)
	}
}

func TestTracesAreAskedFor(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for _, tc := range []struct {
		name   string
		env    map[string]string
		wanted bool
		fault  string // in the error
	}{
		{"nothing set", nil, false, ""},
		{"an endpoint", map[string]string{endpoint: "http://c:4318"}, true, ""},
		{"only the exporter", map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, ""},
		{"switched off", map[string]string{endpoint: "http://c:4318", "OTEL_SDK_DISABLED": "true"}, false, ""},
		{"no exporter", map[string]string{endpoint: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, false, ""},
		{"another exporter", map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, false, "write otlp or none"},
		{"gRPC", map[string]string{endpoint: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, "http/protobuf"},
		{"the protocol that is spoken", map[string]string{endpoint: "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, true, ""},
		{"no URL", map[string]string{endpoint: "user:secret@collector"}, false, "OTEL_EXPORTER_OTLP_ENDPOINT: write a URL"},
		{"headers", map[string]string{endpoint: "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "secret"}, false, "name=value"},
		{"timeout", map[string]string{endpoint: "http://c:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, false, "milliseconds"},
		{"no timeout", map[string]string{endpoint: "http://c:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "0"}, false, "milliseconds"},
		{"a header with a line break", map[string]string{endpoint: "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "secret=a%0Ab"}, false, "name=value"},
		{"compression", map[string]string{endpoint: "http://c:4318", "OTEL_EXPORTER_OTLP_COMPRESSION": "br"}, false, "gzip or none"},
		{"certificate", map[string]string{endpoint: "https://c:4318", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/does/not/exist"}, false, "OTEL_EXPORTER_OTLP_CERTIFICATE"},
		{"a certificate that is none", map[string]string{endpoint: "https://c:4318", "OTEL_EXPORTER_OTLP_CERTIFICATE": "traces_test.go"}, false, "holds no certificate"},
		{"client key", map[string]string{endpoint: "https://c:4318", "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/does/not/exist"}, false, "OTEL_EXPORTER_OTLP_CLIENT_KEY"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			traces, err := NewTraces(context.Background(), func(name string) string { return tc.env[name] }, "1", slog.New(slog.DiscardHandler))
			if (traces != nil) != tc.wanted || (err != nil) != (tc.fault != "") {
				t.Fatalf("traces %v, error %v", traces != nil, err)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.fault) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("the error is %v", err)
			}
			if traces != nil {
				if err := traces.Close(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03-more")
	f.Fuzz(func(t *testing.T, s string) {
		c := parseTraceparent(s)
		if !c.IsValid() {
			return
		}
		if again := formatTraceparent(c); again[2:] != s[2:55] {
			t.Errorf("%q is passed on as %q", s, again)
		}
	})
}
