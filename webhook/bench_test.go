package webhook

import (
	"io"
	"net/http"
	"net/netip"
	"testing"
)

func BenchmarkSign(b *testing.B) {
	secret, body := testSecret(b, 1), make([]byte, 600)
	b.ReportAllocs()
	for b.Loop() {
		Sign("0190d3b4-0000-7000-8000-000000000001", signedAt, body, secret)
	}
}

func BenchmarkGuard(b *testing.B) {
	guard := NewGuard(nets(b, "127.0.0.0/8"))
	addr := netip.MustParseAddr("93.184.216.34")
	b.ReportAllocs()
	for b.Loop() {
		if guard.Check(addr) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkDeliver(b *testing.B) {
	url := receiver(b, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"action":"complete"}`)
	})
	c := newTestClient(b)
	d := testDelivery(url)
	d.Body = make([]byte, 600)
	d.Secrets = []Secret{testSecret(b, 1)}
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if r := c.Deliver(b.Context(), d); r.Err != nil {
				b.Error(r.Err)
			}
		}
	})
}
