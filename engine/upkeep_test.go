package engine_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

// TestHousekeeping has one of each thing that the slow loop looks after, and beside it one that it has to leave alone.
func TestHousekeeping(t *testing.T) {
	eachWorld(t, func(w *world) {
		t, ctx := w.t, w.t.Context()
		maker, s := w.engine(quiet), w.stepper() // what the maker makes nobody rings for
		w.define(maker, "type: Kept\nsteps: [{name: one}]")
		old := time.Now().UTC().Add(-25 * time.Hour)
		for _, key := range []string{"old", "young"} {
			request := member("Kept", key)
			request.Key = &engine.IdempotencyKey{Scope: "app /v1/workflows", Key: key, Fingerprint: "f"}
			if _, err := maker.Create(ctx, request); err != nil {
				t.Fatal(err)
			}
		}
		w.exec("UPDATE geneva_drive_idempotency_keys SET created_at = ? WHERE idempotency_key = 'old'", old)
		for _, name := range []string{"long dead", "just dead"} {
			id := uuid.Must(uuid.NewV7())
			if err := w.store.RegisterServer(ctx, persistence.Server{ID: id, Name: name, Role: "all", Version: "1"}); err != nil {
				t.Fatal(err)
			}
			w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at WHERE id = ?", id)
		}
		w.exec("UPDATE geneva_drive_servers SET dead_at = ? WHERE name = 'long dead'", old)

		if err := s.Housekeep(ctx); err != nil {
			t.Fatal(err)
		}
		if got := w.column("SELECT idempotency_key FROM geneva_drive_idempotency_keys"); !slices.Equal(got, []string{"young"}) {
			t.Errorf("the keys are %q", got)
		}
		if got := w.column("SELECT name FROM geneva_drive_servers WHERE dead_at IS NOT NULL"); !slices.Equal(got, []string{"just dead"}) {
			t.Errorf("the dead servers are %q", got)
		}
		if w.store.Dialect() == "sqlite" {
			if file, err := os.ReadFile(strings.TrimPrefix(w.url, "sqlite:")); err != nil || !bytes.Contains(file, []byte("just dead")) {
				t.Errorf("what SQLite's log has is not in the file, %v", err)
			}
		}
	})
}
