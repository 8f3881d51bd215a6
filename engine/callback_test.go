package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/webhook"
)

// accepted answers 202.
func accepted(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusAccepted) }

// complete calls back with the token of a delivery.
func (w *world) complete(e *engine.Engine, d delivery, answer string) (domain.Execution, error) {
	if d.Body.Data.Callback == nil {
		w.t.Errorf("the delivery %s has no callback", d.ID)
		return domain.Execution{}, nil
	}
	return e.Complete(context.Background(), uuid.MustParse(d.ID), d.Body.Data.Callback.Token, []byte(answer))
}

// refused checks that a call back is refused with the code.
func (w *world) refused(e *engine.Engine, d delivery, answer string, code domain.Code) {
	w.t.Helper()
	if x, err := w.complete(e, d, answer); domain.CodeOf(err) != code {
		w.t.Errorf("the callback %s gives %s, %v; want %s", answer, x.State, err, code)
	}
}

// applied checks that a call back is taken.
func (w *world) applied(e *engine.Engine, d delivery, answer string, outcome domain.Outcome) {
	w.t.Helper()
	if x, err := w.complete(e, d, answer); err != nil || x.Outcome != outcome {
		w.t.Errorf("the callback %s gives %q, %v; want %s", answer, x.Outcome, err, outcome)
	}
}

func awaitsCallback(r persistence.Row) bool {
	return r.Execution != nil && r.Execution.AwaitsCallback()
}

const lateYAML = "type: Late\ncallback_timeout: PT1H\nretry: {initial: PT0.01S}\nsteps: [{name: one}, {name: two}]"

// late starts a workflow whose step one answers 202, and gives it and its delivery once it waits.
func (w *world) late(e *engine.Engine) (engine.Workflow, delivery) {
	w.t.Helper()
	w.define(e, lateYAML)
	w.receiver.on("one", accepted)
	wf := w.create(e, "Late")
	d := w.receiver.next(w.t)
	for d.Body.Data.Workflow.ID != wf.ID.String() {
		d = w.receiver.next(w.t) // what an earlier case of the test has left
	}
	w.await(wf.ID, "waiting", awaitsCallback)
	return wf, d
}

// TestA202CountsWhateverItsBody has receivers promise an answer with bodies that would be none.
func TestA202CountsWhateverItsBody(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, lateYAML)
		for name, body := range map[string]http.HandlerFunc{
			"huge": func(rw http.ResponseWriter, r *http.Request) {
				accepted(rw, r)
				_, _ = rw.Write(make([]byte, 2*webhook.MaxAnswerBytes))
			},
			"cut short": func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Length", "100")
				accepted(rw, r)
				_ = http.NewResponseController(rw).Flush()
				panic(http.ErrAbortHandler)
			},
		} {
			w.receiver.on("one", body)
			wf := w.create(e, "Late")
			row := w.await(wf.ID, name+" and waiting", awaitsCallback)
			if row.Execution.Attempt != 1 || row.Execution.Failures != 0 {
				w.t.Errorf("%s: waits after %d attempts, %d of them failed", name, row.Execution.Attempt, row.Execution.Failures)
			}
		}
	})
}

