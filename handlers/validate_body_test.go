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

// wantTooLarge reads an answer, which has to be whole.
func wantTooLarge(t *testing.T, from *bufio.Reader) {
	t.Helper()
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Error(err)
		return
	}
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 413 || !strings.Contains(string(text), `"code":"`+string(domain.CodeBodyTooLarge)+`"`) {
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
				wantTooLarge(t, bufio.NewReader(conn))
			})
		}
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
// ending. The answer does not wait for any of it.
func TestALargeBodyIsTakenWithinBounds(t *testing.T) {
	contractOf(t) // is read once, for all tests
	dial := func(t *testing.T, headers string) (net.Conn, *bufio.Reader) {
		client, server := net.Pipe()
		listener := make(oneConn, 1)
		listener <- server
		serverOn(t, listener)
		if _, err := io.WriteString(client, post("/v1/workflows", headers)); err != nil {
			t.Fatal(err)
		}
		from := bufio.NewReader(client)
		wantTooLarge(t, from)
		return client, from
	}
	for name, tt := range map[string]struct {
		headers string
		least   time.Duration
	}{
		"nothing comes":           {"Content-Length: 3000000\r\n", drainTime},
		"100 Continue is awaited": {"Content-Length: 3000000\r\nExpect: 100-continue\r\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				started := time.Now()
				_, from := dial(t, tt.headers)
				if answered := time.Since(started); answered > 0 {
					t.Errorf("answered after %v", answered)
				}
				_, err := from.ReadByte()
				if held := time.Since(started); err != io.EOF || held < tt.least || held > tt.least+time.Second {
					t.Errorf("%v after %v", err, held)
				}
			})
		})
	}
	t.Run("no end comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, _ := dial(t, "Content-Length: 1000000000\r\n")
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
