package queue

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func hooked(n int, receiver string, limit int, hook string, hookLimit int) Item {
	item := call(n, receiver, limit)
	item.Hook = Receiver{hook, hookLimit}
	return item
}

func TestAStepWithAHookNeedsRoomAtBothReceivers(t *testing.T) {
	tests := map[string]struct {
		first  Item // runs
		parked Item // waits for the first
		free   Item // does not
	}{
		"the same hook, other receivers":           {hooked(1, "a", 9, "h", 1), hooked(2, "b", 9, "h", 1), hooked(3, "b", 9, "i", 1)},
		"the same receiver, other hooks":           {hooked(1, "a", 1, "h", 9), hooked(2, "a", 1, "i", 9), hooked(3, "b", 1, "h", 9)},
		"a step to the hook's receiver":            {hooked(1, "a", 9, "h", 1), call(2, "h", 1), call(3, "a", 9)},
		"a step without a hook":                    {hooked(1, "a", 1, "h", 9), call(2, "a", 1), call(3, "h", 9)},
		"a hook at a step's receiver":              {call(1, "a", 1), hooked(2, "b", 9, "a", 1), call(3, "b", 9)},
		"each other's receivers":                   {hooked(1, "a", 1, "h", 1), hooked(2, "h", 1, "a", 1), call(3, "a", 9)},
		"one receiver for step and hook":           {hooked(1, "a", 1, "a", 1), hooked(2, "a", 1, "a", 1), call(3, "h", 1)},
		"one receiver for both, and without hooks": {hooked(1, "a", 1, "a", 1), call(2, "a", 1), call(3, "a", 2)},
		"a hook of another limit, counted apart":   {hooked(1, "a", 1, "a", 9), call(2, "a", 1), call(3, "a", 9)},
	}
	for name, tt := range tests {
		for _, queue := range []string{DefaultQueue, "low"} { // of what waits
			t.Run(name+", "+queue, func(t *testing.T) {
				l := NewReadyList(Config{})
				defer l.Close()
				offer(t, l, tt.first)
				first := take(t, l)
				tt.parked.Queue = queue
				offer(t, l, tt.parked, tt.free)
				if s := l.Stats(); s.Parked != 1 || l.Waiting() != 1 {
					t.Fatalf("want one parked, one that may run: %+v", s)
				}
				free := take(t, l)
				if number(free.Item) != 3 {
					t.Fatalf("item %d ran, want that which has room", number(free.Item))
				}
				nothing(t, l)
				first.Free()
				first.Release()
				parked := take(t, l)
				if number(parked.Item) != 2 {
					t.Fatalf("item %d ran, want the parked one", number(parked.Item))
				}
				free.Release()
				parked.Release()
				if n := len(l.lanes.receivers); n != 0 {
					t.Errorf("%d receivers are kept that nothing calls", n)
				}
			})
		}
	}
}

func TestOneReceiverOfStepAndHookCountsOnce(t *testing.T) {
	l := NewReadyList(Config{})
	defer l.Close()
	offer(t, l, hooked(1, "a", 2, "a", 2), hooked(2, "a", 2, "a", 2), hooked(3, "a", 2, "a", 2))
	take(t, l)
	take(t, l)
	nothing(t, l)
}

func TestASlotIsReservedIfTheHookHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		defer l.Close()
		blockedWorker(t.Context(), l)
		blockedWorker(t.Context(), l)
		slot := l.Reserve(hooked(1, "a", 1, "h", 1))
		if slot == nil || l.Reserve(hooked(2, "b", 1, "h", 1)) != nil {
			t.Error("want one of two slots reserved, as the hook's receiver takes one")
		}
		slot.Release()
		if n := len(l.lanes.receivers); n != 0 {
			t.Errorf("%d receivers are kept that nothing calls", n)
		}
	})
}

