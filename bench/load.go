package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The definitions. Chains of different delays are of different types, so that each has a receiver of its own.
func (s *system) define() error {
	for _, d := range []struct {
		typ   string
		delay time.Duration
		steps []map[string]any
	}{
		{"Chain", 0, []map[string]any{{"name": "one"}, {"name": "two"}, {"name": "three"}}},
		{"Chain10", 10 * time.Millisecond, []map[string]any{{"name": "one"}, {"name": "two"}, {"name": "three"}}},
		{"Chain200", 200 * time.Millisecond, []map[string]any{{"name": "one"}, {"name": "two"}, {"name": "three"}}},
		{"Single", 0, []map[string]any{{"name": "one"}}},
		{"Sleeper", 0, []map[string]any{{"name": "one", "wait": "P30D"}}},
	} {
		inFlight := maxInFlight
		if d.delay == 200*time.Millisecond {
			inFlight = slowInFlight
		}
		webhook := map[string]any{"url": fmt.Sprintf("%s/%d", s.bench.receiver.url, d.delay.Milliseconds()), "max_in_flight": inFlight}
		body, err := json.Marshal(map[string]any{"webhook": webhook, "steps": d.steps})
		if err != nil {
			return err
		}
		c := s.connect(0)
		status, answer, err := c.send("PUT", "/v1/definitions/"+d.typ, body)
		c.close()
		if err != nil || status >= 300 {
			return fmt.Errorf("PUT definition %s: %d %s %w", d.typ, status, answer, err)
		}
	}
	return nil
}

// connection is one client connection to the service. It writes requests and reads answers by hand, since what the client
// costs is taken from the same cores.
type connection struct {
	addr   string
	conn   net.Conn
	reader *bufio.Reader
	buffer bytes.Buffer
}

// connect gives the i-th connection; they go to the servers in turn.
func (s *system) connect(i int) *connection {
	return &connection{addr: s.servers[i%len(s.servers)].addr}
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// send sends one request and gives the status and the body of the answer.
func (c *connection) send(method, path string, body []byte) (int, []byte, error) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, 10*time.Second)
		if err != nil {
			return 0, nil, err
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	c.buffer.Reset()
	fmt.Fprintf(&c.buffer, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		method, path, c.addr, apiKey, len(body))
	c.buffer.Write(body)
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.conn.Write(c.buffer.Bytes()); err != nil {
		return 0, nil, err
	}
	return c.answer()
}

// answer reads the status and the body of an answer, as the service writes them.
func (c *connection) answer() (status int, body []byte, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil || len(line) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("read the answer %q: %w", line, err)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := -1 // in chunks
	for {
		if line, err = c.reader.ReadSlice('\n'); err != nil {
			return status, nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return status, nil, err
			}
		}
	}
	if length < 0 {
		body, err = io.ReadAll(httputil.NewChunkedReader(c.reader))
		if err == nil {
			_, err = c.reader.ReadSlice('\n') // behind the last chunk
		}
		return status, body, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(c.reader, body)
	return status, body, err
}

// get reads a JSON answer into out.
func (c *connection) get(path string, out any) error {
	status, answer, err := c.send("GET", path, nil)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("GET %s: %d %.300s %w", path, status, answer, err)
	}
	return json.Unmarshal(answer, out)
}

// subjects numbers the subjects of a run.
var subjects atomic.Int64

// workflowBody is the body of a create; more is further properties, beginning with a comma.
func workflowBody(typ, more string) []byte {
	return fmt.Appendf(nil, `{"type":%q,"subject":{"type":"User","id":"%d"},"data":{"plan":"pro","seats":3}%s}`, typ, subjects.Add(1), more)
}

// create makes one workflow; answer may be nil.
func (c *connection) create(typ, more string, answer any) error {
	status, text, err := c.send("POST", "/v1/workflows", workflowBody(typ, more))
	if err != nil || status != http.StatusCreated {
		return fmt.Errorf("create: %d %.300s %w", status, text, err)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// parallel does n things over connections; the first error ends it.
func (s *system) parallel(n, connections int, do func(*connection) error) error {
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, connections)
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() {
			c := s.connect(i)
			defer c.close()
			for left.Add(-1) >= 0 && s.bench.ctx.Err() == nil {
				if errs[i] = do(c); errs[i] != nil {
					left.Store(0)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(append(errs, s.bench.ctx.Err())...)
}

// delivered waits for the deliveries of so many steps of a type, and fails unless each of them came once, also
// when all of its workflows have ended.
func (s *system) delivered(typ string, steps int) ([]delivery, error) {
	if _, err := s.bench.receiver.each(steps, patience); err != nil {
		return nil, err
	}
	if err := s.allEnded(typ); err != nil {
		return nil, err
	}
	return s.bench.receiver.each(steps, 0)
}

// allEnded waits until no workflow of a type is open.
func (s *system) allEnded(typ string) error {
	c := s.connect(0)
	defer c.close()
	var page struct{ Items []struct{ ID, State string } }
	for range 500 {
		if err := c.get("/v1/workflows?limit=1&state=ready&state=performing&state=paused&type="+typ, &page); err != nil {
			return err
		}
		if len(page.Items) == 0 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("10 s after the last delivery the workflow %s is still %s", page.Items[0].ID, page.Items[0].State)
}