func TestLateAnswer(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start(func(c *engine.Config) { c.Concurrency = 1 })
		wf, d := w.late(e)
		callback := d.Body.Data.Callback
		if callback == nil || callback.URL != publicURL+"/v1/step-executions/"+d.ID+"/complete" || callback.Token == "" {
			w.t.Fatalf("delivered with the callback %+v", callback)
		}
		row := w.await(wf.ID, "waiting", awaitsCallback)
		if row.Workflow.State != domain.WorkflowPerforming || row.Execution.Status != 202 || row.Execution.Deadline.Before(callback.ExpiresAt) ||
			row.Execution.Deadline.Sub(callback.ExpiresAt) > patience || callback.ExpiresAt.Sub(*row.Execution.StartedAt) != time.Hour {
			w.t.Errorf("waits as %s %+v, expires at %s", row.Workflow.State, row.Execution, callback.ExpiresAt)
		}
		other, more := w.late(e) // on the one slot there is
		if more.Body.Data.Callback.Token == callback.Token {
			w.t.Error("two executions have the same token")
		}
		w.receiver.on("two", says(""))
		w.applied(e, d, `{"data": {"a": 1}, "reason": "done at last"}`, domain.OutcomeCompleted)
		row = w.awaitState(wf.ID, domain.WorkflowFinished)
		if string(row.Workflow.Data) != `{"a":1}` {
			w.t.Errorf("data is %s", row.Workflow.Data)
		}
		w.awaitState(other.ID, domain.WorkflowPerforming)

		// The same again, in other words; something else; and whoever has no token.
		w.applied(e, d, `{"action": "complete", "reason": "done at last", "data": {"a":1}}`, domain.OutcomeCompleted)
		w.refused(e, d, `{"action": "cancel"}`, domain.CodeAlreadyCompleted)
		for _, forged := range []string{"", "x", more.Body.Data.Callback.Token, callback.Token + "A", strings.ToUpper(callback.Token)} {
			if _, err := e.Complete(context.Background(), uuid.MustParse(d.ID), forged, nil); domain.CodeOf(err) != domain.CodeUnauthorized {
				w.t.Errorf("the token %q gives %v", forged, err)
			}
		}
		if got := w.history(wf.ID); !slices.Equal(got, []string{"one completed/completed", "two completed/completed"}) {
			w.t.Errorf("history is %q", got)
		}
	})
}

func TestLateAnswersDecide(t *testing.T) {
	cases := []struct {
		answer  string
		state   domain.WorkflowState
		history string
	}{
		{`{"action":"skip"}`, domain.WorkflowFinished, "one skipped/skipped"},
		{`{"action":"pause","reason":"look"}`, domain.WorkflowPaused, "one canceled/paused"},
		{`{"action":"cancel"}`, domain.WorkflowCanceled, "one canceled/canceled"},
		{`{"action":"finish"}`, domain.WorkflowFinished, "one completed/finished"},
		{`{"action":"fail","error":{"message":"no"}}`, domain.WorkflowPaused, "one failed/failed"},
		{`{"action":"reattempt","wait":"PT0S"}`, domain.WorkflowFinished, "one completed/reattempted"},
	}
	eachWorld(t, func(w *world) {
		e := w.start()
		for _, tc := range cases {
			wf, d := w.late(e)
			w.receiver.on("one", says(""))
			if _, err := w.complete(e, d, tc.answer); err != nil {
				w.t.Fatal(err)
			}
			w.awaitState(wf.ID, tc.state)
			if got := w.history(wf.ID); got[0] != tc.history {
				w.t.Errorf("%s: history is %q", tc.answer, got)
			}
			w.refused(e, d, `{"reason": "something else"}`, domain.CodeAlreadyCompleted)
		}
	})
}

func TestBadLateAnswersChangeNothing(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		wf, d := w.late(e)
		before := w.await(wf.ID, "waiting", awaitsCallback)
		for answer, code := range map[string]domain.Code{
			`{"action": "done"}`:                     domain.CodeInvalidAnswer,
			`{"next": {"queue": "nowhere"}}`:         domain.CodeInvalidAnswer,
			`{"action": "complete", "wait": "PT1S"}`: domain.CodeInvalidAnswer,
			`[]`:                                     domain.CodeInvalidAnswer,
			`{"action": `:                            domain.CodeUnreadableBody,
			`{"data": {"x": "` + strings.Repeat("x", domain.MaxDataBytes) + `"}}`: domain.CodeDataTooLarge,
		} {
			w.refused(e, d, answer, code)
		}
		if after := w.await(wf.ID, "waiting", awaitsCallback); after.Workflow.LockVersion != before.Workflow.LockVersion {
			w.t.Errorf("before %+v, after %+v", before.Workflow, after.Workflow)
		}
		w.applied(e, d, "", domain.OutcomeCompleted)
	})
}

