package engine_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

const personal = "canary-of-a-person"

// createAbout makes a workflow for a subject, with data and everything else that names it.
func (w *world) createAbout(e *engine.Engine, typ, subject string) engine.Workflow {
	w.t.Helper()
	multiple := true
	out, err := e.Create(context.Background(), engine.CreateRequest{Type: typ, SubjectType: "User", SubjectID: subject,
		Data: json.RawMessage(`{"about":"` + subject + `"}`), AllowMultiple: &multiple, Traceparent: "00-" + subject,
		Key: &engine.IdempotencyKey{Scope: "app /v1/workflows", Key: subject + uuid.NewString(), Fingerprint: "f"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Workflow
}

// erased waits until no erasure is left.
func (w *world) erased() {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		if len(linesWith(w.dump(), "geneva_drive_erasures:")) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatal("the erasure does not end")
		}
	}
}

// TestDeletedSubjectLeavesNothing has a subject with attributes and with workflows that finished, failed,
// paused, retry, wait and are in flight, and a bystander with the like.
func TestDeletedSubjectLeavesNothing(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.t
		ctx := context.Background()
		e := w.start()
		w.define(e, "type: Fails\nretry: {max_attempts: 2, initial: PT0.01S}\nsteps: [{name: fail}]")
		w.define(e, "type: Says\nsteps: [{name: say}]")
		w.define(e, "type: Ends\nsteps: [{name: one}, {name: two}]")
		w.define(e, "type: Waits\nsteps: [{name: later, wait: P1D}]")
		w.define(e, "type: Flies\nsteps: [{name: fly}]")
		const bystander = "somebody-else"
		release, flying := make(chan struct{}), make(chan struct{}, 2)
		t.Cleanup(func() { close(release) })
		mine := map[string]uuid.UUID{}
		for _, subject := range []string{personal, bystander} {
			w.receiver.on("fail", func(rw http.ResponseWriter, _ *http.Request) {
				http.Error(rw, "the answer about "+subject, http.StatusInternalServerError)
			})
			w.receiver.on("say", says(`{"action":"fail","error":{"message":"no `+subject+`","backtrace":"in `+subject+`"}}`))
			w.receiver.on("one", says(`{"reason":"because of `+subject+`","data":{"more":"`+subject+`"}}`))
			w.receiver.on("fly", func(rw http.ResponseWriter, _ *http.Request) {
				flying <- struct{}{}
				<-release
			})
			if _, _, err := e.PutSubject(ctx, "User", subject, json.RawMessage(`{"name":"`+subject+`"}`)); err != nil {
				t.Fatal(err)
			}
			for _, typ := range []string{"Fails", "Says", "Ends", "Waits", "Flies"} {
				mine[subject+typ] = w.createAbout(e, typ, subject).ID
			}
			w.awaitState(mine[subject+"Fails"], domain.WorkflowPaused)
			w.awaitState(mine[subject+"Says"], domain.WorkflowPaused)
			w.awaitState(mine[subject+"Ends"], domain.WorkflowFinished)
			<-flying
			if _, err := e.Control(ctx, mine[subject+"Waits"], domain.Command{Verb: domain.VerbPause, Reason: "asked by " + subject}, nil); err != nil {
				t.Fatal(err)
			}
		}
		before := w.dump()
		if n := len(linesWith(before, personal)); n < 12 {
			t.Fatalf("the test has only %d rows about the subject", n)
		}

		if err := e.DeleteSubject(ctx, "User", personal); err != nil {
			t.Fatal(err)
		}

		after := w.dump()
		for _, line := range linesWith(after, personal) {
			t.Errorf("left: %s", line)
		}
		if !slices.Equal(linesWith(before, bystander), linesWith(after, bystander)) {
			t.Errorf("the other subject had\n%s\nand has\n%s", linesWith(before, bystander), linesWith(after, bystander))
		}
		pseudonyms := map[string]bool{}
		for _, typ := range []string{"Fails", "Says", "Ends", "Waits", "Flies"} {
			row, err := w.store.Workflow(ctx, mine[personal+typ])
			if err != nil {
				t.Fatal(err)
			}
			want := domain.WorkflowCanceled
			if typ == "Ends" {
				want = domain.WorkflowFinished
			}
			if row.Workflow.State != want || string(row.Workflow.Data) != "{}" {
				t.Errorf("%s is %s with %s", typ, row.Workflow.State, row.Workflow.Data)
			}
			pseudonyms[row.Workflow.SubjectID] = true
		}
		if len(pseudonyms) != 1 {
			t.Errorf("the subject is now %v", pseudonyms)
		}
		if got := w.history(mine[personal+"Fails"]); got[0] != "fail failed/failed" {
			t.Errorf("what happened is no longer told: %v", got)
		}
		if got, err := w.store.SubjectAttributes(ctx, "User", bystander); err != nil || len(got) == 0 {
			t.Errorf("the other subject has %s, %v", got, err)
		}
	})
}

