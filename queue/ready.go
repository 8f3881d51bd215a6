// Package queue decides what this server runs next and how it learns that something is
// due: the ready list, the one door to the executor, and the doorbells, over Redis or
// inside the process.
//
// It must not know the database, the webhook or what a step does. Nothing in it is the
// truth: whatever it loses, drops, repeats or hurries is put right by the claim and the
// sweep, which read the rows.
package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
)

// DefaultQueue takes the items of queues that are not configured here.
const DefaultQueue = "default"

// ErrClosed is what Next returns once the list is closed.
var ErrClosed = errors.New("the ready list is closed")

// QueueWeight is a queue's name and its share of the slots under load.
type QueueWeight struct {
	Name   string
	Weight int
}

// DefaultQueues are the queues of a server that configures none.
func DefaultQueues() []QueueWeight {
	return []QueueWeight{{"critical", 6}, {DefaultQueue, 3}, {"low", 1}}
}

// Item is one step execution that is due, or will be soon.
type Item struct {
	ExecutionID uuid.UUID
	WorkflowID  uuid.UUID
	Queue       string
	Priority    int       // 0 first
	Due         time.Time // by this server's clock

	// Receiver is whom the step calls, Hook whom its hook does; without a name: it has none.
	// The item runs while both have room, and counts once if they are the same.
	Receiver Receiver
	Hook     Receiver

	Known any // what whoever offers it knows of it, for whoever runs it; not read here
}

// Receiver is whom at most MaxInFlight items call at once; 0 is no limit. One name under
// two limits is two receivers, so that a step with a low limit cannot be starved by others
// with a high one.
type Receiver struct {
	Name        string
	MaxInFlight int
}

// Config sizes a ReadyList. Zero values are replaced by the defaults named.
type Config struct {
	Queues       []QueueWeight    // DefaultQueues
	Capacity     int              // due items that may wait: 10,000
	HeldCapacity int              // items held until they are due: 20,000
	Horizon      time.Duration    // how far ahead an item may be due: 1 minute
	Now          func() time.Time // time.Now
}

// ReadyList orders the work of one server: by weighted queue, then priority, then due
// time, then arrival. It hands each item to one worker, never before it is due and
// never while its receiver, or its hook's, is saturated. It is bounded: what it drops
// stays due in the database.
type ReadyList struct {
	now      func() time.Time
	capacity int
	heldCap  int
	horizon  time.Duration

	mu       sync.Mutex
	closed   bool
	entries  map[uuid.UUID]*entry // held, waiting and running
	lanes    *lanes
	soonest  heap[*entry] // held, by due time
	furthest heap[*entry] // held, by due time, last first
	timer    *time.Timer
	wake     time.Time // what the timer is set to; zero: not set
	idle     []*worker
	reserved int       // of the idle workers, how many are kept for slots that are reserved
	workers  sync.Pool // of *worker, between calls of Next
	order    uint64
	running  int
	dropped  uint64
}

// worker is one blocked call of Next.
type worker struct {
	slot chan *Slot // holds one; nil in it: the list was closed
	at   int        // position in idle; -1 when a slot was sent
}

