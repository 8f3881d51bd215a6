package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
	"github.com/genevadrive/genevadrive/webhook"
)

// post is one request that a named receiver got.
type post struct {
	path   string
	header http.Header
	body   []byte
}

// signedWith tells which of some secrets have signed the request, as their positions.
func (p post) signedWith(t *testing.T, secrets ...string) string {
	t.Helper()
	unix, err := strconv.ParseInt(p.header.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(p.header.Get("webhook-signature"))
	var by []string
	for i, written := range secrets {
		secret, err := webhook.ParseSecret(written)
		if err != nil {
			t.Fatal(err)
		}
		want := webhook.Sign(p.header.Get("webhook-id"), time.Unix(unix, 0), p.body, secret)
		for _, signature := range got {
			if signature == want {
				by = append(by, strconv.Itoa(i))
			}
		}
	}
	if len(by) != len(got) {
		t.Errorf("%d signatures, of which %d are known", len(got), len(by))
	}
	return strings.Join(by, " ")
}

// named is a receiver that keeps what it got.
type named struct {
	url   string
	posts chan post
}

func newNamed(t *testing.T) named {
	n := named{posts: make(chan post, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a body cut short has a wrong signature
		n.posts <- post{r.URL.RequestURI(), r.Header, body}
	}))
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}

func (n named) next(t *testing.T) post {
	t.Helper()
	select {
	case p := <-n.posts:
		return p
	case <-time.After(patience):
		t.Fatal("no delivery arrived")
		return post{}
	}
}

// register registers a definition as it is.
func (w *world) register(e *engine.Engine, yaml string) {
	w.t.Helper()
	if _, _, err := e.RegisterDefinition(context.Background(), "", []byte(yaml), domain.SourceYAML); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) put(e *engine.Engine, name string, s engine.EndpointSettings) (secret string) {
	w.t.Helper()
	_, secret, _, err := e.PutEndpoint(context.Background(), name, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// in gives an engine a clock that is ahead.
func in(ahead time.Duration) func(*engine.Config) {
	return func(c *engine.Config) {
		c.Now = func() time.Time { return time.Now().Add(ahead) }
		c.Ready = queue.NewReadyList(queue.Config{Now: c.Now})
		c.Doorbell = queue.NewEmbedded(c.Now, queue.EmbeddedHorizon)
	}
}

// TestAReceiverMovesWhileAWorkflowRuns goes through a week: one delivery before the receiver has moved and its
// secret was rotated, one soon after, one when the old secret signs no more.
func TestAReceiverMovesWhileAWorkflowRuns(t *testing.T) {
	eachWorld(t, func(w *world) {
		t, ctx := w.t, context.Background()
		old, next := newNamed(t), newNamed(t)
		worker, other := w.start(), w.engine()
		first := w.put(other, "app", engine.EndpointSettings{URL: old.url + "/base?key=1", Headers: map[string]string{"X-Team": "growth", "x-old": "1"}})
		w.register(other, `
type: Week
webhook: {endpoint: app, path: /hooks, headers: {x-team: own}}
steps: [{name: one}, {name: two, wait: P3D}, {name: three, wait: P3D, webhook: {path: /last}}]`)
		id := w.create(worker, "Week").ID
		p := old.next(t)
		if p.path != "/base/hooks?key=1" || p.header.Get("x-team") != "own" || p.header.Get("x-old") != "1" || p.signedWith(t, first) != "0" {
			t.Errorf("the first delivery went to %s with %v", p.path, p.header)
		}

		w.put(other, "app", engine.EndpointSettings{URL: next.url + "/v2", Headers: map[string]string{"x-new": "1"}})
		rotated, second, err := other.RotateEndpoint(ctx, "app")
		if err != nil || second == "" || second == first || rotated.RotatedAt == nil {
			t.Fatalf("rotated to %+v, %v", rotated, err)
		}
		w.await(id, "at two", func(r persistence.Row) bool { return r.Workflow.CurrentStepName == "two" })
		// Deliveries to the old place may go on for as long as a change takes to arrive; this one is later.
		later := w.start(in(24*time.Hour - time.Minute))
		w.control(later, id, domain.VerbReattempt)
		p = next.next(t)
		if p.path != "/v2/hooks" || p.header.Get("x-new") != "1" || p.header.Get("x-old") != "" || p.signedWith(t, second, first) != "0 1" {
			t.Errorf("the second delivery went to %s with %v", p.path, p.header)
		}
		w.await(id, "at three", func(r persistence.Row) bool { return r.Workflow.CurrentStepName == "three" })
		tomorrow := w.start(in(24*time.Hour + time.Minute))
		stopNow(later)
		stopNow(worker)
		w.control(tomorrow, id, domain.VerbReattempt)
		p = next.next(t)
		if p.path != "/v2/last" || p.signedWith(t, second, first) != "0" {
			t.Errorf("the third delivery went to %s, signed by %s", p.path, p.signedWith(t, second, first))
		}
		w.awaitState(id, domain.WorkflowFinished)
	})
}

// stopNow ends an engine before the test does.
func stopNow(e *engine.Engine) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	e.Stop(ctx)
}

// TestAChangeOfAnEndpointArrives changes it on one server while another delivers.
func TestAChangeOfAnEndpointArrives(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.t
		old, next := newNamed(t), newNamed(t)
		worker, other := w.start(), w.engine()
		w.put(other, "app", engine.EndpointSettings{URL: old.url})
		w.register(other, "type: One\nwebhook: {endpoint: app}\nsteps: [{name: one}]")
		w.create(worker, "One")
		old.next(t)
		w.put(other, "app", engine.EndpointSettings{URL: next.url})
		changed := time.Now()
		for {
			w.create(worker, "One")
			select {
			case <-old.posts:
				if since := time.Since(changed); since > 5*time.Second {
					t.Fatalf("still delivered to the old place after %s", since)
				}
				continue
			case <-next.posts:
			}
			return
		}
	})
}

