package webhook

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	oracle "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// newTestClient may deliver to loopback.
func newTestClient(t testing.TB, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{Guard: NewGuard(nets(t, "127.0.0.0/8,::1")), UserAgent: "GenevaDrive/test"}
	for _, f := range change {
		f(&cfg)
	}
	c := New(cfg)
	t.Cleanup(c.Close)
	return c
}

func receiver(t testing.TB, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

func testDelivery(url string) Delivery {
	return Delivery{
		URL: url, ID: "0190d3b4-0000-7000-8000-000000000001", WorkflowID: "0190d3b4-0000-7000-8000-000000000002",
		Step: "send_reminder", Attempt: 1, Body: []byte(`{"type":"step.perform"}`),
	}
}

func TestDeliverSendsTheProtocol(t *testing.T) {
	newer, older := testSecret(t, 1), testSecret(t, 2)
	var got *http.Request
	var body []byte
	url := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"action":"complete"}`)
	})
	now := time.Now()
	c := newTestClient(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } })

	d := testDelivery(url + "/geneva?x=1#fragment")
	d.Attempt = 3
	d.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	d.Secrets = []Secret{newer, older}
	d.Headers = map[string]string{
		"x-team": "growth", "AUTHORIZATION": "Bearer app",
		"webhook-id": "forged", "Genevadrive-Step": "forged", "host": "forged.test", "content-type": "text/plain",
		"traceparent": "forged", "user-agent": "forged", "idempotency-key": "forged", "accept-encoding": "gzip",
		"content-length": "1", "transfer-encoding": "chunked", "connection": "close",
	}
	result := c.Deliver(t.Context(), d)

	if result.Err != nil || result.Status != 200 || string(result.Body) != `{"action":"complete"}` {
		t.Fatalf("got %d %q %v, want the receiver's answer", result.Status, result.Body, result.Err)
	}
	if ct := result.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("response content type %q", ct)
	}
	if got.Method != "POST" || got.RequestURI != "/geneva?x=1" || got.Proto != "HTTP/1.1" || "http://"+got.Host != url {
		t.Errorf("request line %s %s %s for %s", got.Method, got.RequestURI, got.Proto, got.Host)
	}
	if string(body) != string(d.Body) || got.ContentLength != int64(len(d.Body)) || len(got.TransferEncoding) > 0 {
		t.Errorf("body %q, length %d, encoding %v", body, got.ContentLength, got.TransferEncoding)
	}
	for _, s := range d.Secrets {
		wh, err := oracle.NewWebhook(s.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify(body, got.Header); err != nil {
			t.Errorf("an independent receiver does not accept the signature: %v", err)
		}
	}
	want := map[string]string{
		"Webhook-Id":              d.ID,
		"Genevadrive-Workflow-Id": d.WorkflowID,
		"Genevadrive-Step":        "send_reminder",
		"Genevadrive-Attempt":     "3",
		"Traceparent":             d.Traceparent,
		"User-Agent":              "GenevaDrive/test",
		"Content-Type":            "application/json",
		"Content-Length":          "23",
		"X-Team":                  "growth",
		"Authorization":           "Bearer app",
	}
	for name, value := range want {
		if all := got.Header.Values(name); len(all) != 1 || all[0] != value {
			t.Errorf("header %s: %q, want %q alone", name, all, value)
		}
	}
	for name := range got.Header {
		if _, ok := want[name]; !ok && name != "Webhook-Timestamp" && name != "Webhook-Signature" {
			t.Errorf("unexpected header %s", name)
		}
	}
}

func TestDeliverLeavesOutWhatItDoesNotHave(t *testing.T) {
	var header http.Header
	url := receiver(t, func(_ http.ResponseWriter, r *http.Request) { header = r.Header })
	if r := newTestClient(t).Deliver(t.Context(), testDelivery(url)); r.Err != nil {
		t.Fatal(r.Err)
	}
	for _, name := range []string{"Webhook-Signature", "Traceparent", "Accept-Encoding", "Idempotency-Key"} {
		if _, ok := header[name]; ok {
			t.Errorf("header %s: %q, want it absent", name, header[name])
		}
	}
}

func TestDeliverVerdictByStatus(t *testing.T) {
	for _, tc := range []struct {
		status int
		code   string // "" is no error
		retry  bool
	}{
		{200, "", false}, {201, "", false}, {202, "", false}, {204, "", false}, {206, "", false}, {299, "", false},
		{300, "redirect", true}, {301, "redirect", true}, {302, "redirect", true}, {303, "redirect", true}, {304, "redirect", true}, {307, "redirect", true}, {308, "redirect", true},
		{400, "http_status", false}, {410, "http_status", false}, {422, "http_status", false},
		{401, "http_status", true}, {403, "http_status", true}, {404, "http_status", true}, {408, "http_status", true}, {409, "http_status", true},
		{411, "http_status", true}, {413, "http_status", true}, {421, "http_status", true}, {423, "http_status", true}, {425, "http_status", true}, {429, "http_status", true}, {499, "http_status", true},
		{500, "http_status", true}, {501, "http_status", true}, {502, "http_status", true}, {503, "http_status", true}, {504, "http_status", true}, {599, "http_status", true}, {999, "http_status", true},
	} {
		url := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			if tc.status != 204 && tc.status != 304 {
				io.WriteString(w, "said")
			}
		})
		r := newTestClient(t).Deliver(t.Context(), testDelivery(url))
		if r.Status != tc.status {
			t.Errorf("%d: status %d, error %v", tc.status, r.Status, r.Err)
		}
		if tc.status != 204 && tc.status != 304 && string(r.Body) != "said" {
			t.Errorf("%d: body %q", tc.status, r.Body)
		}
		switch {
		case tc.code == "" && r.Err != nil:
			t.Errorf("%d: %v, want no error", tc.status, r.Err)
		case tc.code != "" && (r.Err == nil || r.Err.Code != tc.code || r.Err.Retryable != tc.retry || r.Err.Message == ""):
			t.Errorf("%d: %+v, want %s, retryable %t", tc.status, r.Err, tc.code, tc.retry)
		}
	}
}

func TestDeliverRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		status int
		value  string
		want   time.Duration
	}{
		{429, "120", 2 * time.Minute},
		{503, "120", 2 * time.Minute},
		{503, "Fri, 02 Jan 2026 03:05:05 GMT", time.Minute},
		{429, "999999999999999999999999", 24 * time.Hour},
		{429, "", 0},
		{429, "soon", 0},
		{500, "120", 0},
		{200, "120", 0},
		{302, "120", 0},
	} {
		url := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", tc.value)
			w.WriteHeader(tc.status)
		})
		c := newTestClient(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
		if r := c.Deliver(t.Context(), testDelivery(url)); r.RetryAfter != tc.want {
			t.Errorf("%d with %q: %s, want %s", tc.status, tc.value, r.RetryAfter, tc.want)
		}
	}
}

func TestDeliverDuration(t *testing.T) {
	url := receiver(t, func(http.ResponseWriter, *http.Request) {})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := newTestClient(t, func(cfg *Config) {
		cfg.Now = func() time.Time { at = at.Add(7 * time.Millisecond); return at }
	})
	if r := c.Deliver(t.Context(), testDelivery(url)); r.Duration != 7*time.Millisecond {
		t.Errorf("duration %s, want the 7ms between the two readings of the clock", r.Duration)
	}
}

func TestDeliverReusesConnections(t *testing.T) {
	var mu sync.Mutex
	opened := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/known":
			io.WriteString(w, "{}")
		case "/chunked":
			io.WriteString(w, "{")
			w.(http.Flusher).Flush()
			io.WriteString(w, "}")
		case "/error":
			w.WriteHeader(500)
			io.WriteString(w, strings.Repeat("x", 4000))
		}
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if s == http.StateNew {
			opened++
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c := newTestClient(t)
	for range 5 {
		for _, path := range []string{"/known", "/chunked", "/error", "/empty"} {
			if r := c.Deliver(t.Context(), testDelivery(server.URL+path)); r.Status == 0 {
				t.Fatal(r.Err)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if opened != 1 {
		t.Errorf("%d connections for 20 deliveries one after the other, want 1", opened)
	}
}

// A request that may have reached the receiver is never sent again by the transport.
func TestDeliverNeverSendsTwice(t *testing.T) {
	var mu sync.Mutex
	seen := 0
	url := rawReceiver(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for n := 1; ; n++ {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			mu.Lock()
			seen++
			mu.Unlock()
			if n == 2 {
				return // takes the second one and hangs up
			}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	c := newTestClient(t)
	if r := c.Deliver(t.Context(), testDelivery(url)); r.Err != nil {
		t.Fatal(r.Err)
	}
	r := c.Deliver(t.Context(), testDelivery(url))
	if r.Err == nil || r.Err.Code != "connection" || !r.Err.Retryable {
		t.Errorf("got %d %v, want the retryable code connection", r.Status, r.Err)
	}
	mu.Lock()
	defer mu.Unlock()
	if seen != 2 {
		t.Errorf("the receiver got %d requests for 2 deliveries", seen)
	}
}

func TestDeliverUnusableURL(t *testing.T) {
	for _, url := range []string{
		"", "receiver.test", "/path", "ftp://127.0.0.1/", "file:///etc/passwd", "unix:///run/docker.sock", "http://", "http:///path", "http://:80/",
		"http://127.0.0.1:notaport/", "http://127.0.0.1\x7f/", "http://user:hunter2@127.0.0.1/", "http://user@127.0.0.1/", "javascript:alert(1)",
	} {
		r := newTestClient(t).Deliver(t.Context(), testDelivery(url))
		if r.Err == nil || r.Err.Code != "address_refused" || r.Err.Retryable || r.Status != 0 {
			t.Errorf("%q: %+v, want address_refused for good", url, r.Err)
		} else if strings.Contains(r.Err.Message, "hunter2") {
			t.Errorf("%q: the message repeats the password", url)
		} else if strings.Contains(url, "@") && !strings.Contains(r.Err.Message, "know deliveries by their signature") {
			t.Errorf("%q: %s", url, r.Err.Message)
		}
	}
}

func TestNewNeedsAGuard(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a client without a guard was made")
		}
	}()
	New(Config{})
}

func TestExcerpt(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"empty":     {"", ""},
		"text":      {"not found", "not found"},
		"NUL":       {"a\x00b", "a\uFFFDb"},
		"not UTF-8": {"a\xff\xfeb", "a\uFFFDb"},
		"long":      {strings.Repeat("x", 5000), strings.Repeat("x", MaxExcerptBytes)},
		"cut":       {strings.Repeat("x", MaxExcerptBytes-1) + "é" + "tail", strings.Repeat("x", MaxExcerptBytes-1)},
		"growing":   {strings.Repeat("a\xff", 3000), strings.Repeat("a\uFFFD", MaxExcerptBytes/4)},
	} {
		if got := Excerpt([]byte(tc.body)); got != tc.want {
			t.Errorf("%s: %d bytes %.40q, want %d bytes %.40q", name, len(got), got, len(tc.want), tc.want)
		}
	}
}

func TestReadBodyKeepsWhatCameBeforeAnError(t *testing.T) {
	for _, length := range []int64{-1, 100} {
		resp := &http.Response{ContentLength: length, Body: io.NopCloser(io.MultiReader(strings.NewReader("start"), iotest.ErrReader(io.ErrUnexpectedEOF)))}
		body, err := readBody(resp, 1000)
		if string(body) != "start" || err == nil {
			t.Errorf("length %d: %q, %v", length, body, err)
		}
	}
}
