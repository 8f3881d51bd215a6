package receivercheck

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/genevadrive/genevadrive/webhook"
)

func testSecret(t *testing.T, fill byte) webhook.Secret {
	t.Helper()
	s, err := webhook.NewSecret(bytes.NewReader(bytes.Repeat([]byte{fill}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func options(t *testing.T, url string) Options {
	t.Helper()
	nets, err := webhook.ParseNets("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return Options{URL: url, Secret: testSecret(t, 1), Step: "send_reminder", Guard: webhook.NewGuard(nets),
		Timeout: 10 * time.Second, Slowness: 50 * time.Millisecond}
}

// everything is each check's name with one verdict.
func everything(v Verdict) map[string]Verdict {
	all := map[string]Verdict{}
	for _, item := range items {
		all[item.name] = v
	}
	return all
}

func except(all map[string]Verdict, v Verdict, names ...string) map[string]Verdict {
	all = maps.Clone(all)
	for _, name := range names {
		all[name] = v
	}
	return all
}

func TestChecks(t *testing.T) {
	const complete, cancel = `{"action":"complete"}`, `{"action":"cancel","reason":"unsubscribed"}`
	refusals := []string{"a wrong signature", "no signature", "a stale timestamp", "a timestamp from the future"}
	right := everything(OK)
	for _, c := range []struct {
		name      string
		receiver  *receiver
		configure func(*httptest.Server)
		slowness  time.Duration
		want      map[string]Verdict
	}{
		{"right", &receiver{answer: complete}, nil, 0, right},
		{"right with cancel", &receiver{answer: cancel}, nil, 0, right},
		{"right with an empty body", &receiver{}, nil, 0, right},
		{"right, and fails by word", &receiver{answer: complete, failsByWord: true}, nil, 0, right},
		{"right, refusing with 403", &receiver{answer: complete, refusal: 403}, nil, 0, right},
		{"right, refusing with 400", &receiver{answer: complete, refusal: 400}, nil, 0, right},
		{"right, with any step", &receiver{answer: complete, catchAll: true}, nil, 0,
			except(right, NotChecked, "the same id after a failure")},
		{"refuses with 500", &receiver{answer: complete, refusal: 500}, nil, 0,
			except(except(right, Failed, refusals...), NotChecked, "the same id after a refusal")},
		{"verifies nothing", &receiver{answer: complete, verify: acceptsAnything}, nil, 0,
			except(except(right, Failed, refusals...), NotChecked, "the same id after a refusal")},
		{"never mind the time", &receiver{answer: complete, verify: ofAnyAge(t)}, nil, 0,
			except(right, Failed, "a stale timestamp", "a timestamp from the future")},
		{"parses first", &receiver{answer: complete, verify: parsedFirst(t)}, nil, 0,
			except(right, Failed, "unfamiliar JSON")},
		{"first signature only", &receiver{answer: complete, verify: firstSignature(t)}, nil, 0,
			except(right, Failed, "two signatures, as in a rotation")},
		{"bare 200 for a repeat", &receiver{answer: complete, bareRepeats: true}, nil, 0,
			except(right, Failed, "the same id twice")},
		{"bare 200 for a repeated cancel", &receiver{answer: cancel, bareRepeats: true}, nil, 0,
			except(right, Failed, "the same id twice")},
		{"works again for a repeat", &receiver{forgets: true}, nil, 0,
			except(right, Failed, "the same id twice")},
		{"remembers failures", &receiver{answer: complete, keepsFailure: true}, nil, 0,
			except(right, Failed, "the same id after a failure")},
		{"remembers what it refused", &receiver{answer: complete, keepsRefused: true}, nil, 0,
			except(right, Failed, "the same id after a refusal")},
		{"remembers before it reads", &receiver{answer: complete, keepsUnread: true}, nil, 0,
			except(right, Failed, "the same id after a failure", "the same id after a refusal", "the same id after half a request")},
		{"answers the slow with 408", &receiver{verify: refusesSlow(t), refusal: 408}, nil, 0,
			except(right, Failed, "a slow connection")},
		{"impatient", &receiver{answer: complete}, impatient, time.Second, except(right, Failed, "a slow connection")},
		{"no such action", &receiver{answer: `{"action":"completed"}`}, nil, 0,
			except(except(everything(NotChecked), Failed, "a signed delivery"), OK, refusals...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options(t, c.receiver.start(t, c.configure))
			o.Slowness = max(o.Slowness, c.slowness)
			compare(t, o, c.want)
		})
	}
}

func compare(t *testing.T, o Options, want map[string]Verdict) {
	t.Helper()
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) != len(want) {
		t.Errorf("%d results, want %d", len(report.Results), len(want))
	}
	for _, r := range report.Results {
		if r.Verdict != want[r.Check] {
			t.Errorf("%s: %s (%s), want %s", r.Check, r.Verdict, r.Detail, want[r.Check])
		}
		if r.Detail == "" {
			t.Errorf("%s: says nothing", r.Check)
		}
	}
	if failed := slices.Contains(slices.Collect(maps.Values(want)), Failed); report.Failed() != failed {
		t.Errorf("Failed() = %v, want %v", report.Failed(), failed)
	}
}

func TestReceiversThatGiveNoAnswer(t *testing.T) {
	handler := func(f http.HandlerFunc) string {
		server := httptest.NewServer(f)
		t.Cleanup(server.Close)
		return server.URL
	}
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	silent := except(everything(NotChecked), Failed, "a signed delivery")
	refusals := []string{"a wrong signature", "no signature", "a stale timestamp", "a timestamp from the future"}
	for name, c := range map[string]struct {
		url  string
		want map[string]Verdict
		says string
	}{
		"nobody listens": {nobody.URL, silent, "refused the connection"},
		"hangs up":       {handler(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), silent, "closed the connection"},
		"redirects": {handler(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }),
			except(silent, Failed, refusals...), "redirect"},
		"promises": {handler(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }),
			except(silent, Failed, refusals...), "202"},
		"fails": {handler(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "out of\x1b[2J order", http.StatusInternalServerError)
		}),
			except(silent, Failed, refusals...), "out of"},
		"not found": {handler(http.NotFound), except(silent, OK, refusals...), "404"},
		"no http":   {"ftp://127.0.0.1/", silent, "not an http or https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, c.url)
			compare(t, o, c.want)
			report, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if err := report.Write(&out); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), c.says) || strings.Contains(out.String(), "\x1b") {
				t.Errorf("it prints %q, want what happened (%s) and no escape sequence", out.String(), c.says)
			}
		})
	}
}

