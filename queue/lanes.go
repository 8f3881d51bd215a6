package queue

// Due items wait in lanes: one lane per queue, receiver and hook's receiver. Those of one
// queue whose hook's receiver is the same, or that have no hook, are a group. A lane is open
// while its receiver may take another delivery, a group while its hook's receiver may, and
// an item may run when both are. So parking and releasing everything that waits for a
// receiver touches a handful of lanes and groups, however many items they hold and however
// many receivers have their hook at one.

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
	lane  *lane // while waiting or running: where it waits, whose receivers it uses
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

var after = reversed(before)

func setFront(e *entry, at int) { e.front = at }
func setBack(e *entry, at int)  { e.back = at }

type lane struct {
	group    *group
	receiver *receiver
	best     heap[*entry] // what runs next
	worst    heap[*entry] // what is dropped next
	open     int          // position in group.open; -1: shut or empty
	longest  int          // position in line.longest; -1: empty
	counted  int          // what of it is in group.startable
}

func (l *lane) length() int { return l.best.length() }

// receivers are those that an item of the lane calls.
func (l *lane) receivers() [2]*receiver { return [2]*receiver{l.receiver, l.group.hook} }

// group is the lanes of one queue that have the same receiver of their hooks.
type group struct {
	line      *line
	hook      *receiver
	lanes     map[Receiver]*lane
	open      heap[*lane]
	startable int // items in open lanes
	at        int // position in line.open; -1: shut, or none of its lanes is open
	counted   int // what of it is in lanes.eligible
}

func newGroup(line *line, hook *receiver) *group {
	return &group{
		line: line, hook: hook, at: -1, lanes: map[Receiver]*lane{},
		open: newHeap(
			func(a, b *lane) bool { return before(a.best.first(), b.best.first()) },
			func(l *lane, at int) { l.open = at }),
	}
}

// first is what runs next of a group with an open lane.
func (g *group) first() *entry { return g.open.first().best.first() }

// line is one queue.
type line struct {
	name    string
	weight  int
	credit  int
	index   int
	waiting int // items in all its lanes
	open    heap[*group]
	longest heap[*lane]
}

func newLine(name string, weight, index int) *line {
	return &line{
		name: name, weight: max(weight, 1), index: index,
		open: newHeap(
			func(a, b *group) bool { return before(a.first(), b.first()) },
			func(g *group, at int) { g.at = at }),
		longest: newHeap(
			func(a, b *lane) bool { return a.length() > b.length() },
			func(l *lane, at int) { l.longest = at }),
	}
}

// lanes is all that is due. It is not safe for concurrent use.
type lanes struct {
	lines     []*line
	fallback  *line // for items of a queue that is not configured
	byName    map[string]*line
	receivers map[Receiver]*receiver
	nobody    *receiver // the hook's receiver of what has no hook
	waiting   int       // items in lanes
	eligible  int       // of those, in open lanes of open groups
}

func newLanes(queues []QueueWeight) *lanes {
	ls := &lanes{byName: map[string]*line{}, receivers: map[Receiver]*receiver{}}
	for i, q := range queues {
		line := newLine(q.Name, q.Weight, i)
		ls.lines = append(ls.lines, line)
		ls.byName[q.Name] = line
	}
	if ls.fallback = ls.byName[DefaultQueue]; ls.fallback == nil {
		ls.fallback = ls.lines[0]
	}
	ls.nobody = &receiver{inFlight: 1} // for ever, so that it is not forgotten
	return ls
}

// laneFor finds or makes the lane an item belongs to. Whoever leaves one unused that was made has it forgotten.
func (ls *lanes) laneFor(item Item) *lane {
	line := ls.byName[item.Queue]
	if line == nil {
		line = ls.fallback
	}
	hook := ls.nobody
	if item.Hook.Name != "" && item.Hook != item.Receiver {
		hook = ls.receiver(item.Hook)
	}
	if hook.groups == nil {
		hook.groups = make([]*group, len(ls.lines))
	}
	g := hook.groups[line.index]
	if g == nil {
		g = newGroup(line, hook)
		hook.groups[line.index] = g
	}
	l := g.lanes[item.Receiver]
	if l == nil {
		l = &lane{
			group: g, receiver: ls.receiver(item.Receiver), open: -1, longest: -1,
			best:  newHeap(before, setFront),
			worst: newHeap(after, setBack),
		}
		l.receiver.lanes = append(l.receiver.lanes, l)
		g.lanes[item.Receiver] = l
	}
	return l
}

// add puts a due entry into its lane.
func (ls *lanes) add(e *entry) {
	lane := ls.laneFor(e.item)
	e.lane, e.state = lane, waiting
	lane.best.push(e)
	lane.worst.push(e)
	ls.count(lane, 1)
}

// remove takes a waiting entry out of its lane.
func (ls *lanes) remove(e *entry) {
	lane := e.lane
	lane.best.remove(e.front)
	lane.worst.remove(e.back)
	e.lane, e.state = nil, gone
	ls.count(lane, -1)
	ls.forget(lane)
}

// count notes that a lane has n items more.
func (ls *lanes) count(lane *lane, n int) {
	for _, r := range lane.receivers() {
		r.waiting += n
	}
	lane.group.line.waiting += n
	ls.waiting += n
	ls.settle(lane)
}

// settle gives a lane and its group the places that its first entry, its length and
// their receivers call for.
func (ls *lanes) settle(l *lane) {
	g, n := l.group, l.length()
	g.line.longest.settle(l, l.longest, n > 0)
	if l.receiver.saturated() {
		n = 0
	}
	g.open.settle(l, l.open, n > 0)
	g.startable += n - l.counted
	l.counted = n
	ls.settleGroup(g)
}

func (ls *lanes) settleGroup(g *group) {
	n := g.startable
	if g.hook.saturated() {
		n = 0
	}
	g.line.open.settle(g, g.at, n > 0)
	ls.eligible += n - g.counted
	g.counted = n
}

// take removes the entry that runs next and occupies its receivers; nil if none may run.
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
	lane := next.open.first().open.first()
	e := lane.best.first()
	ls.occupy(lane)
	ls.remove(e)
	e.lane, e.state = lane, running
	return e
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