// TestCallbackBeforeThe202 has the receiver call back while it is still answering.
func TestCallbackBeforeThe202(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, strings.Replace(lateYAML, "{name: one}", "{name: one, webhook: {timeout: PT5M}}", 1))
		gone := make(chan struct{})
		w.receiver.on("one", func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			close(gone)
		})
		wf := w.create(e, "Late")
		d := w.receiver.next(w.t)
		w.applied(e, d, `{"action":"skip"}`, domain.OutcomeSkipped)
		select {
		case <-gone:
		case <-time.After(patience):
			w.t.Fatal("the delivery went on")
		}
		w.awaitState(wf.ID, domain.WorkflowFinished)
		w.applied(e, d, `{"action":"skip"}`, domain.OutcomeSkipped)
		if got := w.history(wf.ID); !slices.Equal(got, []string{"one skipped/skipped", "two completed/completed"}) {
			w.t.Errorf("history is %q", got)
		}
	})
}

// TestThe202AfterTheCallback has another server than the delivering one take the callback, so that the 202
// does arrive.
func TestThe202AfterTheCallback(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, lateYAML)
		answering := make(chan struct{})
		w.receiver.on("one", func(rw http.ResponseWriter, _ *http.Request) {
			<-answering
			rw.WriteHeader(http.StatusAccepted)
		})
		answer, release := block()
		w.receiver.on("two", answer)
		wf := w.create(e, "Late")
		d := w.receiver.next(w.t)
		w.applied(w.engine(func(c *engine.Config) { c.Role = engine.RoleAPI }), d, "", domain.OutcomeCompleted)
		close(answering)
		if two := w.receiver.next(w.t); two.Step != "two" {
			w.t.Errorf("delivered %s", two.Step)
		}
		release()
		w.awaitState(wf.ID, domain.WorkflowFinished)
	})
}

// TestCallbackAfterACrash has the server that delivered the step die. The token of its attempt counts while
// nobody has taken the step over, and while another server is delivering it again.
func TestCallbackAfterACrash(t *testing.T) {
	eachWorld(t, func(w *world) {
		first := w.engine()
		if err := first.Start(context.Background()); err != nil {
			w.t.Fatal(err)
		}
		w.define(first, lateYAML)
		answer, _ := block()
		w.receiver.on("one", answer)
		scheduled, executing := w.create(first, "Late"), w.create(first, "Late")
		delivered := map[string]delivery{}
		for range 2 {
			d := w.receiver.next(w.t)
			delivered[d.Body.Data.Workflow.ID] = d
		}
		over, cancel := context.WithCancel(context.Background())
		cancel()
		first.Stop(over)
		row := w.await(scheduled.ID, "scheduled again", func(r persistence.Row) bool { return r.Execution.State == domain.ExecutionScheduled })
		if row.Workflow.State != domain.WorkflowReady {
			w.t.Errorf("the workflow is %s", row.Workflow.State)
		}
		api := w.engine(func(c *engine.Config) { c.Role = engine.RoleAPI })
		w.applied(api, delivered[scheduled.ID.String()], `{"action":"finish"}`, domain.OutcomeFinished)
		w.awaitState(scheduled.ID, domain.WorkflowFinished)

		second := w.start()
		d := w.receiver.next(w.t)
		if d.ID != delivered[executing.ID.String()].ID || d.Attempt != "2" {
			w.t.Errorf("delivered again %s as attempt %s", d.ID, d.Attempt)
		}
		w.applied(second, delivered[executing.ID.String()], "", domain.OutcomeCompleted)
		w.awaitState(executing.ID, domain.WorkflowFinished)
	})
}

// TestWaitingNeedsNoServer has the server that got the 202 die, and another one see the callback through.
func TestWaitingNeedsNoServer(t *testing.T) {
	eachWorld(t, func(w *world) {
		first := w.engine()
		if err := first.Start(context.Background()); err != nil {
			w.t.Fatal(err)
		}
		wf, d := w.late(first)
		first.Stop(context.Background())
		w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at")
		second := w.start()
		other := w.create(second, "Late") // by the time it is waiting the sweep has had its say
		w.await(other.ID, "waiting", awaitsCallback)
		if row := w.await(wf.ID, "waiting", awaitsCallback); row.Execution.Interruptions != 0 || row.Execution.Attempt != 1 {
			w.t.Errorf("waits as %+v", row.Execution)
		}
		w.applied(second, d, "", domain.OutcomeCompleted)
		w.awaitState(wf.ID, domain.WorkflowFinished)
	})
}

