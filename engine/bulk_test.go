package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// quiet keeps thousands of transitions out of the test's log.
func quiet(c *engine.Config) { c.Logger = slog.New(slog.DiscardHandler) }

// createMany makes n workflows of a type, several at once, and gives their ids.
func (w *world) createMany(e *engine.Engine, typ string, n int) []uuid.UUID {
	w.t.Helper()
	ids := make([]uuid.UUID, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				out, err := e.Create(context.Background(), engine.CreateRequest{Type: typ, SubjectType: "User",
					SubjectID: fmt.Sprint(i), OnConflict: domain.ConflictReject})
				if err != nil {
					w.t.Error(err)
					return
				}
				ids[i-1] = out.Workflow.ID
			}
		})
	}
	wg.Wait()
	if w.t.Failed() {
		w.t.FailNow()
	}
	return ids
}

// counts gives how many workflows of a type are in each state, as "ready 3, paused 1".
func (w *world) counts(typ string) string {
	w.t.Helper()
	return strings.Join(w.column("SELECT CONCAT(state, ' ', COUNT(*)) FROM geneva_drive_workflows WHERE type = '"+typ+"' GROUP BY state ORDER BY state"), ", ")
}

func (w *world) bulk(e *engine.Engine, r engine.BulkRequest) engine.BulkResult {
	w.t.Helper()
	result, err := e.Bulk(context.Background(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *world) wantBulk(what string, got engine.BulkResult, matched, changed, failed int) {
	w.t.Helper()
	if got.Matched != matched || got.Changed != changed || len(got.Errors) != failed {
		w.t.Errorf("%s: matched %d, changed %d, %d errors %v; want %d, %d, %d", what,
			got.Matched, got.Changed, len(got.Errors), first(got.Errors), matched, changed, failed)
	}
}

func first[T any](list []T) []T { return list[:min(1, len(list))] }

func TestBulkIsAHandfulOfCalls(t *testing.T) {
	all, limit := 2000, engine.MaxBulk
	if underRace {
		all, limit = 200, 100
	}
	eachWorld(t, func(w *world) {
		e := w.engine(quiet)
		w.define(e, "type: Outage\nsteps: [{name: one, wait: 1d}, {name: two, wait: 1d}]")
		w.define(e, "type: Bystander\nsteps: [{name: one, wait: 1d}]")
		ids := w.createMany(e, "Outage", all)
		w.create(e, "Bystander")
		outage := engine.WorkflowFilter{Types: []string{"Outage"}}

		w.wantBulk("a dry run", w.bulk(e, engine.BulkRequest{Verb: domain.VerbPause, Filter: outage, DryRun: true, Limit: limit}), limit, 0, 0)
		if got, want := w.counts("Outage"), fmt.Sprintf("ready %d", all); got != want {
			w.t.Fatalf("after the dry run there are %s, want %s", got, want)
		}
		pause := engine.BulkRequest{Verb: domain.VerbPause, Filter: outage, Reason: "their service is down", Limit: limit * 7 / 10}
		w.wantBulk("pause 1", w.bulk(e, pause), pause.Limit, pause.Limit, 0)
		w.wantBulk("pause 2", w.bulk(e, pause), pause.Limit, pause.Limit, 0)
		w.wantBulk("pause 3", w.bulk(e, pause), all-2*pause.Limit, all-2*pause.Limit, 0)
		w.wantBulk("pause 4", w.bulk(e, pause), 0, 0, 0)
		row := w.awaitState(ids[0], domain.WorkflowPaused)
		if row.Workflow.Pause.Reason != "their service is down" || !row.Execution.Held {
			w.t.Errorf("paused as %+v, the execution %+v", row.Workflow.Pause, row.Execution)
		}

		// Mixed states: some are canceled or resumed one by one.
		for i := range 10 {
			w.control(e, ids[i], domain.VerbCancel)
			w.control(e, ids[10+i], domain.VerbResume)
		}
		resume := engine.BulkRequest{Verb: domain.VerbResume, Filter: outage, Limit: limit}
		w.wantBulk("resume 1", w.bulk(e, resume), limit, limit, 0)
		w.wantBulk("resume 2", w.bulk(e, resume), all-20-limit, all-20-limit, 0)
		w.wantBulk("resume 3", w.bulk(e, resume), 0, 0, 0)
		if got, want := w.counts("Outage"), fmt.Sprintf("canceled 10, ready %d", all-10); got != want {
			w.t.Errorf("after resume there are %s, want %s", got, want)
		}
		atOne := engine.WorkflowFilter{Types: []string{"Outage"}, StepNames: []string{"one"}}
		skip := engine.BulkRequest{Verb: domain.VerbSkip, Filter: atOne, Limit: limit}
		w.wantBulk("skip", w.bulk(e, skip), limit, limit, 0)
		w.wantBulk("the other half", w.bulk(e, skip), all-10-limit, all-10-limit, 0)
		if got, want := w.history(ids[50]), "[one skipped/skipped two scheduled/]"; fmt.Sprint(got) != want {
			w.t.Errorf("the history is %v, want %s", got, want)
		}
		if got, want := w.counts("Bystander"), "ready 1"; got != want {
			w.t.Errorf("another type has %s, want %s", got, want)
		}
	})
}

func TestBulkTellsWhichRefuse(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine(quiet)
		w.define(e, "type: Stuck\nsteps: [{name: one, wait: 1d}, {name: two, wait: 1d}]")
		ids := w.createMany(e, "Stuck", 130)
		slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		for _, id := range ids {
			w.control(e, id, domain.VerbPause)
		}
		// Of the first six three stand at a step that their definition does not have, three have had all executions they may have.
		for i := range 3 {
			w.exec("UPDATE geneva_drive_workflows SET current_step_name = 'gone' WHERE id = ?", ids[i])
			w.exec("UPDATE geneva_drive_step_executions SET seq = ? WHERE workflow_id = ?", domain.MaxExecutions, ids[3+i])
		}
		stuck := engine.WorkflowFilter{Types: []string{"Stuck"}}
		got := w.bulk(e, engine.BulkRequest{Verb: domain.VerbSkip, Filter: stuck, Limit: 122})
		w.wantBulk("skip", got, 128, 122, 6) // never more than the limit, however many refuse
		codes := map[domain.Code]int{}
		for i, refused := range got.Errors {
			codes[refused.Code]++
			if refused.Detail == "" || i > 0 && refused.WorkflowID.String() <= got.Errors[i-1].WorkflowID.String() {
				w.t.Errorf("error %d: %+v", i, refused)
			}
		}
		if codes[domain.CodeUnknownStep] != 3 || codes[domain.CodeInvalidTransition] != 3 {
			w.t.Errorf("the codes are %v", codes)
		}
		w.wantBulk("cancel", w.bulk(e, engine.BulkRequest{Verb: domain.VerbCancel, Filter: stuck}), 130, 130, 0)
	})
}

