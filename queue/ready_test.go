package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
)

// A server that testenv shares among tests ends with the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
}

// id is a readable, fixed execution id.
func id(n int) uuid.UUID { return uuid.MustParse(fmt.Sprintf("00000000-0000-7000-8000-%012d", n)) }

func due(n int) Item { return Item{ExecutionID: id(n), Queue: DefaultQueue, Priority: 5} }

func dueIn(n int, d time.Duration) Item {
	item := due(n)
	item.Due = time.Now().Add(d)
	return item
}

func call(n int, receiver string, limit int) Item {
	item := due(n)
	item.Receiver = Receiver{receiver, limit}
	return item
}

func offer(t *testing.T, l *ReadyList, items ...Item) {
	t.Helper()
	for _, item := range items {
		if !l.Offer(item) {
			t.Fatalf("Offer(%v) = false", item.ExecutionID)
		}
	}
}

// take returns the next slot of a list that must have one.
func take(t *testing.T, l *ReadyList) *Slot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	slot, err := l.Next(ctx)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return slot
}

// nothing fails if the list would start anything now.
func nothing(t *testing.T, l *ReadyList) {
	t.Helper()
	if s := l.Stats(); l.Waiting() != 0 {
		t.Fatalf("the list has something to run: %+v", s)
	}
}

// order takes and releases n items and returns their numbers.
func order(t *testing.T, l *ReadyList, n int) (got []int) {
	t.Helper()
	for range n {
		slot := take(t, l)
		got = append(got, number(slot.Item))
		slot.Release()
	}
	return got
}

func number(item Item) int {
	var n int
	_, _ = fmt.Sscanf(strings.TrimLeft(item.ExecutionID.String()[24:], "0"), "%d", &n)
	return n
}

func TestItemsRunByPriorityThenDueTimeThenArrival(t *testing.T) {
	now := time.Now()
	l := NewReadyList(Config{})
	defer l.Close()
	add := func(n, priority int, ago time.Duration) {
		item := due(n)
		item.Priority, item.Due = priority, now.Add(-ago)
		offer(t, l, item)
	}
	add(1, 9, time.Hour)
	add(2, 5, time.Second)
	add(3, 5, time.Minute)
	add(4, 0, 0)
	add(5, 5, time.Minute)
	if got, want := order(t, l, 5), []int{4, 3, 5, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestQueuesShareByWeight(t *testing.T) {
	tests := map[string]struct {
		queues   []QueueWeight
		receiver Item // of every item
		want     map[string]int
	}{
		"defaults":             {nil, Item{}, map[string]int{"critical": 60, "default": 30, "low": 10}},
		"others":               {[]QueueWeight{{"a", 1}, {"b", 1}, {"c", 2}}, Item{}, map[string]int{"a": 25, "b": 25, "c": 50}},
		"a saturated receiver": {nil, Item{Receiver: Receiver{"r", 1}}, map[string]int{"critical": 60, "default": 30, "low": 10}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := NewReadyList(Config{Queues: tt.queues})
			defer l.Close()
			n := 0
			for queue := range tt.want {
				for range 100 {
					n++
					item := tt.receiver
					item.ExecutionID, item.Queue = id(n), queue
					offer(t, l, item)
				}
			}
			got := map[string]int{}
			for range 100 {
				slot := take(t, l)
				got[slot.Item.Queue]++
				slot.Release()
			}
			for queue, want := range tt.want {
				if got[queue] != want {
					t.Errorf("queue %s got %d of 100 slots, want %d", queue, got[queue], want)
				}
			}
		})
	}
}

func TestAnEmptyQueueLeavesItsShareToTheOthers(t *testing.T) {
	l := NewReadyList(Config{})
	defer l.Close()
	for n := range 10 {
		item := due(n)
		item.Queue = "low"
		offer(t, l, item)
	}
	if got := len(order(t, l, 10)); got != 10 {
		t.Errorf("%d items ran, want 10", got)
	}
}

func TestUnknownQueuesCountAsDefault(t *testing.T) {
	l := NewReadyList(Config{})
	defer l.Close()
	item := due(1)
	item.Queue = "elsewhere"
	offer(t, l, item)
	if got := l.Stats().Ready[DefaultQueue]; got != 1 {
		t.Errorf("default has %d items, want 1", got)
	}
	if slot := take(t, l); slot.Item.Queue != "elsewhere" {
		t.Errorf("the item's queue became %q", slot.Item.Queue)
	}
}

func TestNothingRunsEarlyAndWaitingTakesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		start := time.Now()
		offer(t, l, dueIn(3, 3*time.Second), dueIn(1, time.Second), dueIn(2, 2*time.Second), due(4))
		if got := order(t, l, 1); got[0] != 4 || time.Since(start) != 0 {
			t.Fatalf("first %v after %v, want the item due now at once", got, time.Since(start))
		}
		for n := 1; n <= 3; n++ {
			slot := take(t, l)
			if got, want := time.Since(start), time.Duration(n)*time.Second; number(slot.Item) != n || got != want {
				t.Errorf("item %d ran after %v, want item %d after %v", number(slot.Item), got, n, want)
			}
			slot.Release()
		}
		l.Close()
	})
}

