package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

// TestTheSweepDoesNotStarveBehindUnreadableSteps has a sweep's worth of steps whose definition only a newer
// server can read: what became due after them is found all the same, and the log says so once.
func TestTheSweepDoesNotStarveBehindUnreadableSteps(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := context.Background()
		silent := w.engine(func(c *engine.Config) { c.Role = engine.RoleAPI })
		w.define(silent, "type: Newer\nsteps: [{name: one}]")
		w.define(silent, "type: Plain\nsteps: [{name: one}]")
		requests := make([]engine.CreateRequest, engine.MaxCreateBatch)
		for i := range requests {
			requests[i] = engine.CreateRequest{Type: "Newer", SubjectType: "User", SubjectID: uuid.NewString(), OnConflict: domain.ConflictReject}
		}
		if _, failed, err := silent.CreateBatch(ctx, nil, requests); err != nil {
			w.t.Fatal(err, failed)
		}
		w.exec(fmt.Sprintf("UPDATE geneva_drive_definitions SET format = %d WHERE type = 'Newer'", domain.FormatVersion+1))
		wf := w.create(silent, "Plain")

		warnings := 0
		s := engine.Stepper{Engine: w.engine(func(c *engine.Config) {
			c.Logger = slog.New(onLog{told: func(message string) {
				if message == "steps left alone: their definition cannot be read by this server" {
					warnings++
				}
			}})
		})}
		if err := s.Register(ctx); err != nil {
			w.t.Fatal(err)
		}
		found := 0
		for range 3 {
			items, err := s.Sweep(ctx)
			if err != nil {
				w.t.Fatal(err)
			}
			for _, item := range items {
				if item.WorkflowID != wf.ID {
					w.t.Fatalf("the sweep offers a step that this server cannot read: %+v", item)
				}
				found++
			}
		}
		if found == 0 {
			w.t.Error("the step behind the unreadable ones is not found")
		}
		if warnings != 1 {
			w.t.Errorf("%d warnings about one version", warnings)
		}
	})
}

// TestADefinitionInANewerFormatIsListed lists what it can of a definition that a newer server has stored.
func TestADefinitionInANewerFormatIsListed(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Newer\nsteps: [{name: one}]")
		w.define(e, "type: Plain\nsteps: [{name: one}]")
		w.exec(fmt.Sprintf("UPDATE geneva_drive_definitions SET format = %d WHERE type = 'Newer'", domain.FormatVersion+1))
		list, _, err := e.Definitions(context.Background(), persistence.Page{Limit: 10})
		if err != nil || len(list) != 2 {
			w.t.Fatalf("listed %+v, %v", list, err)
		}
		newer, plain := list[0], list[1]
		if newer.Type != "Newer" || newer.Version != 1 || len(newer.Steps) != 0 || newer.CreatedAt.IsZero() {
			w.t.Errorf("the one in a newer format is %+v", newer)
		}
		if plain.Type != "Plain" || len(plain.Steps) != 1 {
			w.t.Errorf("its neighbour is %+v", plain)
		}
		if versions, _, err := e.DefinitionVersions(context.Background(), "Newer", persistence.Page{Limit: 10}); err != nil || len(versions) != 1 {
			w.t.Errorf("its versions are %+v, %v", versions, err)
		}
		if _, err := e.DefinitionVersion(context.Background(), "Newer", 1); err == nil {
			w.t.Error("it is shown whole")
		}
	})
}
