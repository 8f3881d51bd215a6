// Package netfault is a TCP proxy that breaks connections on purpose. Tests and chaos runs put it between
// the service and a database. It knows no protocol but the word COMMIT.
package netfault

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

// Fault is what the proxy does to the next COMMIT that passes.
type Fault int

// The faults.
const (
	None        Fault = iota
	LoseRequest       // the COMMIT never reaches the server
	LoseReply         // the server commits, but the client never hears of it
)

// TB is what the package needs of a testing.TB; a program that is not a test has one of its own.
type TB interface {
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Proxy forwards connections to one address.
type Proxy struct {
	Addr   string // where it listens, host:port
	target string

	mu      sync.Mutex
	next    Fault
	spared  int // commits that pass before it
	struck  int // commits that met a fault
	refuse  bool
	latency time.Duration
	silence int // rises when the connections that are there fall silent
	conns   map[net.Conn]struct{}
}

// Start starts a proxy to a host:port; it ends with the test or program.
func Start(t TB, target string) *Proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("the proxy cannot listen: %v", err)
	}
	p := &Proxy{Addr: listener.Addr().String(), target: target, conns: map[net.Conn]struct{}{}}
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
	})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// Strike arms a fault for the next COMMIT.
func (p *Proxy) Strike(f Fault) { p.StrikeAfter(0, f) }

// StrikeAfter arms a fault for a later COMMIT: spared others pass before it.
func (p *Proxy) StrikeAfter(spared int, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.spared = f, spared
}

// Struck is how many commits have met a fault.
func (p *Proxy) Struck() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

// Cut breaks every connection; new ones are taken unless Refuse says otherwise.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Refuse makes the server unreachable, or reachable again, for new connections.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// Delay makes every piece of data take that much longer, in each direction.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = d
}

// Silence makes the connections that are there fall silent without an end, as when the other side has vanished. New
// ones work.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silence++
}

// silent tells whether connections of a time are.
func (p *Proxy) silent(since int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silence > since
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	refuse, since := p.refuse, p.silence
	p.mu.Unlock()
	if refuse {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	p.track(client, server)
	defer p.forget(client, server)

	loseReply := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.copy(client, server, since, func([]byte) bool {
			select {
			case <-loseReply:
				return false
			default:
				return true
			}
		})
		_, _ = io.Copy(io.Discard, server) // to the end of what nobody will know
		_ = client.Close()
	}()
	p.copy(server, client, since, func(data []byte) bool {
		switch p.strike(data) {
		case LoseRequest:
			return false
		case LoseReply:
			close(loseReply)
			_, _ = server.Write(data)
			_ = server.(*net.TCPConn).CloseWrite() // the server does what it was told, and then ends
			return false
		}
		return true
	})
	select {
	case <-loseReply:
	default:
		_ = server.Close()
	}
	<-done
}

// copy moves data as long as pass agrees to each piece.
func (p *Proxy) copy(to io.Writer, from io.Reader, since int, pass func([]byte) bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.wait()
			if !pass(buffer[:n]) {
				return
			}
			if p.silent(since) {
				continue
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) wait() {
	p.mu.Lock()
	d := p.latency
	p.mu.Unlock()
	if d > 0 {
		time.Sleep(d)
	}
}

// strike takes the armed fault if data holds a COMMIT.
func (p *Proxy) strike(data []byte) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == None || !bytes.Contains(data, []byte("COMMIT")) {
		return None
	}
	if p.spared > 0 {
		p.spared--
		return None
	}
	f := p.next
	p.next = None
	p.struck++
	return f
}

func (p *Proxy) track(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}