func TestAnItemBroughtForwardRunsAtItsNewTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		defer l.Close()
		start := time.Now()
		offer(t, l, dueIn(1, 30*time.Second), dueIn(1, 10*time.Second), dueIn(1, 20*time.Second))
		take(t, l).Release()
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("ran after %v, want 10s", got)
		}
		offer(t, l, dueIn(2, 30*time.Second), due(2))
		take(t, l).Release()
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("brought forward to now it ran after %v, want at once", got)
		}
		if s := l.Stats(); s.Held != 0 || l.Waiting() != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

func TestAnExecutionIsInTheListOnce(t *testing.T) {
	l := NewReadyList(Config{})
	defer l.Close()
	offer(t, l, due(1), due(1))
	slot := take(t, l)
	nothing(t, l)
	if l.Offer(due(1)) {
		t.Error("an execution that is running was accepted")
	}
	nothing(t, l)
	slot.Release()
	nothing(t, l)
	offer(t, l, due(1))
	if got := order(t, l, 1); got[0] != 1 {
		t.Errorf("got %v", got)
	}
}

func TestARunningExecutionOfferedForLaterIsHeldOnceItsSlotIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		defer l.Close()
		start := time.Now()
		offer(t, l, due(1))
		slot := take(t, l)
		offer(t, l, dueIn(1, 9*time.Second), dueIn(1, 5*time.Second), dueIn(1, 7*time.Second))
		slot.Release()
		take(t, l).Release()
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("ran again after %v, want 5s", got)
		}
		if l.Offer(due(2)); !l.Drop(id(2)) || l.Drop(id(2)) {
			t.Error("Drop must forget an item once")
		}
		offer(t, l, due(3))
		slot = take(t, l)
		offer(t, l, dueIn(3, time.Second))
		if !l.Drop(id(3)) {
			t.Error("Drop did not forget the later run")
		}
		slot.Release()
		if s := l.Stats(); s.Held != 0 {
			t.Errorf("%d held after Drop", s.Held)
		}
	})
}

func TestDropForgetsHeldAndWaitingItems(t *testing.T) {
	l := NewReadyList(Config{})
	defer l.Close()
	offer(t, l, due(1), due(2), dueIn(3, 30*time.Second))
	if !l.Drop(id(1)) || !l.Drop(id(3)) || l.Drop(id(9)) {
		t.Error("Drop must report whether there was such an item")
	}
	if got := order(t, l, 1); got[0] != 2 {
		t.Errorf("item %d ran, want 2", got[0])
	}
	if s := l.Stats(); s.Held != 0 {
		t.Errorf("%d held, want 0", s.Held)
	}
}