func TestBulkBesideOtherClients(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine(quiet)
		w.define(e, "type: Shared\nsteps: [{name: one, wait: 1d}, {name: two, wait: 1d}]")
		ids := w.createMany(e, "Shared", 300)
		shared := engine.WorkflowFilter{Types: []string{"Shared"}, StepNames: []string{"one"}}
		var wg sync.WaitGroup
		var skipped atomic.Int64
		for range 3 {
			wg.Go(func() {
				result, err := e.Bulk(context.Background(), engine.BulkRequest{Verb: domain.VerbSkip, Filter: shared})
				if err != nil || len(result.Errors) > 0 {
					w.t.Errorf("%+v, %v", result, err)
				}
				skipped.Add(int64(result.Changed))
			})
		}
		wg.Go(func() { // whoever comes first, the workflow is canceled in the end
			for _, id := range ids[100:200] {
				if _, err := e.Control(context.Background(), id, domain.Command{Verb: domain.VerbCancel}, nil); err != nil {
					w.t.Error(err)
				}
			}
		})
		wg.Wait()
		if got, want := w.counts("Shared"), "canceled 100, ready 200"; got != want {
			w.t.Errorf("there are %s, want %s", got, want)
		}
		// Nobody was skipped twice: the filter was asked again under the lock.
		twice := w.column("SELECT COUNT(*) FROM geneva_drive_step_executions WHERE step_name = 'two' AND state = 'skipped'")
		once := w.column("SELECT COUNT(*) FROM geneva_drive_step_executions WHERE step_name = 'one' AND state = 'skipped'")
		if twice[0] != "0" || once[0] != fmt.Sprint(skipped.Load()) || skipped.Load() < 200 {
			w.t.Errorf("%s skipped twice, %s once, %d told", twice[0], once[0], skipped.Load())
		}
	})
}

func TestBulkStartsWhatItMakesDue(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.start()
		w.define(e, "type: Due\nsteps: [{name: one, wait: 1d}]")
		id := w.create(e, "Due").ID
		w.wantBulk("reattempt", w.bulk(e, engine.BulkRequest{Verb: domain.VerbReattempt, Filter: engine.WorkflowFilter{Types: []string{"Due"}}}), 1, 1, 0)
		if d := w.receiver.next(w.t); d.Body.Data.Workflow.ID != id.String() {
			w.t.Errorf("delivered %+v", d)
		}
		w.awaitState(id, domain.WorkflowFinished)
	})
}

