package queue

import (
	"time"

	"github.com/google/uuid"
)

// Waiting is how many items could run now if a worker were free.
func (l *ReadyList) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lanes.eligible
}

// Parked is how many due items wait for their receiver, or their hook's.
func (l *ReadyList) Parked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lanes.waiting - l.lanes.eligible
}

// Expects reports whether the list runs this execution or will start it within the
// given time, so that another arrival of it brings nothing new.
func (l *ReadyList) Expects(id uuid.UUID, within time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	return e != nil && (e.state != held || e.item.Due.Sub(l.now()) <= within)
}

// Stats is the list at one moment.
type Stats struct {
	Ready   map[string]int // due items by queue, parked ones included
	Parked  int            // of those, how many wait for a receiver
	Held    int            // due later
	Running int            // on a slot
	Idle    int            // workers without an item
	Dropped uint64         // for want of room, since the start
}

// Stats returns the list's figures.
func (l *ReadyList) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{
		Ready:   make(map[string]int, len(l.lanes.lines)),
		Parked:  l.lanes.waiting - l.lanes.eligible,
		Held:    l.soonest.length(),
		Running: l.running,
		Idle:    len(l.idle),
		Dropped: l.dropped,
	}
	for _, line := range l.lanes.lines {
		s.Ready[line.name] = line.waiting
	}
	return s
}
