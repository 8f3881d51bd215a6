package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiver takes webhooks, verifies each with the Standard Webhooks library, and answers complete.
type receiver struct {
	url        string
	deliveries chan delivery // each as it arrives
	mu         sync.Mutex
	answer     func(delivery) string // nil: complete. Set it before anything is delivered
	refused    []error               // what did not verify
}

type delivery struct {
	step, id, attempt string
	path, body        string
}

// hook tells whether this is one of the hook and not of the step.
func (d delivery) hook() bool { return strings.HasPrefix(d.body, `{"type":"hook.`) }

func newReceiver(t *testing.T, answer func(delivery) string) *receiver {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{deliveries: make(chan delivery, 1000), answer: answer}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err == nil {
			err = verifier.Verify(body, req.Header)
		}
		if err != nil {
			r.mu.Lock()
			r.refused = append(r.refused, err)
			r.mu.Unlock()
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		d := delivery{step: req.Header.Get("genevadrive-step"), id: req.Header.Get("webhook-id"), attempt: req.Header.Get("genevadrive-attempt"),
			path: req.URL.Path, body: string(body)}
		r.deliveries <- d
		if r.answer == nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, r.answer(d))
	}))
	t.Cleanup(func() {
		server.Close()
		if len(r.refused) > 0 {
			t.Errorf("the receiver refused %d deliveries, the first: %v", len(r.refused), r.refused[0])
		}
	})
	r.url = server.URL
	return r
}

// next gives the next delivery.
func (r *receiver) next(t *testing.T) delivery {
	t.Helper()
	select {
	case d := <-r.deliveries:
		return d
	case <-time.After(patience):
		t.Fatalf("nothing was delivered within %s", patience)
	}
	return delivery{}
}

// want takes the next deliveries and compares their steps; none may be left.
func (r *receiver) want(t *testing.T, steps ...string) {
	t.Helper()
	for _, step := range steps {
		if d := r.next(t); d.step != step {
			t.Errorf("%s was delivered, want %s", d.step, step)
		}
	}
	select {
	case d := <-r.deliveries:
		t.Errorf("%s was delivered once more", d.step)
	default:
	}
}
