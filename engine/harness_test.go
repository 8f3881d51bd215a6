package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/internal/contracttest"
	"github.com/genevadrive/genevadrive/internal/testenv"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
	"github.com/genevadrive/genevadrive/webhook"
)

// patience is how long a test waits for what must happen; it only matters when that does not.
const patience = time.Minute

// publicURL is where the engines of tests say that they can be called back.
const publicURL = "https://geneva.example"

// sealingKey seals the secrets of endpoints in tests.
var sealingKey = bytes.Repeat([]byte{7}, 32)

// world is a database, a receiver, and the engines that a test starts on them.
type world struct {
	t        *testing.T
	url      string
	store    *persistence.Store
	receiver *receiver
}

// eachWorld runs a test on every database.
func eachWorld(t *testing.T, test func(*world)) {
	testenv.Each(t, func(t *testing.T, _, url string) {
		w := &world{t: t, url: url, receiver: newReceiver(t)}
		w.store = w.open()
		if _, err := w.store.Migrate(context.Background()); err != nil {
			t.Fatal(err)
		}
		test(w)
	})
}

func (w *world) open() *persistence.Store {
	w.t.Helper()
	store, err := persistence.Open(context.Background(), persistence.Config{URL: w.url, SealingKey: sealingKey})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { store.Close() })
	return store
}

// engine makes an engine that is not started.
func (w *world) engine(change ...func(*engine.Config)) *engine.Engine {
	cfg := engine.Config{
		Store: w.store, Role: engine.RoleAll, Name: "test", Version: "test", Concurrency: 8,
		PublicURL: publicURL, CallbackKey: []byte("the key of the tests"),
		Queues:   []string{"critical", "default", "low"},
		Ready:    queue.NewReadyList(queue.Config{}),
		Doorbell: queue.NewEmbedded(nil, 0), Horizon: queue.EmbeddedHorizon,
		Webhooks: webhook.New(webhook.Config{UserAgent: "GenevaDrive/test",
			Guard: webhook.NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})}),
		Now:      time.Now,
		NewID:    func() uuid.UUID { return uuid.Must(uuid.NewV7()) },
		NewFence: func() domain.Fence { return domain.Fence(fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())) },
		Jitter:   rand.Float64,
		Logger:   slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	return engine.New(cfg)
}

// start starts an engine that stops with the test.
func (w *world) start(change ...func(*engine.Config)) *engine.Engine {
	w.t.Helper()
	e := w.engine(change...)
	if err := e.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		e.Stop(ctx)
	})
	return e
}

// stepper is an engine that a test steps by hand, with its lease.
func (w *world) stepper(change ...func(*engine.Config)) engine.Stepper {
	w.t.Helper()
	s := engine.Stepper{Engine: w.engine(change...)}
	if err := s.Register(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// define registers a definition of that YAML, whose steps go to the receiver.
func (w *world) define(e *engine.Engine, yaml string) {
	w.t.Helper()
	yaml += "\nwebhook: {url: \"" + w.receiver.url + "\"}\n"
	if _, _, err := e.RegisterDefinition(context.Background(), "", []byte(yaml), domain.SourceYAML); err != nil {
		w.t.Fatal(err)
	}
}

// create makes a workflow of a type for a subject of its own.
func (w *world) create(e *engine.Engine, typ string) engine.Workflow {
	w.t.Helper()
	out, err := e.Create(context.Background(), engine.CreateRequest{Type: typ, SubjectType: "User",
		SubjectID: uuid.NewString(), OnConflict: domain.ConflictReject})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Workflow
}

// control performs a verb that must be possible.
func (w *world) control(e *engine.Engine, id uuid.UUID, verb domain.Verb) engine.Workflow {
	w.t.Helper()
	out, err := e.Control(context.Background(), id, domain.Command{Verb: verb}, nil)
	if err != nil {
		w.t.Fatalf("%s: %v", verb, err)
	}
	return out.Workflow
}

// await waits until the workflow is as wanted.
func (w *world) await(id uuid.UUID, what string, wanted func(persistence.Row) bool) persistence.Row {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		row, err := w.store.Workflow(context.Background(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		if wanted(row) {
			return row
		}
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("the workflow is not %s: %+v, current execution %+v", what, row.Workflow, row.Execution)
		}
	}
}

func (w *world) awaitState(id uuid.UUID, state domain.WorkflowState) persistence.Row {
	w.t.Helper()
	return w.await(id, string(state), func(r persistence.Row) bool { return r.Workflow.State == state })
}

// awaitSubject waits until a subject has a workflow and gives its id.
func (w *world) awaitSubject(subject string) uuid.UUID {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		list, _, err := w.store.Workflows(context.Background(), persistence.WorkflowFilter{SubjectIDs: []string{subject}}, persistence.Page{Limit: 2})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(list) == 1 {
			return list[0].Workflow.ID
		}
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("the subject %s has %d workflows", subject, len(list))
		}
	}
}