func TestTheGuardAppliesToEveryCheck(t *testing.T) {
	r := &receiver{answer: `{"action":"complete"}`}
	o := options(t, r.start(t, nil))
	o.Guard = webhook.NewGuard(nil)
	compare(t, o, except(everything(NotChecked), Failed, "a signed delivery"))

	// The deliveries that do not go through the client are guarded like those that do.
	if err := o.fill(); err != nil {
		t.Fatal(err)
	}
	c := &check{Options: o}
	var refused *webhook.RefusedError
	if err := c.sendHalf(t.Context(), delivery{id: "1", step: "send_reminder"}); !errors.As(err, &refused) {
		t.Errorf("half a request: %v, want it refused", err)
	}
	if got := c.sendSlowly(t.Context(), delivery{id: "2", step: "send_reminder"}); !errors.As(got.err, &refused) {
		t.Errorf("a slow request: %v, want it refused", got.err)
	}
	if r.works != 0 {
		t.Errorf("the receiver worked %d times", r.works)
	}

	// So are they over TLS; and the port is the scheme's where the URL names none.
	for scheme, port := range map[string]int{"http": 80, "https": 443} {
		c.URL = scheme + "://127.0.0.1/"
		var dialed *net.OpError
		if err := c.sendHalf(t.Context(), delivery{id: "1", step: "send_reminder"}); !errors.As(err, &refused) || !errors.As(err, &dialed) || dialed.Addr.(*net.TCPAddr).Port != port {
			t.Errorf("%s: %v, want port %d, and it refused", c.URL, err, port)
		}
	}
}

