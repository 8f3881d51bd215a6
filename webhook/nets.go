package webhook

import (
	"fmt"
	"net/netip"
	"strings"
)

// ParseNets reads a comma-separated list of networks, as in GENEVADRIVE_WEBHOOK_ALLOW_NETS:
// "127.0.0.0/8, 10.1.0.0/16, ::1". An address without a length stands for itself alone. Nothing at all is
// an empty list. The error names the entry and what to write instead.
func ParseNets(list string) ([]netip.Prefix, error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	var nets []netip.Prefix
	for entry := range strings.SplitSeq(list, ",") {
		p, err := parseNet(strings.TrimSpace(entry))
		if err != nil {
			return nil, err
		}
		nets = append(nets, p)
	}
	return nets, nil
}

func parseNet(entry string) (netip.Prefix, error) {
	if entry == "" {
		return netip.Prefix{}, fmt.Errorf("the list of networks has an empty entry; remove the comma too many")
	}
	p, err := netip.ParsePrefix(entry)
	switch {
	case strings.Contains(entry, "%"):
		return netip.Prefix{}, fmt.Errorf("%q has a zone; leave out what begins with the percent sign", entry)
	case !strings.Contains(entry, "/"):
		var addr netip.Addr
		if addr, err = netip.ParseAddr(entry); err == nil {
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
	}
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not a network; write it like 10.0.0.0/8 or fd00::/8, or one address like 192.0.2.7", entry)
	case p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is an IPv4 network in IPv6 clothes; write it as IPv4", entry)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%q is an address inside a network; write the network %s, or the address alone", entry, p.Masked())
	}
	return p, nil
}
