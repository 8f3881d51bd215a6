package webhook

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func nets(t testing.TB, list string) []netip.Prefix {
	t.Helper()
	p, err := ParseNets(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestGuardRefusesEveryAddressThatIsNotPublic(t *testing.T) {
	guard := NewGuard(nil)
	for kind, addrs := range map[string]string{
		"loopback":             "127.0.0.0 127.0.0.1 127.255.255.255 ::1 ::1%lo",
		"unspecified":          "0.0.0.0 0.1.2.3 0.255.255.255 ::",
		"private":              "10.0.0.0 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.0 192.168.1.1 192.168.255.255",
		"unique-local":         "fc00::1 fd12:3456::1 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fd12::1%eth0",
		"link-local":           "169.254.0.0 169.254.1.1 169.254.255.255 fe80::1 fe80::1%eth0 fe80::1%25eth0 fe80::1%lo febf::1%1",
		"site-local":           "fec0::1",
		"CGNAT":                "100.64.0.0 100.64.0.1 100.127.255.255",
		"metadata":             "169.254.169.254 169.254.170.2 169.254.170.23 169.254.42.42 169.254.0.23 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:42::42 fd00:c1::a9fe:a9fe fe80::a9fe:a9fe fe80::a9fe:a9fe%eth0",
		"broadcast":            "255.255.255.255",
		"multicast":            "224.0.0.0 224.0.0.1 232.1.1.1 239.255.255.250 239.255.255.255 ff01::1 ff05::2 ff02::1 ff02::1%eth0 ff0e::1",
		"reserved":             "240.0.0.0 240.0.0.1 255.255.255.254 192.0.0.0 192.0.0.8 192.0.0.170 192.0.0.171 192.88.99.1 100::1 100:0:0:1::1 5f00::1 4000::1",
		"documentation":        "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1",
		"benchmarking":         "198.18.0.1 198.19.255.255 2001:2::1",
		"AS112":                "192.31.196.1 192.175.48.1 2620:4f:8000::1",
		"ORCHID":               "2001:10::1 2001:20::1",
		"mapped":               "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:100.64.0.1 ::ffff:255.255.255.255 ::ffff:127.0.0.1%eth0 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8",
		"compatible":           "::127.0.0.1 ::10.0.0.1 ::169.254.169.254 ::8.8.8.8 ::2",
		"NAT64":                "64:ff9b::127.0.0.1 64:ff9b::169.254.169.254 64:ff9b::8.8.8.8 64:ff9b:1::a00:1 64:ff9b:1:a9fe:a9:fe00:: 64:ff9b:1:ffff:ffff:ffff:808:808",
		"6to4":                 "2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe::1 2002:808:808::1",
		"Teredo":               "2001:0:808:808::f7f7:f7f7 2001:0:808:808::5601:5601 2001:0:7f00:1::1",
		"zone on a public one": "2606:4700::1111%eth0",
	} {
		for text := range strings.FieldsSeq(addrs) {
			err := guard.Check(netip.MustParseAddr(text))
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Reason == "" {
				t.Errorf("%s %s: got %v, want it refused with a reason", kind, text, err)
			}
		}
	}
}

func TestGuardLetsPublicAddressesThrough(t *testing.T) {
	guard := NewGuard(nil)
	for text := range strings.FieldsSeq("8.8.8.8 1.1.1.1 93.184.216.34 172.32.0.1 100.128.0.1 11.0.0.1 169.253.255.255 192.0.1.1 223.255.255.255 168.63.129.17 2606:4700::1111 2001:4860:4860::8888 2a00:1450::1 2003::1") {
		if err := guard.Check(netip.MustParseAddr(text)); err != nil {
			t.Errorf("%s: %v, want it let through", text, err)
		}
	}
}

func TestGuardOpensWhatIsListed(t *testing.T) {
	const allInternet = "0.0.0.0/0,::/0"
	for _, tc := range []struct {
		allow, addr string
		open        bool
	}{
		{"127.0.0.0/8", "127.0.0.1", true},
		{"127.0.0.0/8", "10.0.0.1", false},
		{"127.0.0.0/8", "::1", false},
		{"127.0.0.0/8,::1", "::1", true},
		{"10.1.0.0/16", "10.1.2.3", true},
		{"10.1.0.0/16", "10.2.2.3", false},
		{"fe80::/10", "fe80::1%eth0", true},
		{"fd00::/8", "fd12::1", true},

		{"169.254.0.0/16", "169.254.1.1", true},
		{"169.254.0.0/16", "169.254.169.254", false},
		{"169.254.169.0/24", "169.254.169.254", false},
		{"169.254.169.254/31", "169.254.169.254", false},
		{"169.254.169.254/32", "169.254.169.254", true},
		{"169.254.169.254/32", "169.254.170.2", false},
		{"100.64.0.0/10", "100.64.0.1", true},
		{"100.64.0.0/10", "100.100.100.200", false},
		{"100.100.100.200", "100.100.100.200", true},
		{"192.0.0.0/24", "192.0.0.192", false},
		{"fd00::/8", "fd00:ec2::254", false},
		{"fd00:ec2::/64", "fd00:ec2::254", false},
		{"fd00:ec2::254/128", "fd00:ec2::254", true},
		{"fe80::/10", "fe80::a9fe:a9fe%eth0", false},
		{"fe80::a9fe:a9fe", "fe80::a9fe:a9fe%eth0", true},
		{allInternet, "169.254.169.254", false},
		{allInternet, "168.63.129.16", false},
		{allInternet, "fd00:ec2::254", false},
		{allInternet, "10.0.0.1", true},

		// An IPv6 range does not open the IPv4 addresses that can be written in it.
		{"::/0", "::ffff:10.0.0.1", false},
		{"::/0", "::ffff:169.254.169.254", false},
		{"::/0", "::10.0.0.1", false},
		{"::/0", "::1", true},
		{"64:ff9b::/96", "64:ff9b::8.8.8.8", true},
		{"64:ff9b::/96", "64:ff9b::10.0.0.1", false},
		{"64:ff9b::/96", "64:ff9b::127.0.0.1", false},
		{"64:ff9b::/96,10.0.0.0/8", "64:ff9b::10.0.0.1", true},
		{"64:ff9b::a9fe:a9fe", "64:ff9b::169.254.169.254", true},
		{"64:ff9b:1::/48", "64:ff9b:1:808:8:808:808:808", true},
		{"64:ff9b:1::/48", "64:ff9b:1:808:8:808:a83f:8110", false}, // 168.63.129.16, at each place where it may stand
		{"64:ff9b:1::/48", "64:ff9b:1:808:a8:3f81:1008:808", false},
		{"64:ff9b:1::/48", "64:ff9b:1:8a8:3f:8110:808:808", false},
		{"64:ff9b:1::/48", "64:ff9b:1:a83f:81:1008:808:808", false},
		{"2002::/16", "2002:808:808::1", true},
		{"2002::/16", "2002:a9fe:a9fe::1", false},
		{"2001::/32", "2001:0:808:808::f7f7:f7f7", true},
		{"2001::/32", "2001:0:808:808::5601:5601", false}, // the client is 169.254.169.254
		{"2001::/32", "2001:0:a83f:8110::f7f7:f7f7", false},
		{allInternet, "64:ff9b::169.254.169.254", false},
		{allInternet, "2002:a9fe:a9fe::1", false},
	} {
		err := NewGuard(nets(t, tc.allow)).Check(netip.MustParseAddr(tc.addr))
		if open := err == nil; open != tc.open {
			t.Errorf("allowing %s, %s: got %v, want open=%t", tc.allow, tc.addr, err, tc.open)
		}
	}
}

func TestGuardControl(t *testing.T) {
	guard := NewGuard(nets(t, "127.0.0.0/8"))
	for _, tc := range []struct {
		network, address string
		open             bool
	}{
		{"tcp4", "127.0.0.1:80", true},
		{"tcp4", "127.0.0.1:1", true},
		{"tcp4", "127.0.0.1:65535", true},
		{"tcp6", "[2606:4700::1111]:8443", true},
		{"tcp6", "[::1]:80", false},
		{"tcp6", "[fe80::1%eth0]:80", false},
		{"udp4", "8.8.8.8:53", false},
		{"unix", "/run/docker.sock", false},
		{"tcp4", "localhost:80", false},
		{"tcp4", "8.8.8.8", false},
		{"tcp4", "", false},
	} {
		err := guard.Control(tc.network, tc.address, nil)
		var refused *RefusedError
		if open := err == nil; open != tc.open || (!open && !errors.As(err, &refused)) {
			t.Errorf("%s %s: got %v, want open=%t", tc.network, tc.address, err, tc.open)
		}
	}
}

func TestParseNets(t *testing.T) {
	for _, tc := range []struct {
		list string
		want string // prefixes, space-separated
		says string // or a part of the error
	}{
		{list: "", want: ""},
		{list: "  ", want: ""},
		{list: "127.0.0.0/8,10.0.0.0/8", want: "127.0.0.0/8 10.0.0.0/8"},
		{list: " 127.0.0.0/8 , ::1/128 ", want: "127.0.0.0/8 ::1/128"},
		{list: "169.254.169.254", want: "169.254.169.254/32"},
		{list: "fd00:ec2::254", want: "fd00:ec2::254/128"},
		{list: "127.0.0.0/8,", says: "empty entry"},
		{list: "10.0.0.1/8", says: "10.0.0.0/8"},
		{list: "10.0.0.0/33", says: `"10.0.0.0/33" is not a network`},
		{list: "10.0.0.0/", says: "is not a network"},
		{list: "10.1/16", says: "is not a network"},
		{list: "010.0.0.0/8", says: "is not a network"},
		{list: "localhost", says: `"localhost" is not a network`},
		{list: "fe80::1%eth0", says: "zone"},
		{list: "::ffff:10.0.0.0/104", says: "write it as IPv4"},
		{list: "10.0.0.0/8 192.168.0.0/16", says: "is not a network"},
	} {
		got, err := ParseNets(tc.list)
		if tc.says != "" {
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%q: error %v, want one that says %q", tc.list, err, tc.says)
			}
			continue
		}
		var text []string
		for _, p := range got {
			text = append(text, p.String())
		}
		if err != nil || strings.Join(text, " ") != tc.want {
			t.Errorf("%q: got %v, %v, want %s", tc.list, text, err, tc.want)
		}
	}
}
