package queue

import "github.com/google/uuid"

// Slot is the right to run one item: a worker and a unit of each of its receivers, the hook's included.
type Slot struct {
	Item    Item
	Claimed any // what Hand was given; nil: nobody has claimed the item yet

	list     *ReadyList
	entry    *entry // nil once released
	reserved bool   // and not handed to a worker
	free     bool   // the units are given back
}

// Free gives the units back before the worker is done, since the delivery is over and no other will follow in
// this slot. A second call does nothing.
func (s *Slot) Free() {
	l := s.list
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.entry == nil || s.free {
		return
	}
	s.free = true
	l.lanes.vacate(s.entry.lane)
	if !l.closed {
		l.dispatch()
	}
}

// Release ends the item and gives its units back. A second call does nothing.
func (s *Slot) Release() {
	l := s.list
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.entry == nil {
		return
	}
	e := s.entry
	s.entry = nil
	if s.reserved {
		l.reserved--
	}
	l.running--
	delete(l.entries, e.item.ExecutionID)
	if !s.free {
		l.lanes.vacate(e.lane)
	}
	l.after(e)
}

// Switch moves the slot on to the next item of a chain, which the caller has found to
// be due, and its units to that item's receivers. It changes nothing and returns false if
// one of those is saturated, if the item is running here already, or if the list is
// closed, or the units have been given back: the step then has to be left scheduled.
func (s *Slot) Switch(item Item) bool {
	l := s.list
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.entry == nil || s.free || l.closed {
		return false
	}
	other := l.entries[item.ExecutionID]
	if other != nil && other.state == running {
		return false
	}
	from, to := s.entry, l.lanes.laneFor(item)
	if !l.lanes.move(from.lane, to) {
		return false
	}
	if other != nil {
		l.discard(other)
	}
	delete(l.entries, from.item.ExecutionID)
	s.Item = item
	s.entry = &entry{item: item, state: running, lane: to}
	l.entries[item.ExecutionID] = s.entry
	l.after(from)
	return true
}

// after holds what is to run again and starts what a freed receiver may take.
func (l *ReadyList) after(e *entry) {
	if l.closed {
		return
	}
	if e.again != nil {
		l.place(&entry{}, *e.again, l.now())
	}
	l.dispatch()
	l.trim()
}

// giveBack puts an item nobody has begun back in its place. The list is locked.
func (s *Slot) giveBack() {
	l, e := s.list, s.entry
	s.entry = nil
	l.running--
	if l.closed {
		delete(l.entries, e.item.ExecutionID)
		return
	}
	lane := e.lane
	l.lanes.add(e)
	l.lanes.vacate(lane)
	l.dispatch()
	l.trim()
}

// Drop forgets an execution that is held or waits, or that was to run again, and
// reports whether there was one. One that is running is not touched.
func (l *ReadyList) Drop(id uuid.UUID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	switch {
	case e == nil:
		return false
	case e.state == running:
		had := e.again != nil
		e.again = nil
		return had
	}
	l.discard(e)
	return true
}

// Close drops everything that is not running and makes every Next return ErrClosed.
func (l *ReadyList) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	for _, e := range l.entries {
		if e.state != running {
			l.discard(e)
		}
	}
	for len(l.idle) > 0 {
		l.send(nil)
	}
}
