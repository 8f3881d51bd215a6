package receivercheck

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiver does everything right, unless a field says otherwise.
type receiver struct {
	answer string // to the step; "": with an empty body

	verify       func(body []byte, h http.Header) error // nil: the library's
	refusal      int                                    // the status of a refusal; 0: 401
	catchAll     bool                                   // answers every step
	failsByWord  bool                                   // answers a step it does not know with fail
	bareRepeats  bool                                   // answers an empty 200 to an id it has finished
	forgets      bool                                   // repeats nothing: the answer counts up
	keepsFailure bool                                   // takes an id whose work failed for finished
	keepsRefused bool                                   // takes an id that it refused for finished
	keepsUnread  bool                                   // takes an id whose body is still on its way for finished

	mu    sync.Mutex
	done  map[string]string
	works int
}

func (r *receiver) start(t *testing.T, configure func(*httptest.Server)) string {
	t.Helper()
	library, err := standardwebhooks.NewWebhook(testSecret(t, 1).Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if r.verify == nil {
		r.verify = library.Verify
	}
	r.done = map[string]string{}
	server := httptest.NewUnstartedServer(r)
	if configure != nil {
		configure(server)
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	id := req.Header.Get("webhook-id")
	answer, done := r.look(id)
	if r.keepsUnread {
		r.keep(id, "")
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if err := r.verify(body, req.Header); err != nil {
		if r.keepsRefused {
			r.keep(id, "")
		}
		w.WriteHeader(cmp.Or(r.refusal, http.StatusUnauthorized))
		return
	}
	if !done {
		answer, err = r.work(req.Header.Get("genevadrive-step"))
		if err != nil {
			if r.keepsFailure {
				r.keep(id, "")
			}
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if !r.forgets && !strings.Contains(answer, `"fail"`) {
			r.keep(id, answer)
		}
	} else if r.bareRepeats {
		answer = ""
	}
	_, _ = io.WriteString(w, answer)
}

func (r *receiver) look(id string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	answer, done := r.done[id]
	return answer, done
}

func (r *receiver) keep(id, answer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[id] = answer
}

func (r *receiver) work(step string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.works++
	switch {
	case step == "send_reminder" && r.forgets:
		return `{"action":"complete","data":{"works":` + strconv.Itoa(r.works) + `}}`, nil
	case step == "send_reminder" || r.catchAll:
		return r.answer, nil
	case r.failsByWord:
		return `{"action":"fail","error":{"message":"what step?"}}`, nil
	}
	return "", io.EOF
}

func acceptsAnything([]byte, http.Header) error { return nil }

// ofAnyAge verifies, and lets the timestamp be whatever it is.
func ofAnyAge(t *testing.T) func([]byte, http.Header) error {
	library, err := standardwebhooks.NewWebhook(testSecret(t, 1).Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return library.VerifyIgnoringTimestamp
}

// parsedFirst verifies what it would have written itself.
func parsedFirst(t *testing.T) func([]byte, http.Header) error {
	library, err := standardwebhooks.NewWebhook(testSecret(t, 1).Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return func(body []byte, h http.Header) error {
		var compact bytes.Buffer
		if err := json.Compact(&compact, body); err != nil {
			return err
		}
		return library.Verify(compact.Bytes(), h)
	}
}

// firstSignature looks at one signature only.
func firstSignature(t *testing.T) func([]byte, http.Header) error {
	library, err := standardwebhooks.NewWebhook(testSecret(t, 1).Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return func(body []byte, h http.Header) error {
		h = h.Clone()
		first, _, _ := strings.Cut(h.Get("webhook-signature"), " ")
		h.Set("webhook-signature", first)
		return library.Verify(body, h)
	}
}

// refusesSlow verifies, and refuses what comes over a connection of its own, as slow deliveries do.
func refusesSlow(t *testing.T) func([]byte, http.Header) error {
	library, err := standardwebhooks.NewWebhook(testSecret(t, 1).Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return func(body []byte, h http.Header) error {
		if h.Get("connection") == "close" {
			return errors.New("too slow")
		}
		return library.Verify(body, h)
	}
}

// impatient gives a request a tenth of a second.
func impatient(s *httptest.Server) { s.Config.ReadTimeout = 100 * time.Millisecond }
