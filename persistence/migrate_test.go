package persistence_test

import (
	"context"
	"testing"

	"github.com/genevadrive/genevadrive/internal/testenv"
	"github.com/genevadrive/genevadrive/persistence"
)

// TestMigrationsRunAgain has a server die after each migration and before it could note it.
func TestMigrationsRunAgain(t *testing.T) {
	testenv.Each(t, func(t *testing.T, _, url string) {
		ctx := context.Background()
		s, err := persistence.Open(ctx, persistence.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		first, err := s.Migrate(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.DB().ExecContext(ctx, "DELETE FROM geneva_drive_migrations"); err != nil {
			t.Fatal(err)
		}
		second, err := s.Migrate(ctx)
		if err != nil || len(second) != len(first) {
			t.Errorf("applied %q, then %q, %v", first, second, err)
		}
		if err := s.CheckSchema(ctx); err != nil {
			t.Error(err)
		}
	})
}