func TestBulkFilters(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: A\nsteps: [{name: one, wait: 1d}, {name: two, wait: 1d}]")
		w.define(e, "type: B\nallow_multiple: true\nsteps: [{name: one, wait: 1d}]")
		a, b := w.createFor(e, "A", "User", "1"), w.createFor(e, "B", "Order", "1")
		w.exec("UPDATE geneva_drive_step_executions SET state = 'failed', outcome = 'failed', error_code = 'timeout', error_message = 'x' WHERE workflow_id = ?", b.ID)
		before, after := b.CreatedAt, b.CreatedAt.Add(time.Microsecond)
		for name, tc := range map[string]struct {
			filter engine.WorkflowFilter
			want   []uuid.UUID
		}{
			"type":           {engine.WorkflowFilter{Types: []string{"A"}}, []uuid.UUID{a.ID}},
			"types":          {engine.WorkflowFilter{Types: []string{"A", "B", "C"}}, []uuid.UUID{a.ID, b.ID}},
			"state":          {engine.WorkflowFilter{States: []domain.WorkflowState{"ready"}}, []uuid.UUID{a.ID, b.ID}},
			"other states":   {engine.WorkflowFilter{States: []domain.WorkflowState{"finished", "paused"}}, nil},
			"subject type":   {engine.WorkflowFilter{SubjectTypes: []string{"Order"}}, []uuid.UUID{b.ID}},
			"subject":        {engine.WorkflowFilter{SubjectTypes: []string{"User"}, SubjectIDs: []string{"1"}}, []uuid.UUID{a.ID}},
			"error":          {engine.WorkflowFilter{ErrorCodes: []domain.ErrorCode{"timeout", "dns"}}, []uuid.UUID{b.ID}},
			"another error":  {engine.WorkflowFilter{ErrorCodes: []domain.ErrorCode{"dns"}}, nil},
			"created after":  {engine.WorkflowFilter{CreatedAfter: &before}, []uuid.UUID{b.ID}},
			"created before": {engine.WorkflowFilter{CreatedBefore: &before}, []uuid.UUID{a.ID}},
			"created since":  {engine.WorkflowFilter{CreatedAfter: &after}, nil},
		} {
			pause := engine.BulkRequest{Verb: domain.VerbPause, Filter: tc.filter}
			w.wantBulk(name, w.bulk(e, pause), len(tc.want), len(tc.want), 0)
			for _, id := range tc.want {
				w.awaitState(id, domain.WorkflowPaused)
				w.exec("UPDATE geneva_drive_workflows SET state = 'ready', paused_by = NULL, paused_at = NULL WHERE id = ?", id)
			}
		}
		// One that goes on stands at an execution without an outcome.
		w.exec("UPDATE geneva_drive_workflows SET state = 'paused', paused_by = 'failure', paused_at = updated_at WHERE id = ?", b.ID)
		outcome := engine.WorkflowFilter{Outcomes: []domain.Outcome{"failed"}}
		w.wantBulk("outcome", w.bulk(e, engine.BulkRequest{Verb: domain.VerbCancel, Filter: outcome}), 1, 1, 0)
		w.awaitState(b.ID, domain.WorkflowCanceled)
	})
}

func TestBulkRefusesBadRequests(t *testing.T) {
	w := &world{t: t, url: "sqlite:" + t.TempDir() + "/test.db"}
	w.store = w.open()
	some := engine.WorkflowFilter{Types: []string{"A"}}
	for _, tc := range []struct {
		request engine.BulkRequest
		code    domain.Code
		says    string
	}{
		{engine.BulkRequest{Verb: domain.VerbPause}, domain.CodeEmptyFilter, "at least one filter"},
		{engine.BulkRequest{Verb: domain.VerbPause, Filter: engine.WorkflowFilter{Types: []string{}}}, domain.CodeEmptyFilter, ""},
		{engine.BulkRequest{Verb: "explode", Filter: some}, domain.CodeInvalidRequest, `#/verb: There is no verb "explode"`},
		{engine.BulkRequest{Filter: some}, domain.CodeInvalidRequest, "#/verb"},
		{engine.BulkRequest{Verb: domain.VerbPause, Filter: some, Limit: 1001}, domain.CodeInvalidRequest, "#/limit: The limit must be from 1 to 1000."},
		{engine.BulkRequest{Verb: domain.VerbPause, Filter: some, Limit: -1}, domain.CodeInvalidRequest, "#/limit"},
	} {
		_, err := w.engine().Bulk(context.Background(), tc.request)
		if domain.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%+v: %v, want %s with %q", tc.request, err, tc.code, tc.says)
		}
	}
}
