package webhook

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// rawReceiver accepts connections and hands each to serve, which returns to close it.
func rawReceiver(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveRaw(t, l, serve)
	return "http://" + l.Addr().String()
}

// serveRaw runs serve for every connection of l until the test ends.
func serveRaw(t testing.TB, l net.Listener, serve func(net.Conn)) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				stop := context.AfterFunc(t.Context(), func() { conn.Close() })
				defer stop()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
}

// says answers every request with the same bytes and closes the connection.
func says(response string) func(net.Conn) {
	return func(conn net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.Copy(io.Discard, req.Body)
			io.WriteString(conn, response)
		}
	}
}

// drips answers with a beginning and then one more byte again and again, for as long as the peer takes it.
func drips(beginning string, every time.Duration) func(net.Conn) {
	return func(conn net.Conn) {
		says(beginning)(conn)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for range tick.C {
			if _, err := conn.Write([]byte("x")); err != nil {
				return
			}
		}
	}
}

// floods answers with a beginning and then more of the same, for as long as the peer takes it.
func floods(beginning, more string) func(net.Conn) {
	return func(conn net.Conn) {
		says(beginning)(conn)
		for {
			if _, err := io.WriteString(conn, more); err != nil {
				return
			}
		}
	}
}

func TestDeliverToBadReceivers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		serve  func(net.Conn)
		code   string // "" is no error: the body is for the caller to judge
		status int
	}{
		{"garbage instead of HTTP", says("\x00\x01\x02 SSH-2.0 garbage\r\n\r\n"), "connection", 0},
		{"a line without end", floods("", strings.Repeat("x", 4096)), "connection", 0},
		{"HTML with 200", says("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"), "", 200},
		{"endless headers", floods("HTTP/1.1 200 OK\r\n", "X-More: "+strings.Repeat("y", 1000)+"\r\n"), "connection", 0},
		{"endless informational responses", floods("", "HTTP/1.1 103 Early Hints\r\n\r\n"), "connection", 0},
		{"endless chunked body", floods("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "400\r\n"+strings.Repeat("z", 0x400)+"\r\n"), "answer_too_large", 200},
		{"endless body without length", floods("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("z", 4096)), "answer_too_large", 200},
		{"too long by announcement", says("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n{"), "answer_too_large", 200},
		{"closed at once", func(net.Conn) {}, "connection", 0},
		{"closed after the request", says(""), "connection", 0},
		{"closed in the headers", says("HTTP/1.1 200 OK\r\nContent-Le"), "connection", 0},
		{"closed in the body", says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"action\":"), "connection", 200},
		{"closed in a chunk", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{\"action\":"), "connection", 200},
		{"closed before the last chunk", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), "connection", 200},
		{"contradicting lengths", says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), "connection", 0},
		{"a negative length", says("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}"), "connection", 0},
		{"switching protocols", says("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"), "http_status", 101},
		{"a 202 cut short", says("HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nsoon"), "", 202},
		{"a 202 without end", floods("HTTP/1.1 202 Accepted\r\n\r\n", strings.Repeat("z", 4096)), "", 202},
		{"a 202 too long by announcement", says("HTTP/1.1 202 Accepted\r\nContent-Length: 9999999999\r\n\r\n{"), "", 202},
		{"an error cut short", says("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\noops"), "http_status", 500},
		{"an error without end", floods("HTTP/1.1 503 No\r\n\r\n", strings.Repeat("z", 4096)), "http_status", 503},
		{"a redirect without end", floods("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", strings.Repeat("z", 4096)), "redirect", 302},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			r := newTestClient(t).Deliver(ctx, testDelivery(rawReceiver(t, tc.serve)))
			if r.Status != tc.status || len(r.Body) > MaxAnswerBytes {
				t.Errorf("status %d with %d bytes, want %d", r.Status, len(r.Body), tc.status)
			}
			switch {
			case tc.code == "" && r.Err != nil:
				t.Errorf("got %v, want no error", r.Err)
			case tc.code != "" && (r.Err == nil || r.Err.Code != tc.code || !r.Err.Retryable):
				t.Errorf("got %+v, want the retryable code %s", r.Err, tc.code)
			case r.Err != nil && (len(r.Err.Message) > 400 || Excerpt([]byte(r.Err.Message)) != r.Err.Message):
				t.Errorf("the message is no text for people: %q", r.Err.Message)
			}
		})
	}
}

func TestDeliverKeepsTheBeginningOfBadResponses(t *testing.T) {
	for _, response := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nstart",
		"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\nstart",
		"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nstart",
		"HTTP/1.1 200 OK\r\n\r\nstart",
	} {
		r := newTestClient(t).Deliver(t.Context(), testDelivery(rawReceiver(t, says(response))))
		if string(r.Body) != "start" {
			t.Errorf("%q: body %q, error %v, want what arrived", response, r.Body, r.Err)
		}
	}
}

