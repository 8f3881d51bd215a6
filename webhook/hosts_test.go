package webhook

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A trap is a receiver that must stay unreached.
type trap struct {
	port    string
	reached atomic.Int64
}

// setTrap listens on one port of 127.0.0.1 and, where the machine has it, of ::1.
func setTrap(t *testing.T) *trap {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	trap := &trap{port: port}
	caught := func(net.Conn) { trap.reached.Add(1) }
	serveRaw(t, l, caught)
	if six, err := net.Listen("tcp6", "[::1]:"+port); err == nil {
		serveRaw(t, six, caught)
	}
	return trap
}

// inetAton is how the C library reads addresses that Go takes for names: a resolver that calls it hands
// such hosts back as loopback, link-local and so on.
var inetAton = map[string]string{
	"2130706433": "127.0.0.1", "017700000001": "127.0.0.1", "0x7f000001": "127.0.0.1", "0x7f.0.0.1": "127.0.0.1", "0x7f.1": "127.0.0.1",
	"0177.0.0.1": "127.0.0.1", "127.1": "127.0.0.1", "127.0.1": "127.0.0.1", "2852039166": "169.254.169.254", "0xa9fea9fe": "169.254.169.254",
	"0xa9.254.0251.0376": "169.254.169.254", "0251.0376.0251.0376": "169.254.169.254", "0": "0.0.0.0", "00000177.0x0.1": "127.0.0.1", "4294967295": "255.255.255.255",
	"localhost.test": "127.0.0.1", "metadata.test": "169.254.169.254", "private.test": "10.0.0.1", "six.test": "::1", "mapped.test": "::ffff:127.0.0.1",
	"nat64.test": "64:ff9b::7f00:1", "both.test": "127.0.0.1 ::1", "any.test": "0.0.0.0", "any6.test": "::", "shared.test": "100.64.0.1", "broadcast.test": "255.255.255.255", "multicast.test": "224.0.0.1",
	"reserved.test": "240.0.0.1", "unique-local.test": "fd12::1", "link-local.test": "fe80::1", "compatible.test": "::7f00:1", "sixtofour.test": "2002:7f00:1::",
	"teredo.test": "2001:0:7f00:1::1", "nat64-local.test": "64:ff9b:1::7f00:1",
}

func TestDeliverRefusesInternalHostsHoweverSpelled(t *testing.T) {
	trap := setTrap(t)
	c := New(Config{Guard: NewGuard(nil), Resolver: startDNS(t, fixedNames(inetAton))})
	t.Cleanup(c.Close)

	hosts := []string{
		"127.0.0.1", "127.0.0.2", "0.0.0.0", "10.0.0.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]",
		"[2002:7f00:1::]", "[2001:0:7f00:1::1]", "[fd00:ec2::254]", "[fe80::1%25lo]", "[fe80::a9fe:a9fe%25eth0]", "[ff02::1]", "[fc00::1]",
		"127.0.0.1.", "127.0.0.1..", "2130706433.", "0x7f.1.", "169.254.169.254.", "localhost", "localhost.", "LOCALHOST", "localhost.test.", "127.0.0.1", "127。0。0。1", "①②⑦.⓪.⓪.①", "localhost",
		"127.0.0.1%00", "127.0.0.1%2eexample.test", "127.0.0.1%20", "[127.0.0.1]", "[::1", "[::1]]", "[::1%25lo]", "[::ffff:0:127.0.0.1]", "[64:ff9b:1::7f00:1]", "[fec0::1]", "::1", "127.0.0.1:80:80",
		"8.8.8.8@127.0.0.1", "user:pw@127.0.0.1", "metadata.test@localhost.test", "8.8.8.8%40127.0.0.1", `8.8.8.8\@127.0.0.1`, "127.0.0.1#@8.8.8.8", "127.0.0.1?@8.8.8.8", "@127.0.0.1", ":@127.0.0.1", "%31%32%37.0.0.1", "127。0.0.1", "1２7.0.0.1",
	}
	for host := range inetAton {
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	for _, host := range hosts {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		r := c.Deliver(ctx, testDelivery("http://"+host+":"+trap.port+"/"))
		cancel()
		if r.Err == nil || (r.Err.Code != "address_refused" && r.Err.Code != "dns" && r.Err.Code != "connection") {
			t.Errorf("%s: %d %+v, want it refused", host, r.Status, r.Err)
		}
		if literal := inetAton[host]; strings.Contains(host, ".test") && literal != "" && (r.Err == nil || r.Err.Code != "address_refused") {
			t.Errorf("%s resolves to %s: %+v, want address_refused", host, literal, r.Err)
		}
	}
	if n := trap.reached.Load(); n != 0 {
		t.Errorf("the internal receiver was reached %d times", n)
	}
}

func TestDeliverSaysWhichAddressWasRefused(t *testing.T) {
	c := New(Config{Guard: NewGuard(nil), Resolver: startDNS(t, fixedNames(inetAton))})
	t.Cleanup(c.Close)
	for host, want := range map[string]string{
		"private.test": "the address 10.0.0.1 is not open to webhooks: it is in a private network. " +
			"Use a public address, or have the operator list its network in GENEVADRIVE_WEBHOOK_ALLOW_NETS.",
		"metadata.test": "the address 169.254.169.254 is not open to webhooks: it is a cloud's metadata service. " +
			"Use another address, or have the operator list 169.254.169.254 itself in GENEVADRIVE_WEBHOOK_ALLOW_NETS; a network around it does not open it.",
	} {
		r := c.Deliver(t.Context(), testDelivery("https://"+host+"/hook?token=hunter2"))
		if r.Err == nil || r.Err.Code != "address_refused" || !r.Err.Retryable {
			t.Fatalf("%s: got %+v, want address_refused", host, r.Err)
		}
		if r.Err.Message != "The receiver was not contacted: "+want {
			t.Errorf("%s: the message is %q", host, r.Err.Message)
		}
	}
}

// twoHosts starts the receiver that may be reached, on 127.0.0.2, and the trap on the same port.
func twoHosts(t *testing.T) (*trap, *Guard) {
	t.Helper()
	trap := setTrap(t)
	l, err := net.Listen("tcp4", "127.0.0.2:"+trap.port)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "open")
	})}}
	server.Start()
	t.Cleanup(server.Close)
	return trap, NewGuard(nets(t, "127.0.0.2"))
}

