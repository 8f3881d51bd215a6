package queue

import (
	"context"
	"testing"
	"testing/synctest"
)

// taken is what a call of Next gave.
type taken struct {
	slot *Slot
	err  error
}

// blockedWorker calls Next once, which waits when blockedWorker returns.
func blockedWorker(ctx context.Context, l *ReadyList) <-chan taken {
	got := make(chan taken, 1)
	go func() {
		slot, err := l.Next(ctx)
		got <- taken{slot, err}
	}()
	synctest.Wait()
	return got
}

func TestAReservedSlotIsHandedToAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		defer l.Close()
		if l.Reserve(call(1, "a", 1)) != nil {
			t.Fatal("a slot is reserved though no worker is idle")
		}
		got := blockedWorker(t.Context(), l)
		slot := l.Reserve(call(1, "a", 1))
		if slot == nil {
			t.Fatal("no slot, though a worker is idle")
		}
		if l.Reserve(call(2, "b", 1)) != nil {
			t.Error("one worker stands by for two slots")
		}
		if !l.Expects(id(1), 0) || l.Stats().Running != 1 {
			t.Errorf("the reserved item is not known: %+v", l.Stats())
		}
		offer(t, l, call(3, "c", 1))
		synctest.Wait()
		if len(got) > 0 {
			t.Fatal("another item took the worker that stands by")
		}
		if !slot.Hand("claim") {
			t.Fatal("no worker takes the slot")
		}
		first := <-got
		if first.err != nil || number(first.slot.Item) != 1 || first.slot.Claimed != "claim" {
			t.Fatalf("the worker got %+v", first)
		}
		first.slot.Release()
		if s := l.Stats(); s.Running != 0 || l.Waiting() != 1 {
			t.Errorf("after the release: %+v", s)
		}
	})
}

func TestAReservedSlotThatIsReleasedLetsOthersRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		defer l.Close()
		got, other := blockedWorker(t.Context(), l), blockedWorker(t.Context(), l)
		slot := l.Reserve(call(1, "a", 1))
		if l.Reserve(call(1, "a", 0)) != nil {
			t.Error("an item is reserved twice")
		}
		if l.Reserve(call(2, "a", 1)) != nil {
			t.Error("a slot is reserved though its receiver is saturated")
		}
		offer(t, l, call(2, "a", 1))
		synctest.Wait()
		if len(got)+len(other) > 0 {
			t.Fatal("a saturated receiver is called")
		}
		slot.Release()
		slot.Release()
		synctest.Wait()
		if len(got)+len(other) != 1 {
			t.Errorf("%d workers run, want the one of the item that waited: %+v", len(got)+len(other), l.Stats())
		}
	})
}

func TestAClaimedSlotOutlivesTheContextOfItsWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewReadyList(Config{})
		ctx, cancel := context.WithCancel(t.Context())
		got := blockedWorker(ctx, l)
		slot := l.Reserve(due(1))
		cancel() // the worker may learn of this before the slot, or after it
		if slot.Hand("claim") {
			if first := <-got; first.err != nil || first.slot.Claimed != "claim" {
				t.Fatalf("the worker got %+v", first)
			}
		} else if first := <-got; first.err == nil {
			t.Fatalf("the worker got %+v, though Hand found none", first)
		}
		slot.Release()

		got = blockedWorker(t.Context(), l)
		slot = l.Reserve(due(2))
		l.Close()
		if slot.Hand("claim") || l.Reserve(due(3)) != nil {
			t.Error("a closed list takes work")
		}
		if first := <-got; first.err == nil {
			t.Error("a worker of a closed list got a slot")
		}
		slot.Release()
	})
}