func TestWhatComesAfterADeletionIsUntouched(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.t
		ctx := context.Background()
		e := w.engine()
		w.define(e, "type: Waits\nsteps: [{name: later, wait: P1D}]")
		const many = 230 // more than a batch
		for range many - 1 {
			w.createAbout(e, "Waits", personal)
		}
		multiple := true
		namesake, err := e.Create(ctx, engine.CreateRequest{Type: "Waits", SubjectType: "Order", SubjectID: personal, AllowMultiple: &multiple})
		if err != nil {
			t.Fatal(err)
		}
		// The mark of a decision goes too.
		if _, err := e.PatchData(ctx, w.createAbout(e, "Waits", personal).ID, []byte(`{"a": 1}`)); err != nil {
			t.Fatal(err)
		}
		order, err := w.store.BeginErasure(ctx, uuid.Must(uuid.NewV7()), "User", personal)
		if err != nil {
			t.Fatal(err)
		}
		// The server died here. The subject comes back before anybody goes on.
		if _, _, err := e.PutSubject(ctx, "User", personal, json.RawMessage(`{"new":true}`)); err != nil {
			t.Fatal(err)
		}
		later := w.createAbout(e, "Waits", personal)
		first, err := w.store.ToErase(ctx, order, false, uuid.Nil)
		if err != nil || len(first) == 0 {
			t.Fatal(first, err)
		}
		if err := w.store.EraseWorkflow(ctx, first[0], order.Pseudonym()); err == nil {
			t.Error("an open workflow was erased")
		}
		w.control(e, first[0], domain.VerbCancel)
		if err := w.store.EraseWorkflow(ctx, first[0], order.Pseudonym()); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := w.store.NextErasure(ctx, time.Minute); ok || err != nil {
			t.Errorf("an erasure that is being worked on was taken over: %t, %v", ok, err)
		}
		if err := w.store.EraseWorkflow(ctx, uuid.New(), order.Pseudonym()); err != nil {
			t.Errorf("a workflow that is gone: %v", err)
		}
		w.exec("UPDATE geneva_drive_erasures SET worked_at = ?", time.Now().Add(-time.Hour))
		w.start()
		w.erased()

		ours, _, err := w.store.Workflows(ctx, persistence.WorkflowFilter{SubjectIDs: []string{order.Pseudonym()},
			States: []domain.WorkflowState{domain.WorkflowCanceled}}, persistence.Page{Limit: many + 1})
		if err != nil || len(ours) != many {
			t.Errorf("%d workflows are erased, want %d (%v)", len(ours), many, err)
		}
		row, err := w.store.Workflow(ctx, namesake.Workflow.ID)
		if err != nil || row.Workflow.State != domain.WorkflowReady || row.Workflow.SubjectID != personal {
			t.Errorf("the workflow of another type of subject is %+v, %v", row.Workflow, err)
		}
		row, err = w.store.Workflow(ctx, later.ID)
		if err != nil || row.Workflow.State != domain.WorkflowReady || row.Workflow.SubjectID != personal || len(row.Workflow.Data) < 5 {
			t.Errorf("the later workflow is %+v, %v", row.Workflow, err)
		}
		if got, err := e.Subject(ctx, "User", personal); err != nil || string(got.Attributes) != `{"new":true}` {
			t.Errorf("the later attributes are %s, %v", got.Attributes, err)
		}
		if keys := linesWith(w.dump(), "geneva_drive_idempotency_keys:"); len(keys) != 1 {
			t.Errorf("%d keys are left, want that of the later workflow", len(keys))
		}
	})
}

func TestDeletingASubjectNobodyKnows(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.t
		e := w.engine()
		for range 2 {
			if err := e.DeleteSubject(context.Background(), "User", "nobody"); err != nil {
				t.Error(err)
			}
		}
		w.erased()
		if err := e.DeleteSubject(context.Background(), "User", ""); domain.CodeOf(err) != domain.CodeInvalidQuery {
			t.Errorf("an empty id: %v", err)
		}
	})
}
