package app_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

func TestShutdownLetsADeliveryFinish(t *testing.T) {
	t.Parallel()
	answered := make(chan struct{})
	r := newReceiver(t, func(d delivery) string {
		if d.step == "step1" {
			<-answered
		}
		return `{}`
	})
	s := settingsFor(t, testenv.SQLite(t), "")
	service := startService(t, s)
	service.register(t, r.url, "PT0S", "PT0S")
	w := service.create(t)
	r.next(t)

	service.cancel()
	awaitStatus(t, service.client, "/readyz", http.StatusServiceUnavailable)
	// While the delivery is under way the receiver may still need the API.
	service.workflow(t, w.ID)
	close(answered)
	service.stop(t)

	again := startService(t, s)
	again.awaitFinished(t, w.ID)
	r.want(t, "step2")
	again.wantHistory(t, w.ID, "step1 completed/completed 1", "step2 completed/completed 1")
}

func TestShutdownHandsBackWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	r := newReceiver(t, func(d delivery) string {
		if d.attempt == "1" {
			<-stuck
		}
		return `{}`
	})
	t.Cleanup(func() { close(stuck) }) // runs before the receiver waits for its handlers
	s := settingsFor(t, testenv.SQLite(t), "")
	s.ShutdownTimeout = "200ms"
	service := startService(t, s)
	service.register(t, r.url, "PT0S")
	w := service.create(t)
	first := r.next(t)
	service.stop(t)

	again := startService(t, s)
	again.awaitFinished(t, w.ID)
	if second := r.next(t); second.id != first.id || second.attempt != "2" {
		t.Errorf("delivered %+v after %+v, want the second attempt under the same id", second, first)
	}
}

func awaitStatus(t *testing.T, c client, path string, want int) {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		status, _ := c.do(t, "GET", path, "")
		if status == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.Done():
			t.Fatalf("%s still answers %d, want %d", path, status, want)
		}
	}
}
