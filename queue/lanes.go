package queue

// Due items wait in lanes: one lane per queue, receiver and limit. A lane is open while
// its receiver may take another delivery and shut while it may not, so parking and
// releasing everything that waits for a receiver touches a handful of lanes, however
// many items they hold.

type state uint8

const (
	gone    state = iota // dropped, or never accepted
	held                 // due later; in the timer heap
	waiting              // due; in a lane
	running              // on a slot
)

// entry is one execution's place in the list.
type entry struct {
	item  Item
	order uint64 // of insertion
	state state
	lane  *lane // while waiting or running: where it waits, whose receiver it uses
	again *Item // while running: the same execution, due once more later

	// Positions: while waiting in lane.best and lane.worst, while held in soonest and furthest.
	front, back int
}

func before(a, b *entry) bool {
	switch {
	case a.item.Priority != b.item.Priority:
		return a.item.Priority < b.item.Priority
	case !a.item.Due.Equal(b.item.Due):
		return a.item.Due.Before(b.item.Due)
	}
	return a.order < b.order
}

func sooner(a, b *entry) bool {
	if !a.item.Due.Equal(b.item.Due) {
		return a.item.Due.Before(b.item.Due)
	}
	return a.order < b.order
}

func reversed(less func(a, b *entry) bool) func(a, b *entry) bool {
	return func(a, b *entry) bool { return less(b, a) }
}

func setFront(e *entry, at int) { e.front = at }
func setBack(e *entry, at int)  { e.back = at }

type lane struct {
	line     *line
	receiver *receiver
	best     heap[*entry] // what runs next
	worst    heap[*entry] // what is dropped next
	open     int          // position in line.open; -1: shut or empty
	longest  int          // position in line.longest; -1: empty
}

func (l *lane) length() int { return l.best.length() }

// line is one queue.
type line struct {
	name    string
	weight  int
	credit  int
	index   int
	waiting int // items in all its lanes
	open    heap[*lane]
	longest heap[*lane]
}

func newLine(name string, weight, index int) *line {
	return &line{
		name: name, weight: max(weight, 1), index: index,
		open: newHeap(
			func(a, b *lane) bool { return before(a.best.first(), b.best.first()) },
			func(l *lane, at int) { l.open = at }),
		longest: newHeap(
			func(a, b *lane) bool { return a.length() > b.length() },
			func(l *lane, at int) { l.longest = at }),
	}
}

// receiverKey tells apart what counts its deliveries separately. The limit is part of
// it so that a step with a low limit cannot be starved by others with a high one.
type receiverKey struct {
	name  string
	limit int
}

type receiver struct {
	key      receiverKey
	inFlight int
	lanes    []*lane // by line.index; nil until used
}

func (r *receiver) saturated() bool { return r.key.limit > 0 && r.inFlight >= r.key.limit }

func (r *receiver) unused() bool {
	if r.inFlight > 0 {
		return false
	}
	for _, lane := range r.lanes {
		if lane != nil && lane.length() > 0 {
			return false
		}
	}
	return true
}

// lanes is all that is due. It is not safe for concurrent use.
type lanes struct {
	lines     []*line
	fallback  *line // for items of a queue that is not configured
	byName    map[string]*line
	receivers map[receiverKey]*receiver
	waiting   int // items in lanes
	eligible  int // of those, in open lanes
}

func newLanes(queues []QueueWeight) *lanes {
	ls := &lanes{byName: map[string]*line{}, receivers: map[receiverKey]*receiver{}}
	for i, q := range queues {
		line := newLine(q.Name, q.Weight, i)
		ls.lines = append(ls.lines, line)
		ls.byName[q.Name] = line
	}
	if ls.fallback = ls.byName[DefaultQueue]; ls.fallback == nil {
		ls.fallback = ls.lines[0]
	}
	return ls
}

