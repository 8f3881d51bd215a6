package telemetry

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestACountRestsAsLongAsItCosts(t *testing.T) {
	for _, tc := range []struct {
		name        string
		takes, rest time.Duration
	}{
		{"a quick one", time.Millisecond, censusEvery},
		{"a slow one", time.Second / 2, censusShare * time.Second / 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := newCached(time.Now, func(context.Context) (int, error) {
					<-time.After(tc.takes)
					n++
					return n, nil
				})
				defer c.close()
				look := func(want int) {
					t.Helper()
					c.refresh()
					if got := c.value(); got != want {
						t.Errorf("value %d, want %d", got, want)
					}
				}
				look(1)
				look(1)
				<-time.After(tc.rest - time.Millisecond)
				look(1)
				<-time.After(time.Millisecond)
				look(2)
			})
		})
	}
}

func TestNoScrapeWaitsForACountThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		c := newCached(time.Now, func(ctx context.Context) (int, error) {
			if calls.Add(1) > 1 {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return 7, nil
		})
		c.refresh()
		if v := c.value(); v != 7 {
			t.Errorf("the first value is %d", v)
		}
		<-time.After(censusEvery)
		c.refresh()
		started := time.Now()
		if v := c.value(); v != 7 || time.Since(started) != censusPatience {
			t.Errorf("while a count hangs the value is %d after %s", v, time.Since(started))
		}
		<-time.After(censusExpires)
		if v := c.value(); v != 0 {
			t.Errorf("after %s the old value %d is still shown", censusExpires, v)
		}
		c.refresh()
		c.close() // returns although the count would hang on
	})
}

func TestACountThatFailsIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCached(time.Now, func(context.Context) (map[string]int, error) {
			return map[string]int{"half": 1}, errors.New("the database is away")
		})
		defer c.close()
		c.refresh()
		if v := c.value(); v != nil {
			t.Errorf("the value is %v", v)
		}
	})
}
