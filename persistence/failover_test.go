package persistence

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// onOneConnection opens the database on PostgreSQL once more, with a main pool of one connection.
func onOneConnection(t *testing.T, test func(t *testing.T, direct, s *Store)) {
	databaseURL := testenv.Postgres(t)
	direct := openEmpty(t, databaseURL)
	s, err := Open(context.Background(), Config{URL: databaseURL, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	test(t, direct, s)
}

// TestADemotedServerIsLeft has the server of a connection take no writes any more, as after a failover: what is written
// goes to another connection, which is one to the new server.
func TestADemotedServerIsLeft(t *testing.T) {
	onOneConnection(t, func(t *testing.T, direct, s *Store) {
		ctx := context.Background()
		def := chain("one", "two")
		claimed := create(t, direct, def).Workflow
		demote := func() {
			t.Helper()
			if _, err := s.db.ExecContext(ctx, "SET default_transaction_read_only = on"); err != nil {
				t.Fatal(err)
			}
		}
		for what, write := range map[string]func() error{
			"a claim":      func() error { return s.Apply(ctx, claimOp(claimed, "f1")).Err },
			"a create":     func() error { return s.Create(ctx, createOp(def, "43")).Err },
			"a subject":    func() error { _, _, err := s.PutSubject(ctx, "User", "43", []byte("{}")); return err },
			"an erasure":   func() error { _, err := s.BeginErasure(ctx, newID(), "User", "44"); return err },
			"two together": func() error { return createTwo(s, def) },
		} {
			demote()
			if err := write(); err != nil {
				t.Errorf("%s, unavailable %t: %v", what, errors.Is(err, ErrUnavailable), err)
			}
		}
	})
}

// createTwo makes two workflows together.
func createTwo(s *Store, def *domain.Definition) error {
	var errs []error
	for _, r := range s.CreateBatch(context.Background(), []CreateOp{createOp(def, "45"), createOp(def, "46")}) {
		errs = append(errs, r.Err)
	}
	return errors.Join(errs...)
}

func TestALeaseLeavesADemotedServer(t *testing.T) {
	onOneConnection(t, func(t *testing.T, _, s *Store) {
		ctx := context.Background()
		id := newID()
		if err := s.RegisterServer(ctx, Server{ID: id, Name: "x", Role: "all", Queues: []string{"default"}, Version: "1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.lease.ExecContext(ctx, "SET default_transaction_read_only = on"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Heartbeat(ctx, id); !errors.Is(err, ErrUnavailable) {
			t.Errorf("the first heartbeat: %v, want unavailable", err)
		}
		if alive, err := s.Heartbeat(ctx, id); err != nil || !alive {
			t.Errorf("the second heartbeat: %t, %v", alive, err)
		}
	})
}

// TestAServerThatTakesNoWritesIsNotOpened wants an error that says so, and obedience to a URL that asks for any server.
func TestAServerThatTakesNoWritesIsNotOpened(t *testing.T) {
	standby, err := url.Parse(testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	options := standby.Query()
	options.Set("default_transaction_read_only", "on")
	standby.RawQuery = options.Encode()
	s, err := Open(context.Background(), Config{URL: standby.String()})
	if err == nil {
		s.Close()
		t.Fatal("it opened")
	}
	if text := err.Error(); !errors.Is(err, ErrUnavailable) || !strings.Contains(text, standby.Host+standby.Path+" cannot be reached") || !strings.Contains(text, "read only connection") {
		t.Errorf("it says %q", text)
	}
	options.Set("target_session_attrs", "any")
	standby.RawQuery = options.Encode()
	if s, err = Open(context.Background(), Config{URL: standby.String()}); err != nil {
		t.Fatal(err)
	}
	s.Close()
}