// Anything that can be done with a list, at random, with steps and hooks at few receivers: after each call the list
// counts at each receiver what is on a slot, may start what has room, and knows no receiver that nothing calls.
func TestTheListAgreesWithAPlainCount(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	queues := []string{"critical", DefaultQueue, "low"}
	names := []string{"", "a", "b", "c"}
	receiver := func() Receiver {
		name := random.IntN(len(names))
		return Receiver{names[name], name}
	}
	l := NewReadyList(Config{Capacity: 60})
	defer l.Close()
	n := 0
	item := func() Item {
		n++
		item := Item{ExecutionID: id(n), Queue: queues[random.IntN(3)], Priority: random.IntN(3), Receiver: receiver(), Hook: receiver()}
		if item.Hook.Name == "c" {
			item.Hook.MaxInFlight = 1 + random.IntN(2) // under another limit than steps, or the same
		}
		return item
	}
	var slots []*Slot
	next := func() *Slot { // the first in rank of its queue among those that have room
		l.mu.Lock()
		defer l.mu.Unlock()
		first := map[string]*entry{}
		for e := range ready(l, slots) {
			if best := first[e.item.Queue]; best == nil || before(e, best) {
				first[e.item.Queue] = e
			}
		}
		slot := l.next()
		if slot == nil && len(first) > 0 || slot != nil && slot.entry != first[slot.Item.Queue] {
			t.Fatalf("of %v the list starts %+v", first, slot)
		}
		return slot
	}
	for step := range 20_000 {
		some := func() (at int) { return random.IntN(len(slots)) }
		what := random.IntN(8)
		switch {
		case what <= 1:
			l.Offer(item())
		case what == 2:
			l.Drop(id(max(1, n-random.IntN(60))))
		case what <= 4:
			if slot := next(); slot != nil {
				slots = append(slots, slot)
			}
		case len(slots) == 0:
		case what == 5:
			slots[some()].Switch(item())
		case what == 6:
			if slot := slots[some()]; random.IntN(2) == 0 {
				slot.Free()
			} else if !slot.free {
				l.mu.Lock()
				slot.giveBack()
				l.mu.Unlock()
				slots = without(slots, slot)
			}
		default:
			slot := slots[some()]
			slot.Release()
			slots = without(slots, slot)
		}
		if !agrees(t, l, slots) {
			t.Fatalf("after step %d", step)
		}
	}
}

func without(slots []*Slot, gone *Slot) (left []*Slot) {
	for _, s := range slots {
		if s != gone {
			left = append(left, s)
		}
	}
	return left
}

// calls names an item's receivers, each once.
func calls(item Item) []Receiver {
	if item.Hook.Name == "" || item.Hook == item.Receiver {
		return []Receiver{item.Receiver}
	}
	return []Receiver{item.Receiver, item.Hook}
}

// underWay counts the deliveries of some slots.
func underWay(slots []*Slot) map[Receiver]int {
	n := map[Receiver]int{}
	for _, s := range slots {
		if !s.free {
			for _, r := range calls(s.Item) {
				n[r]++
			}
		}
	}
	return n
}

// ready is what waits and has room beside what is on some slots.
func ready(l *ReadyList, slots []*Slot) map[*entry]bool {
	may, inFlight := map[*entry]bool{}, underWay(slots)
	for _, e := range l.entries {
		if e.state == waiting && !slices.ContainsFunc(calls(e.item), func(r Receiver) bool { return r.MaxInFlight > 0 && inFlight[r] >= r.MaxInFlight }) {
			may[e] = true
		}
	}
	return may
}

func agrees(t *testing.T, l *ReadyList, slots []*Slot) bool {
	inFlight, waits := underWay(slots), map[Receiver]int{}
	for _, e := range l.entries {
		if e.state == waiting {
			for _, r := range calls(e.item) {
				waits[r]++
			}
		}
	}
	if got, want := l.Waiting(), len(ready(l, slots)); got != want {
		t.Errorf("%d may run, want %d: %+v", got, want, l.Stats())
	}
	lanes := 0
	for key, r := range l.lanes.receivers {
		if r.inFlight != inFlight[key] || r.waiting != waits[key] || r.unused() || r.inFlight > key.MaxInFlight && key.MaxInFlight > 0 {
			t.Errorf("%v: %d under way, %d wait; want %d and %d", key, r.inFlight, r.waiting, inFlight[key], waits[key])
		}
		lanes += len(r.lanes)
		for _, g := range r.groups {
			if g != nil {
				lanes -= len(g.lanes)
			}
		}
	}
	for _, g := range l.lanes.nobody.groups {
		if g != nil {
			lanes -= len(g.lanes)
		}
	}
	if lanes != 0 {
		t.Errorf("receivers know %d lanes more than groups do", lanes)
	}
	return !t.Failed()
}

// Steps to many receivers, whose hooks are at one that takes one: each delivery shuts and opens them all.
func BenchmarkSharedHook(b *testing.B) {
	l := NewReadyList(Config{Capacity: 1 << 20})
	defer l.Close()
	for n := range 10_000 {
		l.Offer(hooked(n, strconv.Itoa(n%1_000), 64, "hook", 1))
	}
	due := time.Now()
	for n := 10_000; b.Loop(); n++ {
		slot, err := l.Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		item := hooked(n, slot.Item.Receiver.Name, 64, "hook", 1)
		item.Due = due
		l.Offer(item)
		slot.Release()
	}
}