// laneFor finds or makes the lane an item belongs to.
func (ls *lanes) laneFor(item Item) *lane {
	line := ls.byName[item.Queue]
	if line == nil {
		line = ls.fallback
	}
	key := receiverKey{name: item.Receiver, limit: max(item.MaxInFlight, 0)}
	r := ls.receivers[key]
	if r == nil {
		r = &receiver{key: key, lanes: make([]*lane, len(ls.lines))}
		ls.receivers[key] = r
	}
	if r.lanes[line.index] == nil {
		r.lanes[line.index] = &lane{
			line: line, receiver: r, open: -1, longest: -1,
			best:  newHeap(before, setFront),
			worst: newHeap(reversed(before), setBack),
		}
	}
	return r.lanes[line.index]
}

// add puts a due entry into its lane.
func (ls *lanes) add(e *entry) {
	lane := ls.laneFor(e.item)
	e.lane, e.state = lane, waiting
	lane.best.push(e)
	lane.worst.push(e)
	lane.line.waiting++
	ls.waiting++
	if lane.open >= 0 {
		ls.eligible++
	}
	ls.settle(lane)
}

// remove takes a waiting entry out of its lane.
func (ls *lanes) remove(e *entry) {
	lane := e.lane
	if lane.open >= 0 {
		ls.eligible--
	}
	// A lane that would be empty leaves the heaps while it still has its first entry.
	if lane.length() == 1 {
		if lane.open >= 0 {
			lane.line.open.remove(lane.open)
		}
		lane.line.longest.remove(lane.longest)
	}
	lane.best.remove(e.front)
	lane.worst.remove(e.back)
	lane.line.waiting--
	ls.waiting--
	e.lane, e.state = nil, gone
	if lane.length() > 0 {
		ls.settle(lane)
	}
	ls.forget(lane.receiver)
}

// settle gives a lane that is not empty the place in its queue that its first entry,
// its length and its receiver call for.
func (ls *lanes) settle(lane *lane) {
	line := lane.line
	if lane.longest < 0 {
		line.longest.push(lane)
	} else {
		line.longest.fix(lane.longest)
	}
	switch shut := lane.receiver.saturated(); {
	case shut && lane.open >= 0:
		line.open.remove(lane.open)
		ls.eligible -= lane.length()
	case !shut && lane.open < 0:
		line.open.push(lane)
		ls.eligible += lane.length()
	case !shut:
		line.open.fix(lane.open)
	}
}

// take removes the entry that runs next and occupies its receiver; nil if none may run.
// Queues share by smooth weighted round robin among those that have something to run.
func (ls *lanes) take() *entry {
	var next *line
	total := 0
	for _, line := range ls.lines {
		if line.open.empty() {
			continue
		}
		line.credit += line.weight
		total += line.weight
		if next == nil || line.credit > next.credit {
			next = line
		}
	}
	if next == nil {
		return nil
	}
	next.credit -= total
	lane := next.open.first()
	e := lane.best.first()
	lane.receiver.inFlight++ // before remove: a receiver in use is not forgotten
	ls.remove(e)
	e.lane, e.state = lane, running
	ls.reconsider(lane.receiver)
	return e
}

// occupy counts a delivery to the lane's receiver; false if it may take no more.
func (ls *lanes) occupy(lane *lane) bool {
	if lane.receiver.saturated() {
		return false
	}
	lane.receiver.inFlight++
	ls.reconsider(lane.receiver)
	return true
}

// vacate ends a delivery to the lane's receiver.
func (ls *lanes) vacate(lane *lane) {
	lane.receiver.inFlight--
	ls.reconsider(lane.receiver)
	ls.forget(lane.receiver)
}

func (ls *lanes) reconsider(r *receiver) {
	for _, lane := range r.lanes {
		if lane != nil && lane.length() > 0 && (lane.open >= 0) == r.saturated() {
			ls.settle(lane)
		}
	}
}

func (ls *lanes) forget(r *receiver) {
	if r.unused() {
		delete(ls.receivers, r.key)
	}
}

// worst is the entry to drop when there are too many: of the queue furthest over its
// share, of its longest lane, the last in rank. So neither a queue nor a slow receiver
// can crowd out the others.
func (ls *lanes) worst() *entry {
	var over *line
	for _, line := range ls.lines {
		if line.waiting > 0 && (over == nil || line.waiting*over.weight > over.waiting*line.weight) {
			over = line
		}
	}
	return over.longest.first().worst.first()
}
