package engine

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/genevadrive/genevadrive/persistence"
)

// TestALoopOutlivesItsErrors has a loop fail for as long as an outage of a day lasts: it goes on at its pace
// through all of it and afterwards, and ends only when it is told to.
func TestALoopOutlivesItsErrors(t *testing.T) {
	store, err := persistence.Open(t.Context(), persistence.Config{URL: "sqlite::memory:"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	synctest.Test(t, func(t *testing.T) {
		for _, jitter := range []float64{0, 0.5, 0.999} {
			e := New(Config{Store: store, Now: time.Now, Jitter: func() float64 { return jitter }, Logger: slog.New(slog.DiscardHandler)})
			const every, outage = time.Minute, 24 * time.Hour
			ctx, cancel := context.WithCancel(t.Context())
			start, failed, well := time.Now(), 0, 0
			e.loop(ctx, every, func(context.Context) error {
				if time.Since(start) < outage {
					failed++
					return errors.New("the database is away")
				}
				well++
				return nil
			})
			<-time.After(2 * outage)
			synctest.Wait()
			cancel()
			e.loops.Wait()
			for what, n := range map[string]int{"during the outage": failed, "after it": well} {
				if runs := int(outage / every); n < runs*9/10-1 || n > runs*10/9+1 {
					t.Errorf("with jitter %v: %d runs %s", jitter, n, what)
				}
			}
		}
	})
}
