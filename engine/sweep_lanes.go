package engine

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/persistence"
)

// maxPages is how many pages a sweep reads behind the heads of lanes that are stuck, while nothing of them can
// be offered.
const maxPages = 10

// sweepLanes offers the head of each lane, which is its first sweepLimit steps. Where most of a head was there before
// already and all of it is due, whatever keeps it there (claims that fail, definitions that cannot be read, a slow
// receiver), it also offers what stands behind, a page each time, until the lane's end and then from the head on again.
// So nothing stands in the way of what is due after it for good (docs/decisions/0065). It reports whether the next sweep
// should come as soon as there is room.
func (e *Engine) sweepLanes(ctx context.Context, ahead time.Duration) (more bool, err error) {
	e.stuck.mu.Lock()
	defer e.stuck.mu.Unlock()
	heads, now, err := e.Store.Due(ctx, e.Queues, ahead, sweepLimit)
	if err != nil {
		return false, err
	}
	e.offer(ctx, heads, now, doorbellGrace)
	marks, more := e.stuck.look(heads, now)
	for page := 0; page < maxPages && len(marks) > 0; page++ {
		behind, err := e.Store.DueBehind(ctx, marks, now.Add(min(ahead, 0)), sweepLimit)
		if err != nil {
			return false, err
		}
		marks = e.stuck.pass(marks, behind)
		if e.offer(ctx, behind, now, doorbellGrace) > 0 {
			return more || len(marks) > 0, nil
		}
	}
	return more, nil
}

// stuckLanes knows the lanes whose heads the last sweep found full.
type stuckLanes struct {
	mu    sync.Mutex
	heads map[persistence.Lane]map[uuid.UUID]bool
	marks map[persistence.Lane]persistence.Mark // how far behind its head a stuck one has been read
}

// look compares the heads of the lanes with those of the last sweep. It gives where to read on in those
// that are stuck, and whether others have more than their head.
func (s *stuckLanes) look(candidates []persistence.Candidate, now time.Time) (marks map[persistence.Lane]persistence.Mark, more bool) {
	was, read := s.heads, s.marks
	s.heads, s.marks = map[persistence.Lane]map[uuid.UUID]bool{}, map[persistence.Lane]persistence.Mark{}
	marks = map[persistence.Lane]persistence.Mark{}
	for lane, head := range byLane(candidates) {
		if len(head) < sweepLimit {
			continue
		}
		ids, known := make(map[uuid.UUID]bool, len(head)), 0
		for _, c := range head {
			ids[c.ExecutionID] = true
			if was[lane][c.ExecutionID] {
				known++
			}
		}
		s.heads[lane] = ids
		end := after(persistence.Mark{}, head)
		if end.Due.After(now) { // all that is due is in the head
			continue
		}
		if known < sweepLimit/2 {
			more = true
			continue
		}
		if mark := read[lane]; mark.Due.After(end.Due) || mark.Due.Equal(end.Due) && mark.Passed > end.Passed {
			end = mark
		}
		marks[lane] = end
	}
	return marks, more
}

// pass moves the marks behind what has been read there, and gives those of lanes that may have more.
func (s *stuckLanes) pass(marks map[persistence.Lane]persistence.Mark, behind []persistence.Candidate) map[persistence.Lane]persistence.Mark {
	next := map[persistence.Lane]persistence.Mark{}
	pages := byLane(behind)
	for lane, mark := range marks {
		if page := pages[lane]; len(page) == sweepLimit {
			next[lane] = after(mark, page)
			s.marks[lane] = next[lane]
		} else {
			delete(s.marks, lane)
		}
	}
	return next
}

// after is the place behind a page that was read from a mark on.
func after(mark persistence.Mark, page []persistence.Candidate) persistence.Mark {
	for _, c := range page {
		switch {
		case c.Due.After(mark.Due):
			mark = persistence.Mark{Due: c.Due, Passed: 1}
		case c.Due.Equal(mark.Due):
			mark.Passed++
		}
	}
	return mark
}

func byLane(candidates []persistence.Candidate) map[persistence.Lane][]persistence.Candidate {
	lanes := map[persistence.Lane][]persistence.Candidate{}
	for _, c := range candidates {
		lanes[c.Lane()] = append(lanes[c.Lane()], c)
	}
	return lanes
}

// maxTried bounds each of the two generations that tried remembers.
const maxTried = 10_000

// tried remembers what was overdue when it was offered lately, with when it was due.
type tried struct {
	mu          sync.Mutex
	young, aged map[uuid.UUID]time.Time
}

// before tells whether the candidate was offered already as what it is now, and remembers it.
func (t *tried) before(c persistence.Candidate) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	due, known := t.young[c.ExecutionID]
	if !known {
		due, known = t.aged[c.ExecutionID]
	}
	if t.young == nil || len(t.young) >= maxTried {
		t.young, t.aged = map[uuid.UUID]time.Time{}, t.young
	}
	t.young[c.ExecutionID] = c.Due
	return known && due.Equal(c.Due)
}