func TestTheListIsBounded(t *testing.T) {
	t.Run("the worst in rank goes first", func(t *testing.T) {
		l := NewReadyList(Config{Capacity: 2})
		defer l.Close()
		low, high := due(1), due(3)
		low.Priority, high.Priority = 9, 0
		offer(t, l, low, due(2), high)
		if l.Offer(low) {
			t.Error("accepted what ranks below everything in a full list")
		}
		if got := order(t, l, 2); !slices.Equal(got, []int{3, 2}) {
			t.Errorf("kept %v, want [3 2]", got)
		}
		if got := l.Stats().Dropped; got != 2 {
			t.Errorf("dropped %d, want 2", got)
		}
	})
	t.Run("a queue cannot crowd out another", func(t *testing.T) {
		l := NewReadyList(Config{Capacity: 10})
		defer l.Close()
		for n := range 20 {
			item := due(n)
			item.Queue = "low"
			l.Offer(item)
		}
		item := due(100)
		item.Queue = "critical"
		offer(t, l, item)
		if got := l.Stats().Ready; got["critical"] != 1 || got["low"] != 9 {
			t.Errorf("ready %v", got)
		}
	})
	t.Run("a slow receiver cannot crowd out another", func(t *testing.T) {
		l := NewReadyList(Config{Capacity: 10})
		defer l.Close()
		for n := range 20 {
			l.Offer(call(n, "slow", 1))
		}
		late := call(100, "quick", 1)
		late.Priority = 9
		offer(t, l, late)
	})
	t.Run("of the held the furthest goes first", func(t *testing.T) {
		l := NewReadyList(Config{HeldCapacity: 2})
		defer l.Close()
		offer(t, l, dueIn(1, 30*time.Second), dueIn(2, 20*time.Second), dueIn(3, 10*time.Second))
		if l.Expects(id(1), time.Hour) || !l.Expects(id(2), time.Hour) || l.Expects(id(2), time.Second) {
			t.Error("want the furthest dropped and the others held")
		}
		if l.Offer(dueIn(4, 40*time.Second)) {
			t.Error("accepted what is due after everything in a full heap")
		}
	})
	t.Run("nothing beyond the horizon", func(t *testing.T) {
		l := NewReadyList(Config{Horizon: time.Minute})
		defer l.Close()
		if l.Offer(dueIn(1, 2*time.Minute)) {
			t.Error("accepted an item due in two minutes")
		}
	})
}

func TestCloseWakesEveryWorkerAndDropsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		offer(t, l, due(1))
		slot := take(t, l)
		errs := make(chan error)
		for range 3 {
			go func() {
				_, err := l.Next(t.Context())
				errs <- err
			}()
		}
		synctest.Wait()
		if got := l.Stats().Idle; got != 3 {
			t.Fatalf("%d idle, want 3", got)
		}
		offer(t, l, dueIn(2, time.Second))
		l.Close()
		l.Close()
		for range 3 {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Errorf("Next: %v, want ErrClosed", err)
			}
		}
		if _, err := l.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Next after Close: %v", err)
		}
		if l.Offer(due(3)) || slot.Switch(due(4)) {
			t.Error("a closed list took an item")
		}
		slot.Release()
		if s := l.Stats(); s.Held+s.Running+s.Idle+s.Parked != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

func TestNextEndsWithItsContextAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		defer l.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Next with an ended context: %v", err)
		}
		// A worker whose context has ended is handed an item before it could leave.
		ctx, cancel = context.WithCancel(t.Context())
		got := make(chan *Slot)
		go func() {
			slot, _ := l.Next(ctx)
			got <- slot
		}()
		synctest.Wait()
		l.mu.Lock()
		cancel()
		l.place(&entry{}, call(1, "a", 1), time.Now())
		l.mu.Unlock()
		if slot := <-got; slot != nil {
			t.Errorf("Next returned %+v after its context had ended", slot.Item)
		}
		take(t, l).Release()
		if s := l.Stats(); s.Idle != 0 || s.Running != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

func TestOneItemWakesOneWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		slots := make(chan *Slot, 8)
		for range 4 {
			go func() {
				if slot, err := l.Next(context.Background()); err == nil {
					slots <- slot
				}
			}()
		}
		synctest.Wait()
		offer(t, l, due(1))
		synctest.Wait()
		if len(slots) != 1 || l.Stats().Idle != 3 {
			t.Errorf("%d workers woke, %d idle; want 1 and 3", len(slots), l.Stats().Idle)
		}
		l.Close()
	})
}
