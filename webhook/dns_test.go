package webhook

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

const (
	dnsTypeA    = 1
	dnsTypeAAAA = 28
)

// dnsStub is a name server on loopback. answer is asked for every question; ok=false is NXDOMAIN.
type dnsStub struct {
	mu     sync.Mutex
	answer func(name string) (addrs []netip.Addr, ok bool)
}

// fixedNames answers each name with the same addresses always; getaddrinfo's reading of "0x7f.1" and the
// like can be imitated with it.
func fixedNames(names map[string]string) func(string) ([]netip.Addr, bool) {
	return func(name string) ([]netip.Addr, bool) {
		list, ok := names[name]
		var addrs []netip.Addr
		for text := range strings.FieldsSeq(list) {
			addrs = append(addrs, netip.MustParseAddr(text))
		}
		return addrs, ok
	}
}

// startDNS starts a stub and gives a resolver that asks it and nobody else.
func startDNS(t *testing.T, answer func(string) ([]netip.Addr, bool)) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	stub := &dnsStub{answer: answer}
	go stub.serve(conn)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (s *dnsStub) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply, ok := s.reply(buf[:n]); ok {
			_, _ = conn.WriteTo(reply, from)
		}
	}
}

// reply answers the one question of a query.
func (s *dnsStub) reply(query []byte) ([]byte, bool) {
	var labels []string
	at := 12
	for at < len(query) && query[at] != 0 {
		end := at + 1 + int(query[at])
		if end > len(query) {
			return nil, false
		}
		labels = append(labels, string(query[at+1:end]))
		at = end
	}
	if at+5 > len(query) {
		return nil, false
	}
	question := query[12 : at+5]
	kind := binary.BigEndian.Uint16(query[at+1:])

	s.mu.Lock()
	defer s.mu.Unlock()
	var addrs []netip.Addr
	found := false
	if all, ok := s.answer(strings.ToLower(strings.Join(labels, "."))); ok {
		found = true
		for _, a := range all {
			if a.Is4() == (kind == dnsTypeA) && (kind == dnsTypeA || kind == dnsTypeAAAA) {
				addrs = append(addrs, a)
			}
		}
	}
	flags := uint16(0x8180)
	if !found {
		flags |= 3 // NXDOMAIN
	}
	out := append([]byte{}, query[:2]...)
	out = binary.BigEndian.AppendUint16(out, flags)
	out = append(out, 0, 1, 0, byte(len(addrs)), 0, 0, 0, 0)
	out = append(out, question...)
	for _, a := range addrs {
		out = append(out, 0xc0, 12)
		out = binary.BigEndian.AppendUint16(out, kind)
		out = append(out, 0, 1, 0, 0, 0, 0, 0, byte(a.BitLen()/8))
		out = append(out, a.AsSlice()...)
	}
	return out, true
}
