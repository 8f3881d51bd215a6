package queue

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Many workers, offers, drops and switches at once: every item runs exactly once, never
// early, and never more at a receiver than it allows.
func TestManyWorkersKeepEveryRuleAtOnce(t *testing.T) {
	const workers, offerers, each, limit = 32, 4, 2_000, 5
	l := NewReadyList(Config{Capacity: offerers * each, HeldCapacity: offerers * each})
	queues := []string{"critical", DefaultQueue, "low", "unknown"}

	var inFlight [3]atomic.Int64
	var runs [2 * offerers * each]atomic.Int64
	var done sync.WaitGroup
	done.Add(offerers * each)
	check := func(item Item) {
		n := number(item)
		if item.Due.After(time.Now()) {
			t.Errorf("item %d ran early", n)
		}
		if got := runs[n].Add(1); got != 1 {
			t.Errorf("item %d ran %d times", n, got)
		}
		receiver := &inFlight[n%len(inFlight)]
		if got := receiver.Add(1); got > limit {
			t.Errorf("%d at once at a receiver that takes %d", got, limit)
		}
		receiver.Add(-1)
	}
	for range workers {
		go func() {
			for {
				slot, err := l.Next(t.Context())
				if err != nil {
					return
				}
				check(slot.Item)
				n := number(slot.Item) + offerers*each // its continuation, at another receiver
				if slot.Switch(call(n, fmt.Sprint(n%len(inFlight)), limit)) {
					check(slot.Item)
				}
				slot.Release()
				done.Done()
			}
		}()
	}
	for o := range offerers {
		go func() {
			random := rand.New(rand.NewPCG(1, uint64(o)))
			for i := range each {
				n := o*each + i
				item := call(n, fmt.Sprint(n%len(inFlight)), limit)
				item.Queue, item.Priority = queues[random.IntN(len(queues))], random.IntN(10)
				if random.IntN(2) == 0 {
					item.Due = time.Now().Add(time.Duration(random.IntN(20_000)) * time.Microsecond)
				}
				if !l.Offer(item) {
					t.Errorf("item %d was refused", n)
				}
			}
		}()
	}
	done.Wait()
	if s := l.Stats(); l.Waiting()+s.Parked+s.Held != 0 {
		t.Errorf("left behind: %+v", s)
	}
	l.Close()
}

// 64 workers and four sources of items, with a backlog of the given size in the list.
func BenchmarkReadyList(b *testing.B) {
	for _, backlog := range []int{0, 5_000} {
		b.Run(fmt.Sprintf("backlog=%d", backlog), func(b *testing.B) {
			l := NewReadyList(Config{Capacity: 1 << 20})
			defer l.Close()
			queues := []string{"critical", DefaultQueue, "low"}
			items := make([]Item, b.N+backlog)
			for n := range items {
				items[n] = call(n, fmt.Sprint("receiver", n%8), 64)
				items[n].Queue = queues[n%len(queues)]
			}
			for _, item := range items[:backlog] {
				l.Offer(item)
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			finished := make(chan struct{})
			b.ResetTimer()
			for range 64 {
				go func() {
					for {
						slot, err := l.Next(b.Context())
						if err != nil {
							return
						}
						slot.Release()
						if left.Add(-1) == 0 {
							close(finished)
						}
					}
				}()
			}
			for source := range 4 {
				go func() {
					for n := backlog + source; n < len(items); n += 4 {
						l.Offer(items[n])
					}
				}()
			}
			<-finished
			b.ReportAllocs()
		})
	}
}

// The continuation of a chain on its slot.
func BenchmarkSwitch(b *testing.B) {
	l := NewReadyList(Config{})
	defer l.Close()
	l.Offer(call(0, "receiver", 64))
	slot, err := l.Next(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	items := []Item{call(1, "receiver", 64), call(2, "receiver", 64)}
	for n := 0; b.Loop(); n++ {
		if !slot.Switch(items[n%2]) {
			b.Fatal("refused")
		}
	}
}