// NewReadyList returns an open, empty list.
func NewReadyList(c Config) *ReadyList {
	if len(c.Queues) == 0 {
		c.Queues = DefaultQueues()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &ReadyList{
		now:      c.Now,
		capacity: positive(c.Capacity, 10_000),
		heldCap:  positive(c.HeldCapacity, 20_000),
		horizon:  positive(c.Horizon, time.Minute),
		entries:  map[uuid.UUID]*entry{},
		lanes:    newLanes(c.Queues),
		soonest:  newHeap(sooner, setFront),
		furthest: newHeap(reversed(sooner), setBack),
	}
}

func positive[T int | time.Duration](v, fallback T) T {
	if v > 0 {
		return v
	}
	return fallback
}

// Offer adds an item and reports whether the list will start it: false means that there
// is no room, that it is due beyond the horizon, that it is running here already, or
// that the list is closed.
//
// An execution is in the list once, however often it is offered; an earlier due time
// brings a held one forward. A running one that is offered for later, since it failed
// and is to be retried, is held as soon as its slot is free.
func (l *ReadyList) Offer(item Item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	now := l.now()
	e := l.entries[item.ExecutionID]
	switch {
	case e == nil:
		e = &entry{}
	case e.state == running:
		return l.runAgain(e, item, now)
	case e.state == waiting || !item.Due.Before(e.item.Due):
		return true
	default:
		l.discard(e)
	}
	l.place(e, item, now)
	l.trim()
	return e.state != gone
}

func (l *ReadyList) runAgain(e *entry, item Item, now time.Time) bool {
	if wait := item.Due.Sub(now); wait <= 0 || wait > l.horizon {
		return false
	}
	if e.again == nil || item.Due.Before(e.again.Due) {
		e.again = &item
	}
	return true
}

// place holds the item, or puts it into its lane and wakes a worker for it.
func (l *ReadyList) place(e *entry, item Item, now time.Time) {
	wait := item.Due.Sub(now)
	if wait > l.horizon {
		return
	}
	l.order++
	e.item, e.order = item, l.order
	l.entries[item.ExecutionID] = e
	if wait > 0 {
		e.state = held
		l.soonest.push(e)
		l.furthest.push(e)
		l.arm(now)
		return
	}
	l.lanes.add(e)
	l.dispatch()
}

// trim drops what is over capacity.
func (l *ReadyList) trim() {
	for l.lanes.waiting > l.capacity {
		l.discard(l.lanes.worst())
		l.dropped++
	}
	for l.furthest.length() > l.heldCap {
		l.discard(l.furthest.first())
		l.dropped++
	}
}

// discard removes an entry that is not running.
func (l *ReadyList) discard(e *entry) {
	if e.state == held {
		l.soonest.remove(e.front)
		l.furthest.remove(e.back)
		e.state = gone
	} else {
		l.lanes.remove(e)
	}
	delete(l.entries, e.item.ExecutionID)
}

// arm sets the one timer to the soonest held item.
func (l *ReadyList) arm(now time.Time) {
	if l.soonest.empty() {
		return
	}
	due := l.soonest.first().item.Due
	if !l.wake.IsZero() && !due.Before(l.wake) {
		return
	}
	l.wake = due
	if l.timer == nil {
		l.timer = time.AfterFunc(due.Sub(now), l.tick)
		return
	}
	l.timer.Reset(due.Sub(now))
}

// tick moves what has become due into its lanes.
func (l *ReadyList) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	now := l.now()
	l.wake = time.Time{}
	for !l.soonest.empty() && !l.soonest.first().item.Due.After(now) {
		e := l.soonest.first()
		l.soonest.remove(e.front)
		l.furthest.remove(e.back)
		l.lanes.add(e)
	}
	l.dispatch()
	l.trim()
	l.arm(now)
}

// dispatch hands items to idle workers, one each, until one of the two runs out.
func (l *ReadyList) dispatch() {
	for len(l.idle) > l.reserved {
		slot := l.next()
		if slot == nil {
			return
		}
		l.send(slot)
	}
}

// send gives a slot to the worker that became idle last; nil tells it that the list is closed. There is one.
func (l *ReadyList) send(slot *Slot) {
	w := l.idle[len(l.idle)-1]
	l.leave(w)
	w.slot <- slot
}

func (l *ReadyList) next() *Slot {
	e := l.lanes.take()
	if e == nil {
		return nil
	}
	l.running++
	return &Slot{Item: e.item, list: l, entry: e}
}

// Next blocks until an item may run and returns the slot it runs on, which the caller
// must release. It returns ErrClosed once the list is closed and the context's error
// when that ends, unless it has been handed a slot with a claim. The number of callers is
// the number of slots.
func (l *ReadyList) Next(ctx context.Context) (*Slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, ErrClosed
	}
	if slot := l.next(); slot != nil {
		l.mu.Unlock()
		return slot, nil
	}
	w := l.join()
	l.mu.Unlock()

	select {
	case slot := <-w.slot:
		l.workers.Put(w)
		if slot == nil {
			return nil, ErrClosed
		}
		return slot, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.workers.Put(w)
	if w.at >= 0 {
		l.leave(w)
	} else if slot := <-w.slot; slot != nil {
		if slot.Claimed != nil {
			return slot, nil
		}
		slot.giveBack()
	}
	return nil, ctx.Err()
}

func (l *ReadyList) join() *worker {
	w, ok := l.workers.Get().(*worker)
	if !ok {
		w = &worker{slot: make(chan *Slot, 1)}
	}
	w.at = len(l.idle)
	l.idle = append(l.idle, w)
	return w
}

func (l *ReadyList) leave(w *worker) {
	last := l.idle[len(l.idle)-1]
	l.idle[w.at] = last
	last.at = w.at
	l.idle = l.idle[:len(l.idle)-1]
	w.at = -1
}
