package queue

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

func TestEmbedded(t *testing.T) {
	t.Parallel()
	conformance(t, func(t *testing.T) Doorbell { return NewEmbedded(nil, 0) })
}

func TestAsynq(t *testing.T) {
	t.Parallel()
	conformance(t, func(t *testing.T) Doorbell { return openAsynq(t, AsynqConfig{URL: testenv.Redis(t)}) })
}

// How late a step may be on a machine that is busy with other tests.
const tolerance = 2 * time.Second

// house is what surrounds a doorbell: rows, a ready list, and a listener that looks up
// what arrives and offers it.
type house struct {
	t    *testing.T
	bell Doorbell
	list *ReadyList
	ran  chan error // what Run returned
	busy bool       // what it says to what arrives

	mu   sync.Mutex
	rows map[uuid.UUID]Item
}

func openHouse(t *testing.T, bell Doorbell) *house {
	h := &house{t: t, bell: bell, list: NewReadyList(Config{}), ran: make(chan error, 1), rows: map[uuid.UUID]Item{}}
	t.Cleanup(h.list.Close)
	return h
}

// listen runs the doorbell's listener until the test ends or stop is called.
func (h *house) listen() (stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ran <- h.bell.Run(ctx, func(id uuid.UUID) bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			if item, found := h.rows[id]; found {
				h.list.Offer(item)
			}
			return h.busy
		})
	}()
	h.t.Cleanup(func() {
		cancel()
		<-done
	})
	return cancel
}

// commit saves a row and rings for it.
func (h *house) commit(item Item) {
	h.mu.Lock()
	h.rows[item.ExecutionID] = item
	h.mu.Unlock()
	h.bell.Ring(Bell{ExecutionID: item.ExecutionID, Queue: item.Queue, Due: item.Due})
}

// done removes a row, so that what rings for it again is passed over.
func (h *house) done(item Item) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.rows, item.ExecutionID)
}

// runs checks that the next item is this one, at its time.
func (h *house) runs(want Item) {
	h.t.Helper()
	slot := take(h.t, h.list)
	late := time.Since(want.Due)
	if slot.Item != want {
		h.t.Errorf("ran %+v, want %+v", slot.Item, want)
	}
	if late < 0 || late > tolerance {
		h.t.Errorf("ran %v after its time", late)
	}
	slot.Release()
}

func newItem(queue string, in time.Duration) Item {
	return Item{ExecutionID: uuid.Must(uuid.NewV7()), Queue: queue, Due: time.Now().Add(in).Round(time.Microsecond).UTC()}
}