func TestCallbackWhilePaused(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		wf, d := w.late(e)
		w.control(e, wf.ID, domain.VerbPause)
		w.applied(e, d, "", domain.OutcomeCompleted)
		row := w.await(wf.ID, "held at two", func(r persistence.Row) bool { return r.Execution.StepName == "two" })
		if row.Workflow.State != domain.WorkflowPaused || !row.Execution.Held {
			w.t.Errorf("after the callback: %s, held %t", row.Workflow.State, row.Execution.Held)
		}
		w.control(e, wf.ID, domain.VerbResume)
		w.awaitState(wf.ID, domain.WorkflowFinished)
	})
}

func TestCallbackAfterAVerb(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		for _, verb := range []domain.Verb{domain.VerbSkip, domain.VerbReattempt, domain.VerbCancel, domain.VerbFinish} {
			wf, d := w.late(e)
			w.control(e, wf.ID, verb)
			w.refused(e, d, "", domain.CodeExecutionSuperseded)
		}
	})
}

// expire lets the wait of a workflow's step be over.
func (w *world) expire() {
	w.exec("UPDATE geneva_drive_step_executions SET deadline = created_at WHERE deadline IS NOT NULL AND claimed_by IS NULL")
}

// TestCallbackTimeout lets a deadline pass, found by the callback itself and by the sweep. The step is
// delivered again under the same webhook-id, and its late answer counts again.
func TestCallbackTimeout(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine() // it sweeps only once started
		server := w.start(func(c *engine.Config) { c.Role = engine.RoleAPI })
		w.define(server, strings.Replace(lateYAML, "PT0.01S", "PT1H", 1))
		w.receiver.on("one", accepted)
		wf := w.create(server, "Late")
		worker := w.engine()
		if err := worker.Start(context.Background()); err != nil {
			w.t.Fatal(err)
		}
		d := w.receiver.next(w.t)
		w.await(wf.ID, "waiting", awaitsCallback)
		worker.Stop(context.Background())
		w.expire()
		w.refused(e, d, "", domain.CodeCallbackExpired)
		row := w.await(wf.ID, "scheduled again", func(r persistence.Row) bool { return r.Execution.State == domain.ExecutionScheduled })
		if row.Execution.Failures != 1 || row.Execution.Error.Code != domain.ErrCallbackTimeout || row.Workflow.State != domain.WorkflowReady {
			w.t.Errorf("failed as %+v", row.Execution)
		}
		w.refused(e, d, "", domain.CodeCallbackExpired)
		_, attempts, err := e.Execution(context.Background(), row.Execution.ID)
		if err != nil || len(attempts) != 1 || attempts[0].Error.Code != domain.ErrCallbackTimeout || attempts[0].Status != 202 {
			w.t.Errorf("attempts are %+v, %v", attempts, err)
		}

		w.control(server, wf.ID, domain.VerbReattempt) // now, not in an hour
		w.start()
		if again := w.receiver.next(w.t); again.ID != d.ID || again.Attempt != "2" || again.Body.Data.StepExecution.PreviousError.Code != domain.ErrCallbackTimeout {
			w.t.Errorf("delivered again as %+v", again)
		}
		w.await(wf.ID, "waiting", awaitsCallback)
		w.applied(e, d, "", domain.OutcomeCompleted)
		w.awaitState(wf.ID, domain.WorkflowFinished)
	})
}

