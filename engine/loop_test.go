package engine

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/dbfault"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
	"github.com/genevadrive/genevadrive/webhook"
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

// TestLoopsDoNotKeepInStep is the pauses of a loop by the jitter that each draws.
func TestLoopsDoNotKeepInStep(t *testing.T) {
	store, err := persistence.Open(t.Context(), persistence.Config{URL: "sqlite::memory:"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	synctest.Test(t, func(t *testing.T) {
		drawn := []float64{0, 0.5, 0.75, 0.25}
		want := []time.Duration{0, 54 * time.Second, 60 * time.Second, 63 * time.Second, 57 * time.Second}
		draw := drawn
		e := New(Config{Store: store, Now: time.Now, Jitter: func() float64 {
			jitter := draw[0]
			draw = draw[1:]
			return jitter
		}, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		var pauses []time.Duration
		last := time.Now()
		e.loop(ctx, time.Minute, func(context.Context) error {
			pauses = append(pauses, time.Since(last))
			if last = time.Now(); len(pauses) == len(want) {
				draw = drawn
				cancel()
			}
			return nil
		})
		e.loops.Wait()
		if !slices.Equal(pauses, want) {
			t.Errorf("with jitter %v the pauses are %v, want %v", drawn, pauses, want)
		}
	})
}

// heard is a log that only tells the messages.
type heard chan string

func (h heard) Enabled(context.Context, slog.Level) bool { return true }
func (h heard) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h heard) WithGroup(string) slog.Handler            { return h }
func (h heard) Handle(_ context.Context, r slog.Record) error {
	h <- r.Message
	return nil
}

// until waits for a message.
func (h heard) until(t *testing.T, message string) {
	t.Helper()
	for late := time.After(time.Minute); ; {
		select {
		case m := <-h:
			if m == message {
				return
			}
		case <-late:
			t.Fatalf("nobody said %q", message)
		}
	}
}

// TestWhatWaitsForWorkOutlivesItsErrors is the loops that run when there is something to do: each meets a database
// that is away, three times, and then does what it is there for.
func TestWhatWaitsForWorkOutlivesItsErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		run  func(*Engine, context.Context)
		give func(*Engine, *domain.Execution)
		says string // when it fails
		did  func(*Engine, *domain.Execution) bool
	}{
		"listen": {(*Engine).listen, func(e *Engine, x *domain.Execution) { e.arrive(x.ID) },
			"ring not followed; the sweep will find the step", isOffered},
		"refill": {(*Engine).refill, func(e *Engine, _ *domain.Execution) { e.backlog <- struct{}{} },
			"sweep failed, will run again", isOffered},
		"work": {func(e *Engine, ctx context.Context) { e.work(ctx, ctx) },
			func(e *Engine, x *domain.Execution) {
				for !e.Ready.Offer(queue.Item{ExecutionID: x.ID, WorkflowID: x.WorkflowID, Queue: x.Queue}) {
					runtime.Gosched() // until the slot of the claim before is free
				}
			},
			"claim failed; the step stays due",
			func(e *Engine, x *domain.Execution) bool {
				now, _, err := e.Store.Execution(context.Background(), x.ID)
				return err == nil && now.Failures > 0
			}},
	} {
		t.Run(name, func(t *testing.T) {
			var away atomic.Bool
			said := make(heard, 1000)
			e := awayEngine(t, &away, said)
			x := oneStep(t, e, nil)
			ctx, cancel := context.WithCancel(context.Background())
			var ended sync.WaitGroup
			ended.Go(func() { tt.run(e, ctx) })
			defer func() { cancel(); ended.Wait() }()
			away.Store(true)
			for range 3 {
				tt.give(e, x)
				said.until(t, tt.says)
			}
			away.Store(false)
			tt.give(e, x)
			tick, late := time.NewTicker(time.Millisecond), time.After(time.Minute)
			defer tick.Stop()
			for !tt.did(e, x) {
				select {
				case <-tick.C:
				case <-late:
					t.Fatal("it does nothing anymore")
				}
			}
		})
	}
}

// TestAnOutageFillsNoLog has the database away for three tries to save one answer.
func TestAnOutageFillsNoLog(t *testing.T) {
	var away atomic.Bool
	e := awayEngine(t, &away, make(heard, 1000))
	x := oneStep(t, e, nil)
	c := e.claim(t.Context(), queue.Item{ExecutionID: x.ID, WorkflowID: x.WorkflowID, Queue: x.Queue}, nil)
	if c == nil {
		t.Fatal("not claimed")
	}
	var levels []slog.Level
	e.Logger = slog.New(onLevel{told: func(level slog.Level) {
		levels = append(levels, level)
		away.Store(len(levels) < 3)
	}})
	away.Store(true)
	e.settle(t.Context(), c, domain.Result{Answer: &domain.Answer{Action: domain.ActionComplete}, Status: 200},
		func(*domain.Execution) bool { return false })
	want := []slog.Level{slog.LevelWarn, slog.LevelDebug, slog.LevelDebug, slog.LevelInfo} // the last tells of the attempt
	if !slices.Equal(levels, want) {
		t.Errorf("lines of the levels %v, want %v", levels, want)
	}
}

// onLevel is a log that only tells the levels.
type onLevel struct {
	heard
	told func(slog.Level)
}

func (h onLevel) Handle(_ context.Context, r slog.Record) error {
	h.told(r.Level)
	return nil
}

func isOffered(e *Engine, x *domain.Execution) bool { return e.Ready.Expects(x.ID, 0) }

// awayEngine is an engine with a lease, over a store that is away at times.
func awayEngine(t *testing.T, away *atomic.Bool, said heard) *Engine {
	t.Helper()
	store, err := persistence.Open(t.Context(), persistence.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "loops.db"), SealingKey: make([]byte, 32),
		Wrap: func(real driver.Connector) driver.Connector {
			return dbfault.New(real, false, nil, func(dbfault.Call) dbfault.Verdict {
				if away.Load() {
					return dbfault.Lost
				}
				return dbfault.Pass
			})
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if _, err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fences, now := 0, time.Now() // time stands still: nothing renews the lease
	e := New(Config{Store: store, Role: RoleAll, Queues: []string{"default"}, Ready: queue.NewReadyList(queue.Config{}),
		Doorbell: queue.NewEmbedded(nil, 0), Horizon: queue.EmbeddedHorizon, Webhooks: webhook.New(webhook.Config{Guard: webhook.NewGuard(nil)}),
		Now: func() time.Time { return now }, NewID: func() uuid.UUID { return uuid.Must(uuid.NewV7()) },
		NewFence: func() domain.Fence { fences++; return domain.Fence(fmt.Sprint("fence ", fences)) },
		Jitter:   func() float64 { return 0.5 }, Logger: slog.New(said)})
	if err := e.lease.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

// oneStep makes a workflow whose step is due, with nobody told. Its receiver is refused by the guard.
func oneStep(t *testing.T, e *Engine, data []byte) *domain.Execution {
	t.Helper()
	yaml := "type: Loop\nwebhook: {url: \"http://127.0.0.1:1/\"}\nsteps: [{name: one}]"
	if _, _, err := e.RegisterDefinition(t.Context(), "", []byte(yaml), domain.SourceYAML); err != nil {
		t.Fatal(err)
	}
	out, err := e.Create(t.Context(), CreateRequest{Type: "Loop", SubjectType: "User", SubjectID: "1", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	e.Ready.Drop(out.Workflow.CurrentExecutionID)
	return out.Workflow.Current
}
