package queue

import "slices"

// receiver counts what is under way to a Receiver, of steps and of hooks.
type receiver struct {
	key      Receiver
	inFlight int
	waiting  int      // items that call it, in whatever lane
	full     bool     // as its lanes and groups know it
	lanes    []*lane  // of the steps that call it
	groups   []*group // of the steps whose hook calls it, by line.index; nil until used
}

func (r *receiver) saturated() bool {
	return r.key.MaxInFlight > 0 && r.inFlight >= r.key.MaxInFlight
}

func (r *receiver) unused() bool { return r.inFlight == 0 && r.waiting == 0 }

func (ls *lanes) receiver(key Receiver) *receiver {
	r := ls.receivers[key]
	if r == nil {
		r = &receiver{key: key}
		ls.receivers[key] = r
	}
	return r
}

// occupy counts an item of the lane at all its receivers; false if one may take no more.
func (ls *lanes) occupy(l *lane) bool {
	if l.shut() {
		ls.forget(l)
		return false
	}
	l.run(1)
	ls.reconsider(l)
	return true
}

// vacate ends what occupy began.
func (ls *lanes) vacate(l *lane) {
	l.run(-1)
	ls.reconsider(l)
	ls.forget(l)
}

// move is vacate and occupy in one, so that a receiver which both lanes call need not have
// room for two; false, and nothing is changed, if another may take no more.
func (ls *lanes) move(from, to *lane) bool {
	if from == to {
		return true
	}
	from.run(-1)
	if to.shut() {
		from.run(1)
		ls.forget(to)
		return false
	}
	to.run(1)
	ls.reconsider(from)
	ls.reconsider(to)
	ls.forget(from)
	return true
}

// shut tells whether one of the lane's receivers may take no more.
func (l *lane) shut() bool { return l.receiver.saturated() || l.group.hook.saturated() }

// run counts n items of the lane more on slots.
func (l *lane) run(n int) {
	for _, r := range l.receivers() {
		r.inFlight += n
	}
}

// reconsider opens or shuts what belongs to the lane's receivers, if they have room now
// and had none, or the other way about.
func (ls *lanes) reconsider(l *lane) {
	for _, r := range l.receivers() {
		if r.saturated() == r.full {
			continue
		}
		r.full = !r.full
		for _, lane := range r.lanes {
			ls.settle(lane)
		}
		for _, g := range r.groups {
			if g != nil {
				ls.settleGroup(g)
			}
		}
	}
}

// forget drops the lane's receivers which nothing calls or waits for, with all their lanes.
func (ls *lanes) forget(l *lane) {
	for _, r := range l.receivers() {
		if !r.unused() {
			continue
		}
		delete(ls.receivers, r.key)
		for _, lane := range r.lanes {
			delete(lane.group.lanes, r.key)
		}
		for _, g := range r.groups {
			if g == nil {
				continue
			}
			for _, lane := range g.lanes {
				of := lane.receiver
				at := slices.Index(of.lanes, lane)
				of.lanes = slices.Delete(of.lanes, at, at+1)
			}
		}
	}
}