func TestDeliverTimeouts(t *testing.T) {
	const budget = time.Second // of which a stalled machine may take most before the receiver is heard
	hang := func(conn net.Conn) { io.Copy(io.Discard, conn) }
	for name, serve := range map[string]func(net.Conn){
		"no answer":             hang,
		"headers byte by byte":  drips("HTTP/1.1 200 OK\r\nX-Slow: ", time.Millisecond),
		"body byte by byte":     drips("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", time.Millisecond),
		"unsized body, trickle": drips("HTTP/1.1 200 OK\r\n\r\n", time.Millisecond),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), budget)
			defer cancel()
			r := newTestClient(t).Deliver(ctx, testDelivery(rawReceiver(t, serve)))
			if r.Err == nil || r.Err.Code != "timeout" || !r.Err.Retryable {
				t.Errorf("got %+v, want the retryable code timeout", r.Err)
			}
		})
	}
	t.Run("TLS handshake", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		url := strings.Replace(rawReceiver(t, hang), "http:", "https:", 1)
		if r := newTestClient(t).Deliver(ctx, testDelivery(url)); r.Err == nil || r.Err.Code != "timeout" {
			t.Errorf("got %+v, want timeout", r.Err)
		}
	})
	t.Run("a slow error is still that error", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		url := rawReceiver(t, drips("HTTP/1.1 422 No\r\nContent-Length: 200000\r\n\r\n", time.Millisecond))
		if r := newTestClient(t).Deliver(ctx, testDelivery(url)); r.Err == nil || r.Err.Code != "http_status" || r.Err.Retryable {
			t.Errorf("got %+v, want http_status for good", r.Err)
		}
	})
	t.Run("a slow 202 is still a 202", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		url := rawReceiver(t, drips("HTTP/1.1 202 Accepted\r\nContent-Length: 200000\r\n\r\n", time.Millisecond))
		if r := newTestClient(t).Deliver(ctx, testDelivery(url)); r.Err != nil || r.Status != 202 {
			t.Errorf("got %d, %+v, want 202", r.Status, r.Err)
		}
	})
	t.Run("a budget already spent", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
		defer cancel()
		if r := newTestClient(t).Deliver(ctx, testDelivery(rawReceiver(t, hang))); r.Err == nil || r.Err.Code != "timeout" {
			t.Errorf("got %+v, want timeout", r.Err)
		}
	})
}

func TestDeliverCanceledByTheCaller(t *testing.T) {
	for name, answer := range map[string]string{
		"before the answer":     "",
		"in the body":           "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
		"in the body of a 202":  "HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{",
		"in the body of a 400":  "HTTP/1.1 400 No\r\nContent-Length: 100\r\n\r\n{",
		"with a cause of ours":  "",
		"with a budget besides": "",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if strings.Contains(name, "budget") {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, time.Hour)
				defer stop()
			}
			url := rawReceiver(t, func(conn net.Conn) {
				says(answer)(conn)
				cancel(errors.New("shutting down"))
				io.Copy(io.Discard, conn)
			})
			r := newTestClient(t).Deliver(ctx, testDelivery(url))
			if r.Err == nil || r.Err.Code != CodeCanceled {
				t.Errorf("got %+v, want %s", r.Err, CodeCanceled)
			}
		})
	}
}

func TestDeliverDoesNotDecompress(t *testing.T) {
	var bomb bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range 4 {
		zip.Write(zeros)
	}
	zip.Close()
	var accepts []string
	url := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		accepts = r.Header.Values("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb.Bytes())
	})
	r := newTestClient(t).Deliver(t.Context(), testDelivery(url))
	if len(accepts) > 0 {
		t.Errorf("the request asks for %q", accepts)
	}
	if r.Err != nil || !bytes.Equal(r.Body, bomb.Bytes()) {
		t.Errorf("%d bytes, %v; want the %d bytes as they were sent", len(r.Body), r.Err, bomb.Len())
	}
}

