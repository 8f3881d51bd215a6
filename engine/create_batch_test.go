package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// createBatch sends a batch that must not be refused as a whole, and tells of each member its status, or the
// code of its problem.
func (w *world) createBatch(e *engine.Engine, whole *engine.IdempotencyKey, requests ...engine.CreateRequest) ([]engine.Written, string) {
	w.t.Helper()
	outcomes, faults, err := e.CreateBatch(context.Background(), whole, keyedBy(whole, requests...))
	if err != nil {
		w.t.Fatal(err)
	}
	words := make([]string, len(outcomes))
	for i, out := range outcomes {
		switch {
		case faults[i] != nil:
			words[i] = string(domain.CodeOf(faults[i]))
		case out.Replayed:
			words[i] = fmt.Sprintf("%d again", out.Status)
		default:
			words[i] = fmt.Sprint(out.Status)
		}
	}
	return outcomes, strings.Join(words, ", ")
}

// keyedBy gives the members of a batch their keys, of which there are none without one of the whole.
func keyedBy(whole *engine.IdempotencyKey, requests ...engine.CreateRequest) []engine.CreateRequest {
	for i := range requests {
		requests[i].Key = whole.Member(i)
	}
	return requests
}

func member(typ, subject string) engine.CreateRequest {
	return engine.CreateRequest{Type: typ, SubjectType: "User", SubjectID: subject, OnConflict: domain.ConflictReject}
}

func TestABatchStartsWhatItMakes(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start(quiet)
		w.define(e, "type: Now\nsteps: [{name: one}]")
		w.define(e, "type: Later\nsteps: [{name: one, wait: P1D}]")
		hour, at := time.Hour, time.Now().Add(48*time.Hour).UTC().Truncate(time.Microsecond)
		waits, dated, versioned, unknown := member("Now", "waits"), member("Now", "dated"), member("Later", "v1"), member("Later", "v9")
		waits.Wait, dated.At, versioned.DefinitionVersion, unknown.DefinitionVersion = &hour, &at, 1, 9
		outcomes, got := w.createBatch(e, nil, member("Now", "a"), member("Later", "a"), waits, dated, versioned, unknown,
			member("Missing", "a"), member("Now", " "), member("Later", "a"), member("Now", "b"))
		if want := "201, 201, 201, 201, 201, definition_not_found, definition_not_found, invalid_request, workflow_exists, 201"; got != want {
			t.Errorf("the batch gives %s\nwant            %s", got, want)
		}
		for _, i := range []int{0, 9} {
			w.awaitState(outcomes[i].Workflow.ID, domain.WorkflowFinished)
		}
		for i, wait := range map[int]time.Duration{1: 24 * time.Hour, 2: hour, 4: 24 * time.Hour} {
			if out := outcomes[i].Workflow; out.Current.ScheduledFor.Sub(out.CreatedAt) != wait {
				t.Errorf("member %d waits for %v", i, out.Current.ScheduledFor.Sub(out.CreatedAt))
			}
		}
		if due := outcomes[3].Workflow.Current.ScheduledFor; !due.Equal(at) {
			t.Errorf("the dated one is due at %v", due)
		}
	})
}

func TestABatchCancelsWhatIsInTheWay(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start(quiet)
		w.define(e, "type: Slow\nsteps: [{name: one, wait: P1D}]")
		first, _ := w.createBatch(e, nil, member("Slow", "a"), member("Slow", "b"))
		instead, existing := member("Slow", "a"), member("Slow", "b")
		instead.OnConflict, existing.OnConflict = domain.ConflictCancelExisting, domain.ConflictReturnExisting
		second, got := w.createBatch(e, nil, instead, existing, instead)
		if got != "201, 200, 201" || second[1].Workflow.ID != first[1].Workflow.ID {
			t.Errorf("the batch gives %s, %+v", got, second)
		}
		for _, old := range []uuid.UUID{first[0].Workflow.ID, second[0].Workflow.ID} {
			w.awaitState(old, domain.WorkflowCanceled)
		}
		if states := w.counts("Slow"); states != "canceled 2, ready 2" {
			t.Errorf("there are %s", states)
		}
	})
}

func TestARepeatedBatch(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start(quiet)
		w.define(e, "type: Slow\nsteps: [{name: one, wait: P1D}]")
		whole := func(key, fingerprint string) *engine.IdempotencyKey {
			return &engine.IdempotencyKey{Scope: "test /v1/workflows/batch", Key: key, Fingerprint: fingerprint}
		}
		for _, key := range []string{"k", strings.Repeat("k", domain.MaxIdempotencyKeyLength)} {
			in := w.create(e, "Slow")
			first, got := w.createBatch(e, whole(key, "f"), member("Slow", "a"+key[:1]+in.ID.String()), member("Slow", in.SubjectID))
			if got != "201, workflow_exists" {
				t.Fatalf("the first gives %s", got)
			}
			w.control(e, first[0].Workflow.ID, domain.VerbPause)
			w.control(e, in.ID, domain.VerbCancel)
			again, got := w.createBatch(e, whole(key, "f"), member("Slow", "a"+key[:1]+in.ID.String()), member("Slow", in.SubjectID))
			if got != "201 again, 201" || again[0].Workflow.ID != first[0].Workflow.ID || again[0].Workflow.State != domain.WorkflowPaused {
				t.Errorf("the second gives %s, %+v", got, again)
			}
			for _, other := range [][]engine.CreateRequest{{member("Slow", "x"), member("Slow", "y")}, {}} {
				_, _, err := e.CreateBatch(context.Background(), whole(key, "other"), keyedBy(whole(key, "other"), other...))
				if domain.CodeOf(err) != domain.CodeIdempotencyMismatch {
					t.Errorf("another batch of %d under the key: %v", len(other), err)
				}
			}
		}
		if n := w.counts("Slow"); n != "canceled 2, paused 2, ready 2" {
			t.Errorf("there are %s", n)
		}
	})
}

// TestANewVersionIsUsedAtOnce registers versions at one server and creates at another that knows older ones.
func TestANewVersionIsUsedAtOnce(t *testing.T) {
	eachWorld(t, func(w *world) {
		here, elsewhere := w.engine(quiet), w.engine(quiet)
		if _, err := here.Create(context.Background(), member("Many", "a")); domain.CodeOf(err) != domain.CodeDefinitionNotFound {
			t.Fatalf("without a definition: %v", err)
		}
		for version := 1; version <= 3; version++ {
			w.define(elsewhere, fmt.Sprintf("type: Many\nallow_multiple: true\nsteps: [{name: step%d, wait: P1D}]", version))
			var wg sync.WaitGroup
			for range 12 {
				wg.Go(func() {
					out, err := here.Create(context.Background(), member("Many", "a"))
					if err != nil || out.Workflow.DefinitionVersion != version || out.Workflow.CurrentStepName != fmt.Sprintf("step%d", version) {
						t.Errorf("the create after version %d gives %+v, %v", version, out.Workflow, err)
					}
				})
			}
			outcomes, got := w.createBatch(here, nil, member("Many", "a"), member("Many", "b"), member("None", "a"))
			wg.Wait()
			if got != "201, 201, definition_not_found" || outcomes[1].Workflow.DefinitionVersion != version {
				t.Errorf("the batch after version %d gives %s, %+v", version, got, outcomes)
			}
		}
	})
}