func TestDeliverWithMixedAnswers(t *testing.T) {
	trap, guard := twoHosts(t)
	for name, tc := range map[string]struct{ addrs, code string }{
		"open A, internal AAAA":       {"127.0.0.2 ::1", ""},
		"open A, metadata AAAA":       {"127.0.0.2 fd00:ec2::254", ""},
		"internal A first, then open": {"127.0.0.1 127.0.0.2", ""},
		"internal A, internal AAAA":   {"127.0.0.1 ::1", "address_refused"},
		"metadata and loopback":       {"169.254.169.254 127.0.0.1", "address_refused"},
	} {
		c := New(Config{Guard: guard, Resolver: startDNS(t, fixedNames(map[string]string{"mixed.test": tc.addrs}))})
		r := c.Deliver(t.Context(), testDelivery("http://mixed.test:"+trap.port+"/"))
		c.Close()
		switch {
		case tc.code == "" && (r.Err != nil || string(r.Body) != "open"):
			t.Errorf("%s: %q %v, want it delivered to the open address", name, r.Body, r.Err)
		case tc.code != "" && (r.Err == nil || r.Err.Code != tc.code):
			t.Errorf("%s: %+v, want %s", name, r.Err, tc.code)
		}
	}
	if n := trap.reached.Load(); n != 0 {
		t.Errorf("the internal receiver was reached %d times", n)
	}
}

func TestDeliverWithAnAnswerThatChangesBetweenCheckAndConnect(t *testing.T) {
	trap, guard := twoHosts(t)
	var address atomic.Value
	address.Store("127.0.0.2")
	resolver := startDNS(t, func(string) ([]netip.Addr, bool) {
		return []netip.Addr{netip.MustParseAddr(address.Load().(string))}, true
	})
	c := New(Config{Guard: guard, Resolver: resolver})
	t.Cleanup(c.Close)

	checked, err := resolver.LookupNetIP(t.Context(), "ip4", "rebind.test")
	if err != nil || guard.Check(checked[0].Unmap()) != nil {
		t.Fatalf("the first answer %v, %v is not the open one", checked, err)
	}
	for _, to := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.1", "169.254.169.254", "127.0.0.2"} {
		address.Store(to)
		r := c.Deliver(t.Context(), testDelivery("http://rebind.test:"+trap.port+"/"))
		c.Close() // so that the next delivery resolves again
		if open := to == "127.0.0.2"; open != (r.Err == nil) || (!open && r.Err.Code != "address_refused") {
			t.Errorf("answer now %s: %d %+v", to, r.Status, r.Err)
		}
	}
	if n := trap.reached.Load(); n != 0 {
		t.Errorf("the internal receiver was reached %d times", n)
	}
}

func TestDeliverDoesNotFollowRedirectsInside(t *testing.T) {
	trap, guard := twoHosts(t)
	url := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.2:"+trap.port+"/", http.StatusTemporaryRedirect)
	})
	open := append(nets(t, "127.0.0.0/8"), guard.allow...)
	c := New(Config{Guard: NewGuard(open)})
	t.Cleanup(c.Close)
	if r := c.Deliver(t.Context(), testDelivery(url)); r.Err == nil || r.Err.Code != "redirect" || string(r.Body) == "open" {
		t.Errorf("got %q %+v, want redirect even to an open address", r.Body, r.Err)
	}
}

func TestDeliverIgnoresProxiesInTheEnvironment(t *testing.T) {
	trap := setTrap(t)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, "http://127.0.0.1:"+trap.port)
	}
	t.Setenv("NO_PROXY", "")
	url := receiver(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "direct") })
	resolver := startDNS(t, fixedNames(map[string]string{"receiver.test": "127.0.0.1"})) // a proxy is never asked for loopback names
	c := newTestClient(t, func(cfg *Config) { cfg.Resolver = resolver })
	r := c.Deliver(t.Context(), testDelivery(strings.Replace(url, "127.0.0.1", "receiver.test", 1)))
	if r.Err != nil || string(r.Body) != "direct" {
		t.Errorf("got %q %v, want it delivered directly", r.Body, r.Err)
	}
	if n := trap.reached.Load(); n != 0 {
		t.Errorf("the proxy was reached %d times", n)
	}
}