// Receivers decode what they are sent, and may want a header that their definition would give.
func TestDeliveriesAreLikeThoseOfTheService(t *testing.T) {
	r := &receiver{answer: `{"action":"complete"}`}
	r.start(t, nil)
	var (
		mu   sync.Mutex
		seen = map[string]int{}
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		id := req.Header.Get("webhook-id")
		mu.Lock()
		seen[id]++
		attempt := seen[id]
		mu.Unlock()
		got := []string{req.Header.Get("genevadrive-step"), req.Header.Get("genevadrive-attempt"), req.Header.Get("genevadrive-workflow-id"), req.Header.Get("x-team")}
		if want := []string{got[0], strconv.Itoa(attempt), "7", "growth"}; !slices.Equal(got, want) || (got[0] != "send_reminder" && got[0] != UnknownStep) {
			t.Errorf("delivery %d of %s has the headers %q, want %q", attempt, id, got, want)
		}
		if err == nil {
			var e struct {
				Type string
				Data struct {
					Workflow struct {
						ID, Type string
						Subject  struct{ Type, ID string }
						Data     map[string]any
					}
					StepExecution struct {
						ID       string
						StepName string `json:"step_name"`
						Attempt  int
					} `json:"step_execution"`
				}
			}
			err := json.Unmarshal(body, &e)
			w, x := e.Data.Workflow, e.Data.StepExecution
			if err != nil || e.Type != "step.perform" || w.ID != "7" || w.Type != "ReceiverCheck" || w.Subject.Type != "ReceiverCheck" || w.Subject.ID != "7" || w.Data == nil ||
				x.ID != id || x.StepName != got[0] || x.Attempt != attempt {
				t.Errorf("delivery %d of %s holds %s, %v", attempt, id, body, err)
			}
		}
		req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), iotest.ErrReader(cmp.Or(err, io.EOF))))
		r.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	o := options(t, server.URL)
	o.SubjectID, o.Headers = "7", map[string]string{"x-team": "growth", "webhook-id": "mine"}
	compare(t, o, everything(OK))
}

func TestOverTLS(t *testing.T) {
	r := &receiver{answer: `{"action":"complete"}`}
	r.start(t, nil)
	server := httptest.NewTLSServer(r)
	t.Cleanup(server.Close)
	o := options(t, server.URL)
	o.RootCAs = x509.NewCertPool()
	o.RootCAs.AddCert(server.Certificate())
	compare(t, o, everything(OK))
}

func TestReport(t *testing.T) {
	r := Report{URL: "http://127.0.0.1:9000/geneva", Step: "send_reminder", Results: []Result{
		{"a signed delivery", OK, "200 without a body, in 3ms"},
		{"the same id twice", Failed, "another answer\nin two lines"},
		{"a slow connection", NotChecked, "no time"},
	}}
	var out strings.Builder
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	want := `http://127.0.0.1:9000/geneva, step send_reminder

ok           a signed delivery  200 without a body, in 3ms
FAILED       the same id twice  another answer in two lines
not checked  a slow connection  no time

1 of 3 checks passed, 1 failed, 1 could not be made
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

func TestRunNeedsItsOptions(t *testing.T) {
	for name, spoil := range map[string]func(*Options){
		"guard":  func(o *Options) { o.Guard = nil },
		"URL":    func(o *Options) { o.URL = "" },
		"secret": func(o *Options) { o.Secret = webhook.Secret{} },
		"step":   func(o *Options) { o.Step = "" },
		"data":   func(o *Options) { o.Data = []byte("{") },
	} {
		o := options(t, "http://127.0.0.1:1/")
		spoil(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v, want an error that names it", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, options(t, "http://127.0.0.1:1/")); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
