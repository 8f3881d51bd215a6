package persistence

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// expectation is what creates are decided on without a question: that nothing is in the way of them, and, but on SQLite,
// the clock as it must be by now and the versions that the ops take for the newest. Whether that held is checked with
// the commit (docs/decisions/0059).
type expectation struct {
	clock     estimate
	contested atomic.Int32 // so many more common transactions look first at what is in the way of them
}

// lookFirst is how many common transactions look first after one that met an open workflow of a subject, since where
// one such request comes there are more, and each costs a common transaction that expects nothing of it a second run.
const lookFirst = 16

// estimate tells the database's clock from what has passed here since it was read: as long as it and this process's
// run alike it is not ahead of it, and behind it by no more than maxLag.
type estimate struct {
	mu   sync.Mutex
	now  time.Time // as it was read
	at   time.Time // this process's clock after that
	took time.Duration
}

const (
	maxLag = 5 * time.Millisecond
	maxAge = 3 * time.Second // of a reading: every sweep makes one
)

// read takes a reading, for which this process's clock went from before to at, if it tells more than the last one.
func (e *estimate) read(now, before, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if since := at.Sub(e.at); e.now.IsZero() || since >= maxAge || now.After(e.now.Add(since)) {
		e.now, e.at, e.took = now, at, at.Sub(before)
	}
}

// tell gives the database's clock; false means that it was read too long ago, or too slowly.
func (e *estimate) tell(at time.Time) (now time.Time, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	since := at.Sub(e.at)
	return e.now.Add(since).Truncate(time.Microsecond), !e.now.IsZero() && e.took <= maxLag && since >= 0 && since < maxAge
}

// forget makes the next reading count, whatever it tells.
func (e *estimate) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now = time.Time{}
}

// expect gives the ground of creates that ask nothing beforehand, and the statement that is to be run with their
// commit: it fails with errGuard unless all was so. ok is false where creates have to read.
func (s *Store) expect(ops []CreateOp) (g ground, check statement, ok bool) {
	now, known := s.expected.clock.tell(s.now())
	if s.dialect.oneFile || !known || !s.goAhead(ops) {
		return g, check, false
	}
	g = ground{now: now, newest: newestVersions{}}
	for i := range ops {
		op := &ops[i]
		if op.Version != nil {
			return g, check, false
		}
		if v := op.Newest; v != nil {
			if other, again := g.newest[v.Type]; again && other != v.Version {
				return g, check, false
			}
			g.newest[v.Type] = v.Version
		}
	}
	return g, s.dialect.asExpected(now, g.newest), true
}

// goAhead tells whether creates do without a look at what is in the way of them: the unique index tells, which costs
// those that something is in the way of a second run. Each common transaction that asks while there are some which look
// first is one of those.
func (s *Store) goAhead(ops []CreateOp) bool {
	if len(ops) > 1 && s.expected.contested.Load() > 0 {
		s.expected.contested.Add(-1)
		return false
	}
	for i := range ops {
		if ops[i].Key != nil {
			return false
		}
	}
	return true
}

// asExpected fails with errGuard unless the database's clock has reached a time, not a second ago, and these are the newest
// versions of their types.
func (d *dialect) asExpected(now time.Time, newest newestVersions) statement {
	if d.counted {
		types, versions := make([]string, 0, len(newest)), make([]int64, 0, len(newest))
		for typ, version := range newest {
			types, versions = append(types, typ), append(versions, int64(version))
		}
		return statement{query: d.text.checkExpected, args: []any{now, now, types, versions}, rows: 1}
	}
	args := []any{now, now}
	for typ, version := range newest {
		args = append(args, typ, int64(version))
	}
	return statement{query: d.checkExpectedOf(len(newest)), args: args}
}

// unexpected takes note of what a transaction of creates has met.
func (s *Store) unexpected(err error) {
	if errors.Is(err, errGuard) {
		s.expected.clock.forget()
	}
}
