package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

func TestChainRunsInOrder(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Chain\nsteps: [{name: one, params: {depth: 2}}, {name: two}, {name: three}]")
		w.receiver.on("one", says(`{"data": {"seen": 1}}`))
		wf := w.create(e, "Chain")
		if wf.State != domain.WorkflowReady || wf.CurrentStepName != "one" {
			t.Errorf("created as %s at %q", wf.State, wf.CurrentStepName)
		}
		for i, step := range []string{"one", "two", "three"} {
			d := w.receiver.next(t)
			if d.Step != step || d.Attempt != "1" || d.Body.Data.Workflow.ID != wf.ID.String() {
				t.Errorf("delivery %d is %+v", i+1, d)
			}
			if want := []string{`{}`, `{"seen":1}`, `{"seen":1}`}[i]; string(d.Body.Data.Workflow.Data) != want {
				t.Errorf("data of %s is %s, want %s", step, d.Body.Data.Workflow.Data, want)
			}
		}
		row := w.awaitState(wf.ID, domain.WorkflowFinished)
		if row.Workflow.FinishedAt == nil || row.Workflow.StartedAt == nil || row.Workflow.CurrentStepName != "" {
			t.Errorf("finished as %+v", row.Workflow)
		}
		want := []string{"one completed/completed", "two completed/completed", "three completed/completed"}
		if got := w.history(wf.ID); !slices.Equal(got, want) {
			t.Errorf("history is %q", got)
		}
	})
}

func TestAnswersDecide(t *testing.T) {
	for _, tc := range []struct {
		name    string
		answer  http.HandlerFunc
		state   domain.WorkflowState
		history []string
	}{
		{"complete by an empty 204", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(204) }, domain.WorkflowFinished,
			[]string{"one completed/completed", "two completed/completed"}},
		{"skip", says(`{"action":"skip"}`), domain.WorkflowFinished, []string{"one skipped/skipped", "two completed/completed"}},
		{"reattempt", says(`{"action":"reattempt","wait":"PT0S"}`), domain.WorkflowFinished,
			[]string{"one completed/reattempted", "one completed/completed", "two completed/completed"}},
		{"pause", says(`{"action":"pause","reason":"look at it"}`), domain.WorkflowPaused, []string{"one canceled/paused"}},
		{"cancel", says(`{"action":"cancel"}`), domain.WorkflowCanceled, []string{"one canceled/canceled"}},
		{"finish", says(`{"action":"finish"}`), domain.WorkflowFinished, []string{"one completed/finished"}},
		{"fail for good", says(`{"action":"fail","error":{"message":"no"}}`), domain.WorkflowPaused, []string{"one failed/failed"}},
		{"an unknown action", says(`{"action":"done"}`), domain.WorkflowPaused, []string{"one failed/failed"}},
		{"a status that fails for good", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(422) }, domain.WorkflowPaused,
			[]string{"one failed/failed"}},
		{"an unexpected 202", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(202) }, domain.WorkflowPaused,
			[]string{"one failed/failed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				e := w.start()
				w.define(e, "type: Answers\nsteps: [{name: one}, {name: two}]")
				answer := tc.answer
				if tc.name == "reattempt" {
					answer = once(answer, says(""))
				}
				w.receiver.on("one", answer)
				wf := w.create(e, "Answers")
				w.awaitState(wf.ID, tc.state)
				if got := w.history(wf.ID); !slices.Equal(got, tc.history) {
					w.t.Errorf("history is %q, want %q", got, tc.history)
				}
			})
		})
	}
}

func TestFailedAttemptIsRetriedUnderTheSameID(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Retry\nretry: {initial: PT0.05S, max_attempts: 3}\nsteps: [{name: one}]")
		w.receiver.on("one", once(func(rw http.ResponseWriter, _ *http.Request) {
			http.Error(rw, "overloaded", http.StatusServiceUnavailable)
		}, says("")))
		wf := w.create(e, "Retry")
		first, second := w.receiver.next(w.t), w.receiver.next(w.t)
		if first.ID != second.ID || first.Attempt != "1" || second.Attempt != "2" {
			w.t.Errorf("delivered as %s attempt %s, then %s attempt %s", first.ID, first.Attempt, second.ID, second.Attempt)
		}
		if p := second.Body.Data.StepExecution.PreviousError; p == nil || p.Code != domain.ErrHTTPStatus || p.Status != 503 {
			w.t.Errorf("previous_error is %+v", p)
		}
		row := w.awaitState(wf.ID, domain.WorkflowFinished)
		_, attempts, err := e.Execution(context.Background(), row.Execution.ID)
		if err != nil || len(attempts) != 2 || attempts[0].Status != 503 || attempts[0].Excerpt != "overloaded\n" || attempts[1].Error != nil {
			w.t.Errorf("attempts are %+v, %v", attempts, err)
		}
	})
}

