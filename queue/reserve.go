package queue

// Reserve keeps a slot for an item that is about to be due: a worker that has nothing to do, and a unit of each
// of the item's receivers. It gives nil if there is none to spare, if the list is closed, or if it has the item already.
// Whoever reserves a slot hands it over, or releases it; soon, since a worker stands by meanwhile.
func (l *ReadyList) Reserve(item Item) *Slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.idle) <= l.reserved || l.entries[item.ExecutionID] != nil {
		return nil
	}
	lane := l.lanes.laneFor(item)
	if !l.lanes.occupy(lane) {
		return nil
	}
	l.reserved++
	l.running++
	e := &entry{item: item, state: running, lane: lane}
	l.entries[item.ExecutionID] = e
	return &Slot{Item: item, list: l, entry: e, reserved: true}
}

// Hand gives a reserved slot to a worker, whose Next returns it with what was claimed for it. It returns false,
// and the slot is still the caller's, if all workers have gone.
func (s *Slot) Hand(claimed any) bool {
	l := s.list
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.idle) == 0 {
		return false
	}
	l.reserved--
	s.reserved = false
	s.Claimed = claimed
	l.send(s)
	return true
}
