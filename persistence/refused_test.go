package persistence

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestADatabaseThatRefusesThePasswordIsAway has the password of the service changed while it runs: what it asks for on
// new connections is unavailable, and works once the password is as it was.
func TestADatabaseThatRefusesThePasswordIsAway(t *testing.T) {
	testenv.Each(t, func(t *testing.T, name, databaseURL string) {
		if name == "sqlite" {
			t.Skip("it has no passwords")
		}
		ctx := context.Background()
		owner := openEmpty(t, databaseURL)
		exec := func(format string, args ...any) {
			t.Helper()
			if _, err := owner.db.ExecContext(ctx, fmt.Sprintf(format, args...)); err != nil {
				t.Fatal(err)
			}
		}
		u, err := url.Parse(databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		user, change := "u"+strings.ReplaceAll(uuid.NewString(), "-", "")[:16], "ALTER USER %s IDENTIFIED BY '%s'"
		if name == "postgres" {
			change = "ALTER ROLE %s PASSWORD '%s'"
			exec("CREATE ROLE %s LOGIN IN ROLE %s", user, u.User.Username())
			t.Cleanup(func() { exec("DROP ROLE %s", user) })
		} else {
			exec("CREATE USER %s", user)
			t.Cleanup(func() { exec("DROP USER %s", user) })
			exec("GRANT ALL ON %s.* TO %s", strings.Trim(u.Path, "/"), user)
		}
		exec(change, user, "old")
		u.User = url.UserPassword(user, "old")
		s, err := Open(ctx, Config{URL: u.String()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		s.db.SetMaxIdleConns(0) // each takes a new connection
		w := create(t, owner, chain("one")).Workflow

		exec(change, user, "new")
		for what, err := range map[string]error{
			"a claim":  s.Apply(ctx, claimOp(w, "f1")).Err,
			"a create": s.Create(ctx, createOp(chain("one"), "43")).Err,
			"a ping":   s.Ping(ctx),
			"a read":   func() error { _, err := s.Now(ctx); return err }(),
		} {
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: %v, want unavailable", what, err)
			}
		}
		exec(change, user, "old")
		if err := s.Apply(ctx, claimOp(w, "f1")).Err; err != nil {
			t.Errorf("with the password as it was: %v", err)
		}
	})
}
