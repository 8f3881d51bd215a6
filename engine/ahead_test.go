package engine_test

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/webhook"
)

// TestADeliveryIsPutTogetherWithItsClaim: it is signed and dated by then, without anybody having asked for it. One that
// comes after a hook is not: the hook may take its time.
func TestADeliveryIsPutTogetherWithItsClaim(t *testing.T) {
	eachWorld(t, func(w *world) {
		claimed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		sent := claimed.Add(time.Minute)
		var clock atomic.Pointer[time.Time]
		clock.Store(&claimed)
		dated := make(chan struct{}, 100)
		s := w.stepper(func(c *engine.Config) {
			c.Webhooks = webhook.New(webhook.Config{UserAgent: "GenevaDrive/test", Guard: webhook.NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), Now: func() time.Time {
				dated <- struct{}{}
				return *clock.Load()
			}})
		})
		stamps := map[string]string{}
		for _, delivery := range []string{"bare", "hooked", "hook hooked"} {
			w.receiver.on(delivery, func(_ http.ResponseWriter, r *http.Request) { stamps[delivery] = r.Header.Get("webhook-timestamp") })
		}
		w.define(s.Engine, "type: Bare\nsteps: [{name: bare}]")
		w.define(s.Engine, "type: Hooked\nhooks: {before_step_starts: {path: /hook}}\nsteps: [{name: hooked}]")

		bare := w.create(s.Engine, "Bare")
		ahead := s.Claim(context.Background(), bare.ID, bare.CurrentExecutionID)
		select {
		case <-dated:
		case <-time.After(patience):
			t.Fatal("the delivery waits for somebody to ask for it")
		}
		hooked := w.create(s.Engine, "Hooked")
		behind := s.Claim(context.Background(), hooked.ID, hooked.CurrentExecutionID)

		clock.Store(&sent)
		for _, h := range []*engine.Hand{ahead, behind} {
			if result, aborted := s.Attempt(context.Background(), h); aborted || result.Failure != nil {
				t.Fatalf("aborted %t, %+v", aborted, result.Failure)
			}
		}
		for delivery, want := range map[string]time.Time{"bare": claimed, "hook hooked": sent, "hooked": sent} {
			if stamps[delivery] != strconv.FormatInt(want.Unix(), 10) {
				t.Errorf("%s: dated %q, want %d", delivery, stamps[delivery], want.Unix())
			}
		}
	})
}