// TestAnEndpointMadeAnewIsGoneBy: a server that has delivered to the one before it has that no more.
func TestAnEndpointMadeAnewIsGoneBy(t *testing.T) {
	const toApp = "type: One\nwebhook: {endpoint: app}\nsteps: [{name: one}]"
	eachWorld(t, func(w *world) {
		t := w.t
		old, next := newNamed(t), newNamed(t)
		e := w.start()
		first := w.put(e, "app", engine.EndpointSettings{URL: old.url})
		w.register(e, toApp)
		id := w.create(e, "One").ID
		old.next(t)
		w.awaitState(id, domain.WorkflowFinished)
		w.register(e, strings.Replace(toApp, "endpoint: app", `url: "`+next.url+`"`, 1))
		if err := e.DeleteEndpoint(context.Background(), "app"); err != nil {
			t.Fatal(err)
		}

		second := w.put(e, "app", engine.EndpointSettings{URL: next.url})
		w.register(e, toApp)
		w.create(e, "One")
		select {
		case p := <-next.posts:
			if by := p.signedWith(t, first, second); by != "1" {
				t.Errorf("signed by %q", by)
			}
		case <-old.posts:
			t.Error("delivered to the deleted receiver")
		}
	})
}

func TestAMissingEndpointPauses(t *testing.T) {
	for name, hooks := range map[string]string{"of the step": "webhook: {endpoint: app}\n", "of the hook": "webhook: {url: \"%s\"}\nhooks: {before_step_starts: {endpoint: app}}\n"} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				t, ctx := w.t, context.Background()
				hooks := strings.ReplaceAll(hooks, "%s", w.receiver.url)
				e := w.start()
				// An unknown endpoint is no fault of the definition: it may be made at any time.
				w.register(e, "type: One\non_exception: skip\n"+hooks+"steps: [{name: one}, {name: two}]")
				id := w.create(e, "One").ID
				row := w.awaitState(id, domain.WorkflowPaused)
				if x := row.Execution; x.State != domain.ExecutionFailed || x.Attempt != 0 || x.Error.Code != domain.ErrEndpointMissing || !strings.Contains(x.Error.Message, `"app"`) {
					t.Errorf("the execution is %+v, error %+v", x, x.Error)
				}
				w.put(w.engine(), "app", engine.EndpointSettings{URL: w.receiver.url}) // on another server
				w.control(e, id, domain.VerbResume)
				w.awaitState(id, domain.WorkflowFinished)
				if err := e.DeleteEndpoint(ctx, "app"); domain.CodeOf(err) != domain.CodeEndpointInUse {
					t.Errorf("deleting it: %v", err)
				}
			})
		})
	}
}

