package engine_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

func TestRepeatedRequestsHaveOneEffect(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Once\nsteps: [{name: one, wait: 1d}, {name: two, wait: 1d}, {name: three, wait: 1d}]")
		ctx := context.Background()
		request := engine.CreateRequest{Type: "Once", SubjectType: "User", SubjectID: "1", OnConflict: domain.ConflictReject,
			Key: &engine.IdempotencyKey{Scope: "k /v1/workflows", Key: "a", Fingerprint: "x"}}
		created, replayed := together(w, 16, func() (engine.Written, error) { return e.Create(ctx, request) })
		if created != 1 || replayed != 15 {
			w.t.Errorf("create: %d effects, %d replays", created, replayed)
		}
		out, err := e.Create(ctx, request)
		if err != nil {
			w.t.Fatal(err)
		}
		key := &engine.IdempotencyKey{Scope: "k skip", Key: "b", Fingerprint: "x"}
		skipped, replayed := together(w, 16, func() (engine.Written, error) {
			return e.Control(ctx, out.Workflow.ID, domain.Command{Verb: domain.VerbSkip}, key)
		})
		if skipped != 1 || replayed != 15 {
			w.t.Errorf("skip: %d effects, %d replays", skipped, replayed)
		}
		if now, err := e.Workflow(ctx, out.Workflow.ID); err != nil || now.CurrentStepName != "two" {
			w.t.Errorf("after the skip at %q, %v", now.CurrentStepName, err)
		}
		key.Fingerprint = "y"
		if _, err := e.Control(ctx, out.Workflow.ID, domain.Command{Verb: domain.VerbSkip}, key); domain.CodeOf(err) != domain.CodeIdempotencyMismatch {
			w.t.Errorf("another body under the same key: %v", err)
		}
	})
}

// together makes a request n times at once and counts first answers and replays.
func together(w *world, n int, request func() (engine.Written, error)) (first, replayed int) {
	w.t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			out, err := request()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				w.t.Error(err)
			case out.Replayed:
				replayed++
			default:
				first++
			}
		})
	}
	wg.Wait()
	return first, replayed
}

func TestSkipOfAStaleExecutionIsRefused(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Stale\nsteps: [{name: one, wait: 1d}, {name: two, wait: 1d}]")
		wf := w.create(e, "Stale")
		skip := domain.Command{Verb: domain.VerbSkip, StepExecutionID: &wf.Current.ID}
		if _, err := e.Control(context.Background(), wf.ID, skip, nil); err != nil {
			w.t.Fatal(err)
		}
		if _, err := e.Control(context.Background(), wf.ID, skip, nil); domain.CodeOf(err) != domain.CodeStaleExecution {
			w.t.Errorf("the second skip: %v", err)
		}
	})
}

func TestATerminalWorkflowKeepsItsData(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Ended\nsteps: [{name: one, wait: 1d}]")
		for _, verb := range []domain.Verb{domain.VerbFinish, domain.VerbCancel} {
			wf := w.create(e, "Ended")
			w.control(e, wf.ID, verb)
			if _, err := e.PatchData(w.t.Context(), wf.ID, []byte(`{"a":1}`)); domain.CodeOf(err) != domain.CodeInvalidTransition {
				w.t.Errorf("a patch after %s: %v", verb, err)
			}
			if now, err := e.Workflow(w.t.Context(), wf.ID); err != nil || string(now.Data) != string(wf.Data) {
				w.t.Errorf("after %s and a patch the data is %s, %v", verb, now.Data, err)
			}
		}
	})
}

func TestReattemptBringsAWaitingStepForward(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Forward\nsteps: [{name: one, wait: 30s}]")
		wf := w.create(e, "Forward")
		w.control(e, wf.ID, domain.VerbReattempt)
		w.awaitState(wf.ID, domain.WorkflowFinished)
	})
}

func TestConflictPolicies(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Single\nsteps: [{name: one, wait: 1d}]")
		ctx := context.Background()
		request := engine.CreateRequest{Type: "Single", SubjectType: "User", SubjectID: "7", OnConflict: domain.ConflictReject}
		first, err := e.Create(ctx, request)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := e.Create(ctx, request); domain.CodeOf(err) != domain.CodeWorkflowExists {
			w.t.Errorf("reject: %v", err)
		}
		request.OnConflict = domain.ConflictReturnExisting
		if out, err := e.Create(ctx, request); err != nil || out.Status != 200 || out.Workflow.ID != first.Workflow.ID {
			w.t.Errorf("return_existing: %+v, %v", out, err)
		}
		request.OnConflict = domain.ConflictCancelExisting
		second, err := e.Create(ctx, request)
		if err != nil || second.Status != 201 || second.Workflow.ID == first.Workflow.ID {
			w.t.Errorf("cancel_existing: %+v, %v", second, err)
		}
		w.awaitState(first.Workflow.ID, domain.WorkflowCanceled)
		multiple := true
		request.OnConflict, request.AllowMultiple = domain.ConflictReject, &multiple
		if out, err := e.Create(ctx, request); err != nil || out.Status != 201 {
			w.t.Errorf("allow_multiple: %+v, %v", out, err)
		}
	})
}

func TestUnknownThingsAreNotFound(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		ctx := context.Background()
		id := uuid.Must(uuid.NewV7())
		_, read := e.Workflow(ctx, id)
		_, _, history := e.History(ctx, id, engine.Page{Limit: 1})
		_, control := e.Control(ctx, id, domain.Command{Verb: domain.VerbPause}, nil)
		_, patch := e.PatchData(ctx, id, []byte(`{}`))
		_, _, execution := e.Execution(ctx, id)
		_, create := e.Create(ctx, engine.CreateRequest{Type: "None", SubjectType: "U", SubjectID: "1"})
		for _, tc := range []struct {
			err  error
			code domain.Code
		}{
			{read, domain.CodeWorkflowNotFound}, {history, domain.CodeWorkflowNotFound}, {control, domain.CodeWorkflowNotFound},
			{patch, domain.CodeWorkflowNotFound}, {execution, domain.CodeExecutionNotFound}, {create, domain.CodeDefinitionNotFound},
		} {
			if domain.CodeOf(tc.err) != tc.code {
				w.t.Errorf("%v, want %s", tc.err, tc.code)
			}
		}
	})
}

func TestFirstStepMayWaitAsTheRequestSays(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Wait\nsteps: [{name: one, wait: 1h}]")
		wait := 3 * time.Hour
		out, err := e.Create(context.Background(), engine.CreateRequest{Type: "Wait", SubjectType: "User", SubjectID: "1", Wait: &wait})
		if err != nil {
			w.t.Fatal(err)
		}
		if got := out.Workflow.Current.ScheduledFor.Sub(out.Workflow.CreatedAt); got != wait {
			w.t.Errorf("waits %s", got)
		}
	})
}
