package persistence

import (
	"context"
	"database/sql/driver"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/internal/netfault"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// eachSilent runs a test on a store with short limits whose server stands behind a proxy, beside one without either.
func eachSilent(t *testing.T, test func(t *testing.T, direct, s *Store, p *netfault.Proxy)) {
	testenv.Each(t, func(t *testing.T, name, databaseURL string) {
		if name == "sqlite" {
			return
		}
		direct := openEmpty(t, databaseURL)
		u, err := url.Parse(databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		p := netfault.Start(t, u.Host)
		u.Host = p.Addr
		s, err := Open(context.Background(), Config{URL: u.String(), limits: limits{read: 200 * time.Millisecond, write: 300 * time.Millisecond, lease: 100 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		direct.sealer, s.sealer = sealerOf(t, 7), sealerOf(t, 7)
		t.Cleanup(func() {
			p.Cut()
			s.Close()
		})
		test(t, direct, s, p)
	})
}

// soon gives the error of a call that ends, and fails the test if it does not.
func soon(t *testing.T, what string, call func() error) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- call() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatalf("%s does not end", what)
		return nil
	}
}

// TestASilentConnectionHoldsNobody has every connection of the store fall silent before each call, without an end, while
// the database is there: a call finds it unavailable at most, and the next one works.
func TestASilentConnectionHoldsNobody(t *testing.T) {
	def := chain("one", "two")
	eachSilent(t, func(t *testing.T, direct, s *Store, p *netfault.Proxy) {
		ctx := context.Background()
		server := newID()
		if err := direct.RegisterServer(ctx, Server{ID: server, Name: "x", Role: "all", Queues: []string{"default"}, Version: "1"}); err != nil {
			t.Fatal(err)
		}
		if err := direct.SaveEndpoint(ctx, someEndpoint("old")); err != nil {
			t.Fatal(err)
		}
		w := create(t, direct, def).Workflow
		silenced := false
		for what, call := range map[string]func() error{
			"the sweep":        func() error { _, _, err := s.Due(ctx, []string{"default"}, 0, 10); return err },
			"a claim":          func() error { return s.Apply(ctx, claimOp(w, "f1")).Err },
			"a create":         func() error { return s.Create(ctx, createOp(def, "1")).Err },
			"a heartbeat":      func() error { _, err := s.Heartbeat(ctx, server); return err },
			"a definition":     func() error { _, _, err := s.SaveDefinition(ctx, def, false); return err },
			"an endpoint":      func() error { return s.SaveEndpoint(ctx, someEndpoint("app")) },
			"an endpoint less": func() error { return s.DeleteEndpoint(ctx, "old") },
			"a subject":        func() error { _, _, err := s.PutSubject(ctx, "User", "2", []byte("{}")); return err },
			"an erasure":       func() error { _, err := s.BeginErasure(ctx, newID(), "User", "3"); return err },
			"a commit": func() error {
				return s.again(ctx, func() error {
					return s.inTx(ctx, func(context.Context, bun.Tx) error {
						if !silenced {
							silenced = true
							p.Silence()
						}
						return nil
					})
				})
			},
			"a farewell": func() error { return s.ReleaseServer(ctx, newID()) },
		} {
			p.Silence()
			err := soon(t, what, call)
			for try := 0; errors.Is(err, ErrUnavailable) && try < 5; try++ {
				err = soon(t, what, call)
			}
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestAMigrationTakesItsTime has another server hold the lock on the schema for longer than a write may take.
func TestAMigrationTakesItsTime(t *testing.T) {
	eachSilent(t, func(t *testing.T, direct, s *Store, _ *netfault.Proxy) {
		ctx := context.Background()
		other, err := direct.db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.ExecContext(ctx, s.dialect.migrationLock); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(2*s.limits.write, func() { _ = other.Raw(func(any) error { return driver.ErrBadConn }) })
		if _, err := s.Migrate(ctx); err != nil {
			t.Error(err)
		}
	})
}
