package persistence

import (
	"context"
	"sync"
	"testing"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestMigrateTogether has several servers bring up one empty database at once.
func TestMigrateTogether(t *testing.T) {
	testenv.Each(t, func(t *testing.T, name, url string) {
		ctx := context.Background()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				s, err := Open(ctx, Config{URL: url})
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				if _, err := s.Migrate(ctx); err != nil {
					t.Error(err)
				}
				if err := s.CheckSchema(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}