func TestTheSweepEndsTheWait(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Late\ncallback_timeout: PT1H\nretry: {max_attempts: 2, initial: PT0.01S}\non_exception: cancel\nsteps: [{name: one}]")
		w.receiver.on("one", accepted)
		wf := w.create(e, "Late")
		first := w.receiver.next(w.t)
		w.await(wf.ID, "waiting", awaitsCallback)
		w.expire()
		second := w.receiver.next(w.t)
		w.await(wf.ID, "waiting", awaitsCallback)
		w.expire()
		if first.ID != second.ID {
			w.t.Errorf("delivered as %s and %s", first.ID, second.ID)
		}
		w.awaitState(wf.ID, domain.WorkflowCanceled)
		w.refused(e, second, "", domain.CodeCallbackExpired)
		x, attempts, err := e.Execution(context.Background(), uuid.MustParse(first.ID))
		if err != nil || len(attempts) != 2 || x.State != domain.ExecutionFailed || x.Interruptions != 0 {
			w.t.Errorf("ended as %+v after %+v, %v", x, attempts, err)
		}
	})
}

// TestOneOfManyAnswersWins has a 2xx and different callbacks arrive at once.
func TestOneOfManyAnswersWins(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		api := w.engine(func(c *engine.Config) { c.Role, c.Store = engine.RoleAPI, w.open() })
		w.define(e, lateYAML)
		for range 5 {
			answering := make(chan struct{})
			w.receiver.on("one", func(rw http.ResponseWriter, r *http.Request) {
				<-answering
				says(`{"data": {"by": "response"}}`)(rw, r)
			})
			wf := w.create(e, "Late")
			d := w.receiver.next(w.t)
			const callbacks = 8
			errs := make([]error, 2*callbacks) // each answer comes twice
			var all sync.WaitGroup
			for i := range errs {
				by := []*engine.Engine{e, api}[i%2]
				all.Go(func() {
					<-answering
					_, errs[i] = w.complete(by, d, fmt.Sprintf(`{"data": {"by": "%d"}}`, i%callbacks))
				})
			}
			close(answering)
			all.Wait()
			row := w.awaitState(wf.ID, domain.WorkflowFinished)
			w.receiver.next(w.t) // step two
			for i, err := range errs {
				won := string(row.Workflow.Data) == fmt.Sprintf(`{"by":"%d"}`, i%callbacks)
				if won != (err == nil) || !won && domain.CodeOf(err) != domain.CodeAlreadyCompleted {
					w.t.Errorf("with %s the callback %d got %v", row.Workflow.Data, i%callbacks, err)
				}
			}
			if got := w.history(wf.ID); !slices.Equal(got, []string{"one completed/completed", "two completed/completed"}) {
				w.t.Errorf("history is %q", got)
			}
		}
	})
}

func TestLateAnswersNeedAnAddressAndAKey(t *testing.T) {
	eachWorld(t, func(w *world) {
		for _, without := range []func(*engine.Config){
			func(c *engine.Config) { c.PublicURL = "" }, func(c *engine.Config) { c.CallbackKey = nil },
		} {
			e := w.engine(without)
			_, _, err := e.RegisterDefinition(context.Background(), "", []byte(lateYAML+"\nwebhook: {url: \"https://x.example\"}"), domain.SourceYAML)
			if domain.CodeOf(err) != domain.CodePublicURLMissing {
				w.t.Errorf("registered with %v", err)
			}
		}
		e := w.start(func(c *engine.Config) { c.CallbackKey = nil })
		w.define(w.engine(), lateYAML)
		w.receiver.on("one", accepted)
		wf := w.create(e, "Late")
		if d := w.receiver.next(w.t); d.Body.Data.Callback != nil {
			w.t.Errorf("delivered with %+v", d.Body.Data.Callback)
		}
		row := w.awaitState(wf.ID, domain.WorkflowPaused)
		if row.Execution.Error.Code != domain.ErrUnexpected202 || !strings.Contains(row.Execution.Error.Message, "GENEVADRIVE_SECRET_KEY") {
			w.t.Errorf("failed as %+v", row.Execution.Error)
		}
		if _, err := e.Complete(context.Background(), row.Execution.ID, "", nil); domain.CodeOf(err) != domain.CodeUnauthorized {
			w.t.Errorf("without a key a callback gets %v", err)
		}
	})
}
