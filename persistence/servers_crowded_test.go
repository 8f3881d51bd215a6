package persistence

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// crowded makes as many connections as there are places, and hands on what it answers to those who ask for more.
type crowded struct {
	driver.Connector
	places *atomic.Int64
	full   func(ctx context.Context) error
}

func (c crowded) Connect(ctx context.Context) (driver.Conn, error) {
	if c.places.Add(-1) < 0 {
		return nil, c.full(ctx)
	}
	return c.Connector.Connect(ctx)
}

// TestALeaseSharesWhereThereIsNoPlaceForIt has the main pool take all the connections that a database, which refuses more,
// or a pooler, which makes one wait, has for this server. A lease that is not renewed would stop all its work.
func TestALeaseSharesWhereThereIsNoPlaceForIt(t *testing.T) {
	for how, full := range map[string]func(context.Context) error{
		"refused":      func(context.Context) error { return errors.New("too many connections") },
		"left waiting": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(how, func(t *testing.T) {
			testenv.Each(t, func(t *testing.T, name, url string) {
				if name == "sqlite" {
					return // its lease has the one writer's connection
				}
				ctx := t.Context()
				openEmpty(t, url)
				var places atomic.Int64
				places.Store(100)
				s, err := Open(ctx, Config{URL: url, MaxConns: 2, limits: limits{read: readWithin, write: writeWithin, lease: 50 * time.Millisecond},
					Wrap: func(real driver.Connector) driver.Connector { return crowded{real, &places, full} }})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				id := newID()
				if err := s.RegisterServer(ctx, Server{ID: id, Name: "x", Role: "all", Version: "1"}); err != nil {
					t.Fatal(err)
				}
				s.lease.SetMaxIdleConns(-1) // as after an outage: its connection is gone, and the places with it
				fill(t, s.db.DB, 2)
				places.Store(0)
				if alive, err := s.Heartbeat(ctx, id); err != nil || !alive {
					t.Errorf("a heartbeat: alive %t, %v", alive, err)
				}
				if err := s.ReleaseServer(ctx, id); err != nil {
					t.Errorf("a release: %v", err)
				}
			})
		})
	}
}

// fill has a pool open n connections and keep them.
func fill(t *testing.T, pool *sql.DB, n int) {
	t.Helper()
	for range n {
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
}
