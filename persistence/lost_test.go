package persistence

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// TestLostClaims has claims of a live server, a dead one and one that nobody knows, and one that awaits a callback,
// each in time and past its deadline.
func TestLostClaims(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		live, dead, unknown := newID(), newID(), newID()
		for _, id := range []uuid.UUID{live, dead} {
			if err := s.RegisterServer(ctx, Server{ID: id, Name: "x", Role: "all", Queues: []string{"default"}, Version: "1"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.ReleaseServer(ctx, dead); err != nil {
			t.Fatal(err)
		}
		now, err := s.Now(ctx)
		if err != nil {
			t.Fatal(err)
		}
		passed := time.Hour
		claim := func(server any, left time.Duration) uuid.UUID {
			w := create(t, s, def).Workflow
			if r := s.Apply(ctx, claimOp(w, "f")); r.Err != nil {
				t.Fatal(r.Err)
			}
			if left < 0 { // each a little later than the one before
				passed -= time.Second
				left = -passed
			}
			_, err := s.db.NewUpdate().Table(executionsTable).Set("claimed_by = ?", server).Set("deadline = ?", now.Add(left)).
				Where("id = ?", w.CurrentExecutionID).Exec(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return w.CurrentExecutionID
		}
		var orphans, expired []uuid.UUID
		for _, server := range []any{unknown, nil, dead, live, nil, unknown} {
			in := claim(server, time.Hour)
			out := claim(server, -1)
			expired = append(expired, out)
			if server == dead {
				orphans = append(orphans, in, out)
			}
		}
		found := func(list []Lost, err error) (ids []uuid.UUID) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			for _, lost := range list {
				if lost.Fence != domain.Fence("f") || lost.WorkflowID == uuid.Nil {
					t.Errorf("found %+v", lost)
				}
				ids = append(ids, lost.ExecutionID)
			}
			return ids
		}
		for _, limit := range []int{len(expired), 4} {
			if got := found(s.Expired(ctx, limit)); !slices.Equal(got, expired[:limit]) {
				t.Errorf("expired, %d at most: %v, want %v", limit, got, expired[:limit])
			}
		}
		got := found(s.Orphans(ctx, 9))
		slices.SortFunc(got, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
		if !slices.Equal(got, orphans) {
			t.Errorf("orphans: %v, want %v", got, orphans)
		}
	})
}