// TestThePreviousErrorIsDeliveredWhole fails attempts with and without a status and a backtrace; the receiver checks
// the deliveries that follow against the contract.
func TestThePreviousErrorIsDeliveredWhole(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Told\nretry: {initial: PT0.01S}\nsteps: [{name: one}]")
		w.define(e, "type: Impatient\nretry: {initial: PT0.01S}\nsteps: [{name: one, webhook: {timeout: PT0.5S}}]")
		for want, failing := range map[domain.ErrorCode]http.HandlerFunc{
			domain.ErrHTTPStatus:     func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) },
			domain.ErrConnection:     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			domain.ErrTimeout:        func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			domain.ErrReceiverFailed: says(`{"action":"fail","retryable":true,"error":{"message":"no","backtrace":"main.go:1"}}`),
		} {
			w.receiver.on("one", once(failing, says("")))
			typ := "Told"
			if want == domain.ErrTimeout {
				typ = "Impatient" // the others shall not time out on a machine that has much to do
			}
			wf := w.create(e, typ)
			w.receiver.next(w.t)
			if p := w.receiver.next(w.t).Body.Data.StepExecution.PreviousError; p == nil || p.Code != want {
				w.t.Errorf("after %s the previous error is %+v", want, p)
			}
			w.awaitState(wf.ID, domain.WorkflowFinished)
		}
	})
}

func TestAttemptsAreLimited(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Limited\nretry: {initial: PT0.01S, max_attempts: 2}\non_exception: skip\nsteps: [{name: one}, {name: two}]")
		w.receiver.on("one", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) })
		wf := w.create(e, "Limited")
		w.awaitState(wf.ID, domain.WorkflowFinished)
		want := []string{"one failed/skipped", "two completed/completed"}
		if got := w.history(wf.ID); !slices.Equal(got, want) {
			w.t.Errorf("history is %q", got)
		}
	})
}

// block answers only when released; it reports each delivery that waits.
func block() (answer http.HandlerFunc, release func()) {
	released := make(chan struct{})
	return func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
		case <-r.Context().Done():
		}
	}, func() { close(released) }
}

func TestPauseLetsTheStepInFlightFinish(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Paused\nsteps: [{name: one}, {name: two}]")
		answer, release := block()
		w.receiver.on("one", answer)
		wf := w.create(e, "Paused")
		w.receiver.next(w.t)
		if paused := w.control(e, wf.ID, domain.VerbPause); paused.State != domain.WorkflowPaused || paused.Current.State != domain.ExecutionExecuting {
			w.t.Errorf("paused as %s with %s", paused.State, paused.Current.State)
		}
		release()
		row := w.await(wf.ID, "held at two", func(r persistence.Row) bool { return r.Execution.StepName == "two" })
		if row.Workflow.State != domain.WorkflowPaused || !row.Execution.Held {
			w.t.Errorf("after the answer: %s, held %t", row.Workflow.State, row.Execution.Held)
		}
		w.control(e, wf.ID, domain.VerbResume)
		w.awaitState(wf.ID, domain.WorkflowFinished)
	})
}

func TestCancelAbortsTheDeliveryInFlight(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Canceled\nsteps: [{name: one, webhook: {timeout: PT5M}}, {name: two}]")
		gone := make(chan struct{})
		w.receiver.on("one", func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			close(gone)
		})
		wf := w.create(e, "Canceled")
		w.receiver.next(w.t)
		w.control(e, wf.ID, domain.VerbCancel)
		select {
		case <-gone:
		case <-time.After(patience):
			w.t.Fatal("the delivery went on")
		}
		w.awaitState(wf.ID, domain.WorkflowCanceled)
		if got := w.history(wf.ID); !slices.Equal(got, []string{"one canceled/canceled"}) {
			w.t.Errorf("history is %q", got)
		}
	})
}