func TestTimeoutsOfEndpoints(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.t
		e := w.start()
		w.put(e, "app", engine.EndpointSettings{URL: w.receiver.url, Timeout: 90 * time.Second})
		release := make(chan struct{})
		defer close(release)
		w.receiver.on("one", func(http.ResponseWriter, *http.Request) { <-release })
		w.register(e, "type: Its\nwebhook: {endpoint: app}\nsteps: [{name: one}]")
		w.register(e, "type: Own\nwebhook: {endpoint: app, timeout: PT40S}\nsteps: [{name: one}]")
		for typ, want := range map[string]time.Duration{"Its": 90 * time.Second, "Own": 40 * time.Second} {
			row := w.awaitState(w.create(e, typ).ID, domain.WorkflowPerforming)
			if got := row.Execution.Deadline.Sub(*row.Execution.StartedAt) - domain.DeadlineMargin; got != want {
				t.Errorf("%s has a budget of %s, want %s", typ, got, want)
			}
		}
		w.put(e, "app", engine.EndpointSettings{URL: w.receiver.url, Timeout: 100 * time.Millisecond})
		w.register(e, "type: Its\nwebhook: {endpoint: app}\nretry: {max_attempts: 1}\nsteps: [{name: one}]")
		row := w.awaitState(w.create(e, "Its").ID, domain.WorkflowPaused)
		if row.Execution.Error.Code != domain.ErrTimeout {
			t.Errorf("the error is %+v", row.Execution.Error)
		}
	})
}

// TestMaxInFlightOfAnEndpoint runs ten workflows at a receiver that takes one at once, and then four.
func TestMaxInFlightOfAnEndpoint(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.runsUnderLimits("one", "type: One\nwebhook: {endpoint: app}\nsteps: [{name: one}]")
	})
}

// TestMaxInFlightOfAHooksEndpoint does so with a receiver that only the hooks go to.
func TestMaxInFlightOfAHooksEndpoint(t *testing.T) {
	eachWorld(t, func(w *world) {
		steps := newReceiver(w.t)
		w.runsUnderLimits("hook one", "type: One\nwebhook: {url: '"+steps.url+"'}\nhooks: {before_step_starts: {endpoint: app}}\nsteps: [{name: one}]")
	})
}

// runsUnderLimits runs ten workflows of a definition that delivers to the endpoint app, which takes one at once
// and then four.
func (w *world) runsUnderLimits(delivery, yaml string) {
	t, e := w.t, w.start()
	t.Helper()
	w.put(e, "app", engine.EndpointSettings{URL: w.receiver.url, MaxInFlight: 1})
	var mu sync.Mutex
	flying, peak := 0, 0
	goOn := make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	arrived := make(chan int, 100)
	w.receiver.on(delivery, func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		flying++
		peak = max(peak, flying)
		arrived <- flying
		mu.Unlock()
		<-goOn
		mu.Lock()
		flying--
		mu.Unlock()
	})
	w.register(e, yaml)
	var ids []uuid.UUID
	for range 10 {
		ids = append(ids, w.create(e, "One").ID)
	}
	next := func() int {
		t.Helper()
		select {
		case n := <-arrived:
			return n
		case <-time.After(patience):
			t.Fatal("no delivery arrived")
			return 0
		}
	}
	for i := range 5 {
		if n := next(); n != 1 {
			t.Fatalf("%d deliveries at once, 1 is allowed", n)
		}
		if i == 4 {
			w.put(e, "app", engine.EndpointSettings{URL: w.receiver.url, MaxInFlight: 4})
		}
		goOn <- struct{}{}
	}
	for next() < 4 { // what waited under the old limit moves over
	}
	mu.Lock()
	if peak != 4 {
		t.Errorf("%d deliveries at once, 4 are allowed", peak)
	}
	mu.Unlock()
	release()
	for _, id := range ids {
		w.awaitState(id, domain.WorkflowFinished)
	}
}

