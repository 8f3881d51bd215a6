package queue

import (
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// faulty stands in front of a Redis, and while it is at fault answers whatever is asked in its own way.
type faulty struct {
	t       *testing.T
	url     string
	target  string
	answer  string
	atFault atomic.Bool
	asked   atomic.Int64 // while at fault

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newFaulty(t *testing.T, redisURL, answer string) *faulty {
	t.Helper()
	u, err := url.Parse(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{t: t, target: u.Host, answer: answer, conns: map[net.Conn]bool{}}
	u.Host = strings.TrimPrefix(impostor(t, f.serve), "redis://")
	f.url = u.String()
	t.Cleanup(f.cut)
	return f
}

// turn puts it at fault or right again, and cuts every conversation.
func (f *faulty) turn(fault bool) {
	f.atFault.Store(fault)
	f.cut()
}

func (f *faulty) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		_ = conn.Close()
	}
}

func (f *faulty) serve(client net.Conn) {
	server, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	defer server.Close()
	f.mu.Lock()
	f.conns[client], f.conns[server] = true, true
	f.mu.Unlock()
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	defer answers.Wait()
	defer server.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if !f.atFault.Load() {
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
			continue
		}
		f.asked.Add(1)
		if _, err := io.WriteString(client, f.answer); err != nil {
			return
		}
	}
}

// TestTheDoorbellOutlivesAFaultyRedis has Redis answer wrongly for a while: whatever rings, listens and probes is there
// again afterwards.
func TestTheDoorbellOutlivesAFaultyRedis(t *testing.T) {
	for name, answer := range map[string]string{
		"it is a replica":     "-READONLY You can't write against a read only replica.\r\n",
		"it says yes to all":  "+OK\r\n",
		"it speaks in halves": "*3\r\n$5\r\nhel",
		"it is not Redis":     "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t, testenv.Redis(t), answer)
			a := openAsynq(t, AsynqConfig{URL: f.url})
			h := openHouse(t, a)
			h.listen()
			starts := func() { // what is rung for until it is heard; a bell may be lost
				t.Helper()
				item := newItem("default", 0)
				eventually(t, "heard", func() bool { h.commit(item); return h.list.Waiting() > 0 })
				if slot := take(t, h.list); slot.Item.ExecutionID != item.ExecutionID {
					t.Errorf("ran %v, want %v", slot.Item, item)
				}
			}
			starts()
			f.turn(true)
			for n := int64(1); n <= 5; n++ { // each poll and probe meets it more than once
				a.Ring(Bell{ExecutionID: id(int(n)), Due: time.Now()})
				eventually(t, "asked", func() bool { return f.asked.Load() >= 2*n })
			}
			f.turn(false)
			eventually(t, "healthy again", a.Healthy)
			starts()
			select {
			case err := <-h.ran:
				t.Fatalf("the listener is gone: %v", err)
			default:
			}
		})
	}
}
