package persistence

import (
	"context"
	"testing"
	"time"
)

// TestWhoMayBury has a silent server, and others that wrote some time ago: only where the database was surely
// there all the time is it declared dead.
func TestWhoMayBury(t *testing.T) {
	const ttl = 15 * time.Second
	type lease struct{ started, heartbeat time.Duration } // ago
	for name, tt := range map[string]struct {
		reached time.Duration // by the one that asks
		others  []lease
		want    int
	}{
		"it was there itself":                    {reached: ttl, want: 1},
		"it has begun just now":                  {reached: time.Second},
		"a gap before it came":                   {reached: 12 * time.Second},
		"servers that restarted again and again": {reached: 2 * time.Second, others: []lease{{5, 4}, {9, 8}, {13, 13}, {18, 16}}, want: 2},
		"one after another, six seconds apart":   {reached: 0, others: []lease{{6, 6}, {12, 12}, {18, 18}}, want: 2},
		"an outage before":                       {reached: 2 * time.Second, others: []lease{{5, 4}, {40, 13}, {40, 16}}},
		"an outage until now":                    {reached: 0, others: []lease{{40, 9}, {40, 12}, {40, 14}, {40, 16}}},
		"a server that has been there for long":  {reached: time.Second, others: []lease{{60, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *Store) {
				ctx := context.Background()
				asking := newID()
				now, err := s.Now(ctx)
				if err != nil {
					t.Fatal(err)
				}
				add := func(l lease) {
					id := newID()
					if err := s.RegisterServer(ctx, Server{ID: id, Name: "other", Role: "all", Queues: []string{"default"}, Version: "1"}); err != nil {
						t.Fatal(err)
					}
					if _, err := s.db.NewUpdate().TableExpr(serversTable).Set("started_at = ?", now.Add(-l.started*time.Second)).
						Set("heartbeat_at = ?", now.Add(-l.heartbeat*time.Second)).Where("id = ?", id).Exec(ctx); err != nil {
						t.Fatal(err)
					}
				}
				add(lease{60, 20})
				for _, l := range tt.others {
					add(l)
				}
				dead, err := s.BurySilentServers(ctx, asking, ttl, tt.reached)
				if err != nil || len(dead) != tt.want {
					t.Errorf("buried %d servers, want %d: %v, %v", len(dead), tt.want, dead, err)
				}
			})
		})
	}
}