// history gives the executions of a workflow as "step state/outcome", in order.
func (w *world) history(id uuid.UUID) []string {
	w.t.Helper()
	list, _, err := w.store.History(context.Background(), id, persistence.Page{Limit: 200})
	if err != nil {
		w.t.Fatal(err)
	}
	lines := make([]string, len(list))
	for i, x := range list {
		lines[i] = fmt.Sprintf("%s %s/%s", x.StepName, x.State, x.Outcome)
		if x.Seq != i+1 {
			w.t.Errorf("execution %d has seq %d", i+1, x.Seq)
		}
	}
	return lines
}

// exec changes rows behind the engine's back.
func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.store.DB().ExecContext(context.Background(), query, args...); err != nil {
		w.t.Fatal(err)
	}
}

// delivery is one POST that the receiver got.
type delivery struct {
	ID      string // webhook-id
	Step    string
	Attempt string
	Body    struct {
		Type string
		Data struct {
			Callback *struct {
				URL, Token string
				ExpiresAt  time.Time `json:"expires_at"`
			}
			Workflow struct {
				ID   string
				Data json.RawMessage
			}
			StepExecution struct {
				Params        json.RawMessage
				PreviousError *domain.ExecutionError `json:"previous_error"`
			} `json:"step_execution"`
		}
	}
}

// receiver is an application: it answers each step as it was told, and reports every delivery. One that breaks the
// published contract fails the test.
type receiver struct {
	t          *testing.T
	url        string
	deliveries chan delivery

	mu      sync.Mutex
	answers map[string]http.HandlerFunc
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, deliveries: make(chan delivery, 1000), answers: map[string]http.HandlerFunc{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// on tells what to answer a step, or with "hook " before its name its hook; by default it is an empty 200.
func (r *receiver) on(step string, answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[step] = answer
}

// says answers with a body.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// once answers the first delivery with first, all later ones with then.
func once(first, then http.HandlerFunc) http.HandlerFunc {
	var used sync.Once
	return func(w http.ResponseWriter, r *http.Request) {
		answer := then
		used.Do(func() { answer = first })
		answer(w, r)
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	d := delivery{ID: req.Header.Get("webhook-id"), Step: req.Header.Get("genevadrive-step"), Attempt: req.Header.Get("genevadrive-attempt")}
	body, err := io.ReadAll(req.Body)
	if err == nil {
		contracttest.Delivery(r.t, body)
		err = json.Unmarshal(body, &d.Body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	name := d.Step
	if strings.HasPrefix(d.Body.Type, "hook.") {
		name = "hook " + name
	}
	answer := r.answers[name]
	r.mu.Unlock()
	r.deliveries <- d
	if answer != nil {
		answer(w, req)
	}
}

// next gives the next delivery.
func (r *receiver) next(t *testing.T) delivery {
	t.Helper()
	select {
	case d := <-r.deliveries:
		return d
	case <-time.After(patience):
		t.Fatal("no delivery arrived")
		return delivery{}
	}
}