func TestPuttingAnEndpoint(t *testing.T) {
	given := "whsec_" + strings.Repeat("a", 42) + "A="
	eachWorld(t, func(w *world) {
		t, ctx := w.t, context.Background()
		e := w.engine()
		settings := engine.EndpointSettings{URL: "https://app.example.com", Headers: map[string]string{"X-A": "1"}, Timeout: time.Second, MaxInFlight: 2}
		made, secret, created, err := e.PutEndpoint(ctx, "app", settings)
		if err != nil || !created || !strings.HasPrefix(secret, "whsec_") || made.Headers["x-a"] != "1" || made.RotatedAt != nil {
			t.Fatalf("made %+v, %q, %t, %v", made, secret, created, err)
		}
		again, shown, created, err := e.PutEndpoint(ctx, "app", settings)
		if err != nil || created || shown != "" || !again.CreatedAt.Equal(made.CreatedAt) || again.RotatedAt != nil {
			t.Errorf("again %+v, %q, %t, %v", again, shown, created, err)
		}
		settings.Secret = secret
		if same, shown, _, err := e.PutEndpoint(ctx, "app", settings); err != nil || shown != "" || same.RotatedAt != nil {
			t.Errorf("with the secret it has: %+v, %q, %v", same, shown, err)
		}
		settings.Secret = given
		if other, shown, _, err := e.PutEndpoint(ctx, "app", settings); err != nil || shown != "" || other.RotatedAt == nil {
			t.Errorf("with another secret: %+v, %q, %v", other, shown, err)
		}
		if stored, err := w.store.Endpoint(ctx, "app"); err != nil || stored.Secrets.Current != given || len(stored.Secrets.Previous) != 1 || stored.Secrets.Previous[0].Secret != secret {
			t.Errorf("stored: %v", err)
		}
		if got, err := e.Endpoint(ctx, "app"); err != nil || got.URL != settings.URL || got.Timeout != time.Second || got.MaxInFlight != 2 {
			t.Errorf("read %+v, %v", got, err)
		}
		if list, next, err := e.Endpoints(ctx, engine.Page{Limit: 10}); err != nil || next != "" || len(list) != 1 || list[0].Name != "app" {
			t.Errorf("listed %+v, %q, %v", list, next, err)
		}
		_, _, _, err = e.PutEndpoint(ctx, "9", engine.EndpointSettings{URL: "ftp://x", Secret: "whsec_hunter2"})
		if domain.CodeOf(err) != domain.CodeInvalidRequest || strings.Contains(fmt.Sprint(err), "hunter2") || len(err.(*domain.Error).Problems) != 3 {
			t.Errorf("nothing right: %v", err)
		}
		if _, _, err := e.RotateEndpoint(ctx, "none"); domain.CodeOf(err) != domain.CodeEndpointNotFound {
			t.Errorf("rotating none: %v", err)
		}
		if err := e.DeleteEndpoint(ctx, "app"); err != nil {
			t.Error(err)
		}
		if _, err := e.Endpoint(ctx, "app"); domain.CodeOf(err) != domain.CodeEndpointNotFound {
			t.Errorf("deleted: %v", err)
		}
	})
}