func conformance(t *testing.T, open func(t *testing.T) Doorbell) {
	tests := map[string]func(h *house){
		"a step due now starts now": func(h *house) {
			h.listen()
			item := newItem("critical", 0)
			h.commit(item)
			h.runs(item)
		},
		"a later step starts when it is due and not before": func(h *house) {
			h.listen()
			items := []Item{newItem("low", 300*time.Millisecond), newItem("default", 1900*time.Millisecond),
				newItem("critical", 2350*time.Millisecond)}
			for _, item := range items {
				h.commit(item)
			}
			for _, item := range items {
				h.runs(item)
			}
		},
		"a step brought forward starts at its new time": func(h *house) {
			h.listen()
			item := newItem("default", 30*time.Second)
			h.commit(item)
			item.Due = time.Now().Add(2500 * time.Millisecond).Round(time.Microsecond).UTC()
			h.commit(item)
			h.runs(item)
		},
		"bells rung before anybody listens arrive": func(h *house) {
			item := newItem("default", 0)
			h.commit(item)
			h.listen()
			h.runs(item)
		},
		"a bell rung twice runs its step once": func(h *house) {
			h.listen()
			first, second := newItem("default", 1500*time.Millisecond), newItem("default", 1700*time.Millisecond)
			for range 3 {
				h.commit(first)
			}
			h.commit(second)
			h.runs(first)
			h.runs(second)
		},
		"a queue nobody configured is heard": func(h *house) {
			h.listen()
			item := newItem("unheard of", 0)
			h.commit(item)
			h.runs(item)
		},
		"every bell of many arrives": func(h *house) {
			h.listen()
			const many = 900
			for n := range many {
				h.commit(newItem(DefaultQueues()[n%3].Name, time.Duration(n)*time.Millisecond))
			}
			for range many {
				slot := take(h.t, h.list)
				if early := time.Until(slot.Item.Due); early > 0 {
					h.t.Errorf("ran %v before its time", early)
				}
				slot.Release()
			}
		},
		"every bell arrives where there is much to do": func(h *house) {
			h.busy = true
			h.listen()
			const many = 100
			for range many {
				h.commit(newItem(DefaultQueue, 0))
			}
			for range many {
				take(h.t, h.list).Release()
			}
		},
		"ringing never blocks and accounts for every bell": func(h *house) {
			const many = 20_000
			bell := Bell{ExecutionID: id(1), Queue: DefaultQueue, Due: time.Now()}
			start := time.Now()
			for range many {
				h.bell.Ring(bell)
			}
			if took := time.Since(start); took > time.Second {
				h.t.Errorf("%d bells took %v", many, took)
			}
			if err := h.bell.Close(context.Background()); err != nil {
				h.t.Errorf("Close: %v", err)
			}
			if s := h.bell.Stats(); s.Rung == 0 || s.Rung+s.Dropped != many {
				h.t.Errorf("of %d bells %+v", many, s)
			}
		},
		"listening ends with its context": func(h *house) {
			h.listen()()
			if err := <-h.ran; err != nil {
				h.t.Errorf("Run: %v", err)
			}
			item := newItem("default", 0)
			h.commit(item)
			h.listen()
			h.runs(item)
		},
		"closing ends everything": func(h *house) {
			h.listen()
			item := newItem("default", 0)
			h.commit(item)
			h.runs(item)
			for range 2 {
				if err := h.bell.Close(context.Background()); err != nil {
					h.t.Errorf("Close: %v", err)
				}
			}
			if err := <-h.ran; err != nil {
				h.t.Errorf("Run: %v", err)
			}
			if err := h.bell.Run(context.Background(), nil); err != nil {
				h.t.Errorf("Run after Close: %v", err)
			}
			before := h.bell.Stats().Dropped
			h.bell.Ring(Bell{ExecutionID: id(1)})
			if h.bell.Stats().Dropped != before+1 {
				h.t.Error("a bell rung after Close was not dropped")
			}
		},
		"it is healthy": func(h *house) {
			eventually(h.t, "healthy", h.bell.Healthy)
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(openHouse(t, open(t)))
		})
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not %s within 15s", what)
		}
	}
}

func TestEmbeddedLeavesTheFarFutureToTheSweep(t *testing.T) {
	now := time.Now()
	bell := NewEmbedded(func() time.Time { return now }, time.Minute)
	bell.Ring(Bell{ExecutionID: id(1), Due: now.Add(time.Minute + time.Microsecond)})
	if s := bell.Stats(); s != (BellStats{}) {
		t.Errorf("a bell beyond the horizon was kept: %+v", s)
	}
	// What counts is this server's clock, where the two differ.
	bell.Ring(Bell{ExecutionID: id(1), Due: now.Add(time.Hour), At: now.Add(time.Minute)})
	if s := bell.Stats(); s.Rung != 1 {
		t.Errorf("a bell within the horizon was not kept: %+v", s)
	}
}

func TestJobIDNamesExecutionAndDueTime(t *testing.T) {
	due := time.Date(2026, 1, 2, 3, 4, 5, 6_000, time.FixedZone("", 3600))
	if got, want := JobID(id(1), due), "AAAAAAAAcACAAAAAAAAAAQhegnceptfq"; got != want {
		t.Errorf("JobID = %s, want %s", got, want)
	}
	if JobID(id(1), due) != JobID(id(1), due.UTC()) || JobID(id(1), due) == JobID(id(1), due.Add(time.Microsecond)) {
		t.Error("a job is named by the moment, to the microsecond, whatever the zone")
	}
}
