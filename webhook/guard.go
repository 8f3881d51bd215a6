package webhook

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// RefusedError says that the guard did not let a connection be made. A delivery reports it as
// address_refused.
type RefusedError struct {
	Addr   netip.Addr // the address after resolution; invalid if it could not be read
	Reason string     // what kind of address it is
	Alone  bool       // it is opened only by listing this very address, not by a network it is in
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the address %s is not open to webhooks: %s", e.Addr, e.Reason)
}

// Guard decides which addresses a webhook may reach. It looks at the address that is about to be connected
// to, so neither a spelling of the host, nor a redirect, nor an answer of the name server that changes
// between check and use gets past it. Ports are free. It is safe for concurrent use.
type Guard struct {
	public *ssrf.Guardian // the registries of special addresses, and the allowed networks before them
	allow  []netip.Prefix
	exact  []netip.Addr // allowed networks of one address: these alone open a metadata service
}

// metadata lists the services that hand out credentials to whoever can reach them from inside a cloud, a
// wide allowed range or not. One of them is a public address that no registry knows.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("169.254.169.0/24"),       // most clouds; name and time service of AWS
	netip.MustParsePrefix("169.254.170.0/24"),       // AWS container and pod credentials
	netip.MustParsePrefix("169.254.0.23/32"),        // Tencent Cloud
	netip.MustParsePrefix("169.254.42.42/32"),       // Scaleway
	netip.MustParsePrefix("100.100.100.200/32"),     // Alibaba Cloud
	netip.MustParsePrefix("168.63.129.16/32"),       // Azure's wire server
	netip.MustParsePrefix("192.0.0.192/32"),         // Oracle Cloud
	netip.MustParsePrefix("fd00:ec2::/32"),          // AWS
	netip.MustParsePrefix("fd20:ce::254/128"),       // Google Cloud
	netip.MustParsePrefix("fd00:42::42/128"),        // Scaleway
	netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), // Oracle Cloud
	netip.MustParsePrefix("fe80::a9fe:a9fe/128"),    // OpenStack
}

// NewGuard makes a guard that lets through public addresses and the networks listed in allow (ParseNets).
// A metadata service is reached only if allow lists its very address as a /32 or /128.
func NewGuard(allow []netip.Prefix) *Guard {
	g := &Guard{allow: slices.Clone(allow)}
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		if p.IsSingleIP() {
			g.exact = append(g.exact, p.Addr())
		}
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	g.public = ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
	return g
}

// Control is a net.Dialer's Control: called with the resolved address of every connection before it is made.
func (g *Guard) Control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return &RefusedError{Reason: fmt.Sprintf("%q is not a network of webhooks", network)}
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{Reason: "it cannot be read"}
	}
	return g.Check(target.Addr())
}

// Check returns nil if webhooks may be sent to addr, else a *RefusedError. An address that carries an IPv4
// address (mapped, NAT64, 6to4, Teredo …) needs an allowed network of its own and, unless it is listed by
// itself, must be open under the IPv4 address too.
func (g *Guard) Check(addr netip.Addr) error {
	plain := addr.WithZone("") // a zone does not make another host of it, and no prefix contains one
	if slices.Contains(g.exact, plain) {
		return nil
	}
	if isMetadata(plain) {
		return &RefusedError{Addr: addr, Alone: true, Reason: "it is a cloud's metadata service"}
	}
	if err := g.public.SafeAddr(plain); err != nil {
		return &RefusedError{Addr: addr, Reason: kindOf(plain)}
	}
	if addr.Zone() != "" && !plain.IsLinkLocalUnicast() {
		return &RefusedError{Addr: addr, Reason: "it names a zone, which only link-local addresses have"}
	}
	for _, inner := range carried(plain) {
		var refused *RefusedError
		if errors.As(g.Check(inner), &refused) {
			return &RefusedError{Addr: addr, Alone: refused.Alone, Reason: fmt.Sprintf("it leads to %s; %s", inner, refused.Reason)}
		}
	}
	return nil
}

func isMetadata(addr netip.Addr) bool {
	return slices.ContainsFunc(metadata, func(p netip.Prefix) bool { return p.Contains(addr) })
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	teredo     = netip.MustParsePrefix("2001::/32")
	compatible = netip.MustParsePrefix("::/96")
	sharedV4   = netip.MustParsePrefix("100.64.0.0/10")
)

// carried lists the IPv4 addresses to which a packet for addr may be translated or tunnelled.
func carried(addr netip.Addr) []netip.Addr {
	if !addr.Is6() {
		return nil
	}
	b := addr.As16()
	v4 := func(at int) netip.Addr { return netip.AddrFrom4([4]byte(b[at : at+4])) }
	switch {
	case addr.Is4In6(), nat64.Contains(addr):
		return []netip.Addr{v4(12)}
	case nat64Local.Contains(addr): // where the address stands depends on a prefix length we cannot know (RFC 6052)
		return []netip.Addr{v4(12), netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]}), netip.AddrFrom4([4]byte{b[7], b[9], b[10], b[11]}), v4(9)}
	case sixToFour.Contains(addr):
		return []netip.Addr{v4(2)}
	case teredo.Contains(addr): // the server, and the client with every bit turned (RFC 4380)
		var client [4]byte
		binary.BigEndian.PutUint32(client[:], ^binary.BigEndian.Uint32(b[12:]))
		return []netip.Addr{v4(4), netip.AddrFrom4(client)}
	case compatible.Contains(addr) && !addr.IsLoopback() && !addr.IsUnspecified():
		return []netip.Addr{v4(12)}
	}
	return nil
}

// kindOf says in the words of an operator why an address is not public.
func kindOf(addr netip.Addr) string {
	switch {
	case addr.Is4In6(), len(carried(addr)) > 0:
		return "it carries an IPv4 address inside an IPv6 one"
	case addr.IsLoopback():
		return "it is this machine itself (loopback)"
	case addr.IsUnspecified():
		return "it is the unspecified address"
	case addr.IsPrivate():
		return "it is in a private network"
	case addr.IsLinkLocalUnicast():
		return "it is link-local"
	case addr.IsMulticast():
		return "it is multicast"
	case sharedV4.Contains(addr):
		return "it is in the shared network of a provider (CGNAT)"
	}
	return "it is reserved and not part of the public internet"
}
