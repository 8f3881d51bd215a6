package persistence

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// beforeUpdate does something once, before the first UPDATE.
type beforeUpdate struct {
	do   func()
	done bool
}

func (b *beforeUpdate) BeforeQuery(ctx context.Context, q *bun.QueryEvent) context.Context {
	if !b.done && q.Operation() == "UPDATE" {
		b.done = true
		b.do()
	}
	return ctx
}

func (*beforeUpdate) AfterQuery(context.Context, *bun.QueryEvent) {}

// TestAHeartbeatInTheLastMomentSaves has a server that was silent for long come back after it was found silent and
// before it is declared dead, while another one stays silent.
func TestAHeartbeatInTheLastMomentSaves(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		ctx, back, silent := t.Context(), newID(), newID()
		for _, id := range []uuid.UUID{back, silent} {
			if err := s.RegisterServer(ctx, Server{ID: id, Name: "other", Role: "all", Version: "1"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.db.NewUpdate().TableExpr(serversTable).Set("heartbeat_at = ?", time.Now().UTC().Add(-time.Hour)).Where("dead_at IS NULL").Exec(ctx); err != nil {
			t.Fatal(err)
		}
		meanwhile := &beforeUpdate{do: func() {
			if alive, err := s.Heartbeat(ctx, back); err != nil || !alive {
				t.Errorf("the heartbeat finds the server alive: %t, %v", alive, err)
			}
		}}
		s.lease = s.lease.WithQueryHook(meanwhile)
		buried, err := s.BurySilentServers(ctx, newID(), time.Minute, time.Minute)
		if err != nil || !meanwhile.done || len(buried) != 1 || buried[0].ID != silent {
			t.Errorf("buried %+v, %v; the other one is %s", buried, err, back)
		}
		if alive, err := s.Heartbeat(ctx, back); err != nil || !alive {
			t.Errorf("the server that came back is alive: %t, %v", alive, err)
		}
	})
}
