package queue

import (
	"testing"
	"testing/synctest"
)

func TestASaturatedReceiverHoldsNoSlot(t *testing.T) {
	l := NewReadyList(Config{})
	defer l.Close()
	offer(t, l, call(1, "a", 2), call(2, "a", 2), call(3, "a", 2), call(4, "b", 2))
	first, second := take(t, l), take(t, l)
	if s := l.Stats(); s.Parked != 1 || l.Waiting() != 1 {
		t.Fatalf("want one parked, one waiting: %+v", s)
	}
	if slot := take(t, l); number(slot.Item) != 4 {
		t.Fatalf("item %d ran, want that of the other receiver", number(slot.Item))
	}
	nothing(t, l)
	first.Release()
	first.Release()
	if slot := take(t, l); number(slot.Item) != 3 {
		t.Fatalf("item %d ran, want the parked one", number(slot.Item))
	}
	offer(t, l, call(5, "a", 2))
	nothing(t, l)
	second.Release()
	take(t, l)
}

func TestAUnitIsFreeBeforeItsWorkerIs(t *testing.T) {
	l := NewReadyList(Config{})
	defer l.Close()
	offer(t, l, call(1, "a", 1), call(2, "a", 1), call(3, "a", 1))
	first := take(t, l)
	nothing(t, l)
	first.Free()
	first.Free()
	second := take(t, l)
	if first.Switch(call(9, "a", 1)) {
		t.Error("a slot whose unit is another's goes on")
	}
	first.Release()
	nothing(t, l)
	if s := l.Stats(); s.Running != 1 {
		t.Errorf("%d run, want 1", s.Running)
	}
	second.Release()
	second.Free()
	take(t, l)
	nothing(t, l)
}

// A worker that waits is given what a freed unit lets run, at once and not with the next event.
func TestAFreedUnitWakesAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		defer l.Close()
		offer(t, l, call(1, "a", 1), call(2, "a", 1))
		first := take(t, l)
		got := blockedWorker(t.Context(), l)
		first.Free()
		synctest.Wait()
		if len(got) != 1 {
			t.Fatal("the worker still waits")
		}
		if second := <-got; second.err != nil || number(second.slot.Item) != 2 {
			t.Errorf("the worker got %+v", second)
		}
	})
}

func TestALowLimitIsNotStarvedByAHighOne(t *testing.T) {
	l := NewReadyList(Config{})
	defer l.Close()
	offer(t, l, call(1, "a", 0), call(2, "a", 0), call(3, "a", 1), call(4, "a", 1))
	for range 3 {
		take(t, l)
	}
	nothing(t, l)
}

func TestSwitch(t *testing.T) {
	tests := map[string]struct {
		running []Item // take one slot each; the last one switches
		offered []Item
		next    Item
		want    bool
		waiting int // eligible items afterwards
	}{
		"to the same receiver":            {[]Item{call(1, "a", 1)}, nil, call(2, "a", 1), true, 0},
		"to another receiver":             {[]Item{call(1, "a", 1)}, []Item{call(9, "a", 1)}, call(2, "b", 1), true, 1},
		"to a saturated receiver":         {[]Item{call(7, "b", 1), call(1, "a", 1)}, []Item{call(9, "a", 1)}, call(2, "b", 1), false, 0},
		"to what waits in the list":       {[]Item{call(1, "a", 1)}, []Item{call(2, "a", 1)}, call(2, "a", 1), true, 0},
		"to what runs elsewhere":          {[]Item{call(2, "b", 0), call(1, "a", 1)}, nil, call(2, "b", 0), false, 0},
		"with the same hook":              {[]Item{hooked(1, "a", 1, "h", 1)}, []Item{hooked(9, "a", 1, "i", 1)}, hooked(2, "b", 1, "h", 1), true, 1},
		"to what was the hook's receiver": {[]Item{hooked(1, "a", 1, "h", 1)}, []Item{call(8, "a", 1), call(9, "h", 1)}, call(2, "h", 1), true, 1},
		"to one with a hook":              {[]Item{call(1, "a", 1)}, []Item{call(9, "h", 1)}, hooked(2, "a", 1, "h", 1), true, 0},
		"to a saturated hook":             {[]Item{hooked(7, "b", 1, "h", 1), call(1, "a", 1)}, []Item{call(9, "a", 1)}, hooked(2, "c", 1, "h", 1), false, 0},
		"without a limit, over any count": {[]Item{call(7, "b", 0), call(1, "a", 1)}, nil, call(2, "b", 0), true, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := NewReadyList(Config{})
			defer l.Close()
			var slot *Slot
			for _, item := range tt.running {
				offer(t, l, item)
				slot = take(t, l)
			}
			offer(t, l, tt.offered...)
			before := slot.Item
			if got := slot.Switch(tt.next); got != tt.want {
				t.Fatalf("Switch = %v, want %v", got, tt.want)
			}
			if want := map[bool]Item{true: tt.next, false: before}[tt.want]; slot.Item != want {
				t.Errorf("the slot has item %d, want %d", number(slot.Item), number(want))
			}
			if got := l.Waiting(); got != tt.waiting {
				t.Errorf("%d may run, want %d: %+v", got, tt.waiting, l.Stats())
			}
			slot.Release()
			if tt.want && l.Expects(tt.next.ExecutionID, 0) {
				t.Error("the execution is still in the list after its slot was released")
			}
			if r := l.lanes.receivers[tt.next.Receiver]; r != nil && r.unused() {
				t.Error("the list keeps a receiver that nothing calls")
			}
		})
	}
}