func TestStopHandsBackWhatDoesNotFinish(t *testing.T) {
	eachWorld(t, func(w *world) {
		first := w.engine()
		if err := first.Start(context.Background()); err != nil {
			w.t.Fatal(err)
		}
		w.define(first, "type: HandedBack\nsteps: [{name: one}]")
		answer, _ := block()
		w.receiver.on("one", once(answer, says("")))
		wf := w.create(first, "HandedBack")
		w.receiver.next(w.t)
		over, cancel := context.WithCancel(context.Background())
		cancel()
		first.Stop(over)
		row, err := w.store.Workflow(context.Background(), wf.ID)
		if err != nil || row.Execution.State != domain.ExecutionScheduled || row.Execution.Interruptions != 0 {
			w.t.Fatalf("after the stop: %+v, %v", row.Execution, err)
		}
		w.start()
		w.awaitState(wf.ID, domain.WorkflowFinished)
		if d := w.receiver.next(w.t); d.Attempt != "2" {
			w.t.Errorf("delivered again as attempt %s", d.Attempt)
		}
	})
}

func TestMaxInFlightHoldsDeliveriesBack(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		yaml := "type: Narrow\nsteps: [{name: one, webhook: {max_in_flight: 1}}]"
		w.define(e, yaml)
		answer, release := block()
		w.receiver.on("one", once(answer, says("")))
		a, b := w.create(e, "Narrow"), w.create(e, "Narrow")
		w.receiver.next(w.t)
		if n := e.InFlight(); n != 1 {
			w.t.Errorf("%d deliveries in flight", n)
		}
		if d := len(w.receiver.deliveries); d != 0 {
			w.t.Errorf("%d more deliveries arrived", d)
		}
		release()
		w.awaitState(a.ID, domain.WorkflowFinished)
		w.awaitState(b.ID, domain.WorkflowFinished)
	})
}

// TestMaxInFlightCountsHooks has workflows whose steps go to one receiver and whose hooks to another, which takes two
// at once.
func TestMaxInFlightCountsHooks(t *testing.T) {
	const limit, all = 2, 6
	eachWorld(t, func(w *world) {
		e := w.start()
		gate := newReceiver(w.t)
		goOn := make(chan struct{})
		var flying atomic.Int64
		gate.on("hook one", func(http.ResponseWriter, *http.Request) {
			if n := flying.Add(1); n > limit {
				w.t.Errorf("%d deliveries at the hook's receiver at once, %d are allowed", n, limit)
			}
			<-goOn
			flying.Add(-1)
		})
		w.define(e, fmt.Sprintf("type: Gated\nhooks: {before_step_starts: {url: %q, max_in_flight: %d}}\nsteps: [{name: one}]", gate.url, limit))
		var ids []uuid.UUID
		for range all {
			ids = append(ids, w.create(e, "Gated").ID)
		}
		for range limit {
			gate.next(w.t)
		}
		if s := e.Ready.Stats(); s.Running != limit || s.Parked != all-limit {
			w.t.Errorf("%d run and %d wait for the receiver, want %d and %d", s.Running, s.Parked, limit, all-limit)
		}
		close(goOn)
		for _, id := range ids {
			w.awaitState(id, domain.WorkflowFinished)
		}
	})
}

func TestRolesSplit(t *testing.T) {
	eachWorld(t, func(w *world) {
		front := w.start(func(c *engine.Config) { c.Role = engine.RoleAPI })
		w.define(front, "type: Split\nsteps: [{name: one}]")
		wf := w.create(front, "Split")
		w.start(func(c *engine.Config) { c.Role = engine.RoleWorker })
		w.awaitState(wf.ID, domain.WorkflowFinished)
	})
}

// TestADeliveryThatCannotBeWrittenIsNobodysAnswer spoils what is stored of a workflow before its step is claimed.
func TestADeliveryThatCannotBeWrittenIsNobodysAnswer(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Spoilt\nretry: {max_attempts: 2, initial: PT0.01S}\nsteps: [{name: one}]")
		wf := w.create(e, "Spoilt")
		w.exec("UPDATE geneva_drive_workflows SET data = '{'")
		w.start()
		row := w.awaitState(wf.ID, domain.WorkflowPaused)
		if x := row.Execution; x.Error.Code != domain.ErrInterrupted || x.Failures != 2 || !strings.Contains(x.Error.Message, "nothing was sent") {
			w.t.Errorf("the step has failed %d times, with %+v", x.Failures, x.Error)
		}
		if n := w.drain(); n > 0 {
			w.t.Errorf("%d deliveries were made", n)
		}
		w.explained(e, wf.ID, "interrupted", whilePaused...)
	})
}
