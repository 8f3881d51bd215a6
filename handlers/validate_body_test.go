package handlers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

// serverOn serves a router over a fake engine until the test ends.
func serverOn(t *testing.T, listener net.Listener) {
	t.Helper()
	router, err := NewRouter(Deps{API: &fakeAPI{}, Keys: []Key{{Name: "test", Secret: testKey}}})
	if err != nil {
		t.Fatal(err)
	}
	server := NewHTTPServer("", router, slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Shutdown(context.Background()) }) // waits for connections that net/http closes slowly
}

// post gives the head of a request whose body follows.
func post(target, headers string) string {
	return "POST " + target + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + testKey + "\r\nContent-Type: application/json\r\n" + headers + "\r\n"
}

// wantRefused reads an answer, which has to be whole.
func wantRefused(t *testing.T, from *bufio.Reader, code domain.Code) {
	t.Helper()
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Error(err)
		return
	}
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != domain.KindOf(code).Status || !strings.Contains(string(text), `"code":"`+string(code)+`"`) {
		t.Errorf("%d %s, %v", response.StatusCode, text, err)
	}
}

// A client that sends all of a body before it reads gets its answer, not a reset.
func TestTheAnswerToALargeBodyArrives(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serverOn(t, listener)
	for _, tt := range []struct {
		target string
		mib    int
	}{{"/v1/workflows", 3}, {"/v1/workflows", 20}, {"/v1/workflows/batch", 9}, {"/v1/workflows/batch", 20}} {
		body := bytes.Repeat([]byte(" "), tt.mib<<20)
		for name, sent := range map[string]struct {
			head string
			body []byte
		}{
			"with its length":          {post(tt.target, fmt.Sprintf("Content-Length: %d\r\n", len(body))), body},
			"on a connection to close": {post(tt.target, fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n", len(body))), body},
			"in a chunk":               {post(tt.target, "Transfer-Encoding: chunked\r\n"), fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(body), body)},
		} {
			t.Run(fmt.Sprintf("%s %d MiB %s", tt.target, tt.mib, name), func(t *testing.T) {
				conn, err := net.Dial("tcp", listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				if _, err := conn.Write(append([]byte(sent.head), sent.body...)); err != nil {
					t.Fatal(err)
				}
				wantRefused(t, bufio.NewReader(conn), domain.CodeBodyTooLarge)
			})
		}
	}
}

// A request may be refused before its body is looked at.
func TestTheAnswerToARefusedRequestArrives(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serverOn(t, listener)
	body := bytes.Repeat([]byte(" "), 20<<20)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	unkeyed := func(request string) string { return strings.Replace(request, testKey, "another", 1) }
	for code, head := range map[domain.Code]string{
		domain.CodeUnauthorized:          unkeyed(post("/v1/workflows", length)),
		domain.CodeForbidden:             post("/v1/workflows", length+"Sec-Fetch-Site: cross-site\r\n"),
		domain.CodeNotFound:              post("/v1/nothing", length),
		domain.CodeMethodNotAllowed:      post("/v1/definitions", length),
		domain.CodeWorkflowNotFound:      post("/v1/workflows/1/pause", length),
		domain.CodeInvalidQuery:          post("/v1/workflows?limit=1", length),
		domain.CodeInvalidIdempotencyKey: post("/v1/workflows", length+"Idempotency-Key: a b\r\n"),
		domain.CodeBodyTooLarge:          post("/v1/workflows", length),
	} {
		for name, sent := range map[string]string{"with its length": head,
			"in a chunk": strings.Replace(head, length, "Transfer-Encoding: chunked\r\n", 1) + fmt.Sprintf("%x\r\n", len(body))} {
			t.Run(string(code)+" "+name, func(t *testing.T) {
				conn, err := net.Dial("tcp", listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				if _, err := conn.Write(append([]byte(sent), body...)); err != nil {
					t.Fatal(err)
				}
				_, _ = io.WriteString(conn, "\r\n0\r\n\r\n") // the end of the chunks; beside a length, it is another request's
				wantRefused(t, bufio.NewReader(conn), code)
			})
		}
	}
}

// A connection on which a body was refused that has come whole serves the next request.
func TestTheNextRequestFollowsARefusedBody(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serverOn(t, listener)
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	from := bufio.NewReader(conn)
	for range 3 {
		if _, err := io.WriteString(conn, post("/v1/nothing", "Content-Length: 2\r\n")+"{}"); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, from, domain.CodeNotFound)
	}
}

// oneConn is a listener with one connection.
type oneConn chan net.Conn

func (l oneConn) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (l oneConn) Close() error   { close(l); return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// Nobody holds a connection for long with a body that was refused: not by sending nothing more, nor by never
// ending. The answer does not wait for any of it, but for the first part of a body of unknown length.
func TestARefusedBodyIsTakenWithinBounds(t *testing.T) {
	contractOf(t) // is read once, for all tests
	dial := func(t *testing.T, request string, code domain.Code) (net.Conn, *bufio.Reader) {
		client, server := net.Pipe()
		listener := make(oneConn, 1)
		listener <- server
		serverOn(t, listener)
		if _, err := io.WriteString(client, request); err != nil {
			t.Fatal(err)
		}
		from := bufio.NewReader(client)
		wantRefused(t, from, code)
		return client, from
	}
	tooLarge := func(headers string) string { return post("/v1/workflows", headers) }
	nowhere := func(headers string) string { return post("/v1/nothing", headers) }
	for name, tt := range map[string]struct {
		request  string
		code     domain.Code
		answered time.Duration // after that
		least    time.Duration // for that long is the connection held
	}{
		"too large, nothing comes":           {tooLarge("Content-Length: 3000000\r\n"), domain.CodeBodyTooLarge, 0, drainTime},
		"too large, 100 Continue is awaited": {tooLarge("Content-Length: 3000000\r\nExpect: 100-continue\r\n"), domain.CodeBodyTooLarge, 0, 0},
		"nowhere, nothing comes":             {nowhere("Content-Length: 3000000\r\n"), domain.CodeNotFound, 0, drainTime},
		"nowhere, no length and nothing":     {nowhere("Transfer-Encoding: chunked\r\n"), domain.CodeNotFound, drainTime, drainTime},
		"nowhere, 100 Continue is awaited":   {nowhere("Content-Length: 3000000\r\nExpect: 100-continue\r\n"), domain.CodeNotFound, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				started := time.Now()
				_, from := dial(t, tt.request, tt.code)
				if answered := time.Since(started); answered != tt.answered {
					t.Errorf("answered after %v", answered)
				}
				_, err := from.ReadByte()
				if held := time.Since(started); err != io.EOF || held < tt.least || held > tt.least+time.Second {
					t.Errorf("%v after %v", err, held)
				}
			})
		})
	}
	for code, request := range map[domain.Code]func(string) string{domain.CodeBodyTooLarge: tooLarge, domain.CodeNotFound: nowhere} {
		t.Run(string(code)+", no end comes", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _ := dial(t, request("Content-Length: 1000000000\r\n"), code)
				taken, part := 0, make([]byte, 1<<20)
				for {
					n, err := client.Write(part)
					if taken += n; err != nil {
						break
					}
				}
				if taken < drainBytes || taken > drainBytes+1<<20 {
					t.Errorf("%d bytes were taken", taken)
				}
			})
		})
	}
}

// A client that announces a large body and sends none of it does not get the room for it.
func TestRoomForABodyComesWithIt(t *testing.T) {
	body := &watched{Reader: strings.NewReader("{")}
	r := httptest.NewRequest("POST", "/v1/workflows/batch", body)
	r.ContentLength = maxBatchBytes
	r.Header.Set("Authorization", "Bearer "+testKey)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	newEdge(t).h.ServeHTTP(w, r)
	if w.Code != 400 || !body.read || body.room > 2*bodyAtOnce {
		t.Errorf("%d, read: %v into %d bytes", w.Code, body.read, body.room)
	}
}