func TestDeliverAnswerAtTheCap(t *testing.T) {
	for _, tc := range []struct {
		size    int
		chunked bool
		code    string
	}{
		{MaxAnswerBytes, false, ""}, {MaxAnswerBytes, true, ""},
		{MaxAnswerBytes + 1, false, "answer_too_large"}, {MaxAnswerBytes + 1, true, "answer_too_large"},
	} {
		url := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			if tc.chunked {
				w.(http.Flusher).Flush()
			}
			w.Write(make([]byte, tc.size))
		})
		r := newTestClient(t).Deliver(t.Context(), testDelivery(url))
		switch {
		case tc.code == "" && (r.Err != nil || len(r.Body) != tc.size):
			t.Errorf("%+v: %d bytes, %v, want all of them", tc, len(r.Body), r.Err)
		case tc.code != "" && (r.Err == nil || r.Err.Code != tc.code || !r.Err.Retryable || len(r.Body) != MaxExcerptBytes):
			t.Errorf("%+v: %d bytes, %+v, want the retryable code %s and the beginning", tc, len(r.Body), r.Err, tc.code)
		}
	}
}

func TestDeliverRedirectToMetadata(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := receiver(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/?token=hunter2", status)
		})
		r := newTestClient(t).Deliver(t.Context(), testDelivery(url))
		if r.Status != status || r.Err == nil || r.Err.Code != "redirect" || !r.Err.Retryable {
			t.Fatalf("%d: got %d %+v, want the retryable code redirect", status, r.Status, r.Err)
		}
		if !strings.Contains(r.Err.Message, "169.254.169.254") || strings.Contains(r.Err.Message, "hunter2") {
			t.Errorf("message %q, want the host it points at and no more", r.Err.Message)
		}
	}
}

func TestDeliverTLS(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	start := func(change func(*httptest.Server)) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
		s.Config.ErrorLog = quiet
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{}
		change(s)
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	modern := start(func(*httptest.Server) {})
	old := start(func(s *httptest.Server) { s.TLS.MinVersion, s.TLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	mutual := start(func(s *httptest.Server) {
		s.TLS.ClientAuth, s.TLS.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
	})
	roots := x509.NewCertPool()
	roots.AddCert(modern.Certificate())
	resolver := startDNS(t, fixedNames(map[string]string{"other.test": "127.0.0.1"}))
	port := modern.URL[strings.LastIndexByte(modern.URL, ':'):]

	for _, tc := range []struct {
		name, url string
		roots     *x509.CertPool
		code      string
		says      string
	}{
		{"trusted", modern.URL, roots, "", ""},
		{"unknown authority", modern.URL, nil, "tls", "No secure connection"},
		{"another name", "https://other.test" + port, roots, "tls", "No secure connection"},
		{"TLS 1.1 only", old.URL, roots, "tls", "No secure connection"},
		{"client certificate wanted", mutual.URL, roots, "tls", "No secure connection"},
		{"plain HTTP server", strings.Replace(receiver(t, func(http.ResponseWriter, *http.Request) {}), "http:", "https:", 1), roots, "tls", "does not speak TLS at this port; write http://"},
		{"closes in the handshake", strings.Replace(rawReceiver(t, func(net.Conn) {}), "http:", "https:", 1), roots, "tls", "No secure connection"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newTestClient(t, func(cfg *Config) { cfg.RootCAs, cfg.Resolver = tc.roots, resolver })
			r := c.Deliver(t.Context(), testDelivery(tc.url))
			switch {
			case tc.code == "" && (r.Err != nil || string(r.Body) != "HTTP/1.1"):
				t.Errorf("got %q, %v, want it delivered over HTTP/1.1", r.Body, r.Err)
			case tc.code != "" && (r.Err == nil || r.Err.Code != tc.code || !r.Err.Retryable || !strings.Contains(r.Err.Message, tc.says)):
				t.Errorf("got %+v, want the retryable code %s, and %q", r.Err, tc.code, tc.says)
			}
		})
	}
}

func TestDeliverConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r := newTestClient(t).Deliver(t.Context(), testDelivery("http://"+l.Addr().String()))
	if r.Err == nil || r.Err.Code != "connection" || !r.Err.Retryable || !strings.Contains(r.Err.Message, "nothing listens") {
		t.Errorf("got %+v, want the retryable code connection", r.Err)
	}
}

func TestDeliverDNSFailure(t *testing.T) {
	unreachable := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server")
	}}
	for name, resolver := range map[string]*net.Resolver{
		"no such host":   startDNS(t, fixedNames(nil)),
		"no address":     startDNS(t, func(string) ([]netip.Addr, bool) { return nil, true }),
		"no name server": unreachable,
	} {
		c := newTestClient(t, func(cfg *Config) { cfg.Resolver = resolver })
		r := c.Deliver(t.Context(), testDelivery("http://receiver.test/?token=hunter2"))
		if r.Err == nil || r.Err.Code != "dns" || !r.Err.Retryable || !strings.Contains(r.Err.Message, `"receiver.test"`) || strings.Contains(r.Err.Message, "hunter2") {
			t.Errorf("%s: got %+v, want the retryable code dns that names the host", name, r.Err)
		}
	}
}