// TestRotationsAtOnceAllCount has more of them than secrets may sign.
func TestRotationsAtOnceAllCount(t *testing.T) {
	eachWorld(t, func(w *world) {
		t, ctx := w.t, context.Background()
		e := w.engine()
		w.put(e, "app", engine.EndpointSettings{URL: "https://app.example.com"})
		before, err := w.store.Endpoint(ctx, "app")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		given := map[string]bool{}
		for range 8 {
			wg.Go(func() {
				_, secret, err := e.RotateEndpoint(ctx, "app")
				mu.Lock()
				defer mu.Unlock()
				given[secret] = true
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		stored, err := w.store.Endpoint(ctx, "app")
		if err != nil || len(given) != 8 || !given[stored.Secrets.Current] || len(stored.Secrets.Previous) != 5 || stored.LockVersion != before.LockVersion+8 {
			t.Errorf("%d secrets were given out; stored is version %d with %d previous (%v)", len(given), stored.LockVersion, len(stored.Secrets.Previous), err)
		}
		for _, p := range stored.Secrets.Previous {
			if !given[p.Secret] || p.Secret == stored.Secrets.Current {
				t.Error("a previous secret is not one that was given out before")
			}
		}
	})
}

// TestSecretsOfEndpointsStayInside looks for them wherever somebody could read: tables, logs, errors, answers.
func TestSecretsOfEndpointsStayInside(t *testing.T) {
	canary := "whsec_" + strings.Repeat("canary", 7) + "A="
	eachWorld(t, func(w *world) {
		t, ctx := w.t, context.Background()
		var log bytes.Buffer
		var mu sync.Mutex
		e := w.start(func(c *engine.Config) {
			c.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		var said []any
		say := func(values ...any) { said = append(said, values...) }
		w.receiver.on("fails", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadRequest) })
		secrets := []string{canary}
		put := func(name, url, secret string) {
			ep, _, _, err := e.PutEndpoint(ctx, name, engine.EndpointSettings{URL: url, Secret: secret})
			say(ep, err)
		}
		put("app", w.receiver.url, canary)
		put("app", "no url", canary)
		put("app", w.receiver.url, canary+"x")
		for range 2 {
			ep, secret, err := e.RotateEndpoint(ctx, "app")
			say(ep, err)
			secrets = append(secrets, secret)
		}
		w.register(e, "type: Fails\nwebhook: {endpoint: app}\nsteps: [{name: fails}]")
		w.register(e, "type: Broken\nwebhook: {endpoint: broken}\nretry: {max_attempts: 1}\nsteps: [{name: fails}]")
		put("broken", "http://127.0.0.1:1", canary)
		w.awaitState(w.create(e, "Fails").ID, domain.WorkflowPaused)
		w.awaitState(w.create(e, "Broken").ID, domain.WorkflowPaused)
		ep, err := e.Endpoint(ctx, "app")
		list, _, _ := e.Endpoints(ctx, engine.Page{Limit: 10})
		say(ep, err, list, e.DeleteEndpoint(ctx, "app"))
		blind, err := persistence.Open(ctx, persistence.Config{URL: w.url, SealingKey: bytes.Repeat([]byte{8}, 32)})
		if err != nil {
			t.Fatal(err)
		}
		defer blind.Close()
		_, err = blind.Endpoint(ctx, "app")
		if err == nil {
			t.Error("another key opens the secrets")
		}
		say(err)
		mu.Lock()
		text := log.String()
		mu.Unlock()
		if len(text) < 100 || len(said) < 10 {
			t.Errorf("the test looked at too little: %s", text)
		}
		for name, where := range map[string]string{"the database": w.dump(), "the log": text, "what was answered": fmt.Sprintf("%+v %#v", said, said)} {
			for _, secret := range secrets {
				key := strings.Trim(strings.TrimPrefix(secret, "whsec_"), "=")
				if strings.Contains(where, key[:12]) || strings.Contains(where, key[len(key)-12:]) {
					t.Errorf("%s holds a secret", name)
				}
			}
		}
	})
}

type lockedWriter struct {
	mu *sync.Mutex
	to io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}
