package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/genevadrive/genevadrive/persistence"
)

const (
	maxBatch      = 128 // decisions that share one commit
	commitTimeout = 30 * time.Second
	heldUp        = 100 * time.Millisecond // after which a commit keeps the next one waiting no longer

	// So many waiting set out beside the commit on its way. Creates share no rows, and clients wait for each.
	decisionCrowd = 32
	createCrowd   = 8
)

// committer gathers decisions of one kind, or creates, into common transactions. It never waits for company: one
// that finds no commit on its way commits at once and alone; those that arrive meanwhile go together with the next
// commit, and before that, beside the one on its way, once they are a crowd (DESIGN section 4, "Commit directly when
// nobody waits"; docs/decisions/0003).
type committer[O, R any] struct {
	base  context.Context // of the commits; they end with it
	apply func(ctx context.Context, ops []O, done func(i int, result R))
	size  func(O) int // about how many bytes of its own it writes
	told  func(decisions int)
	crowd int

	mu      sync.Mutex
	running int // commits on their way
	waiting []*pending[O, R]
}

// pending is one decision on its way.
type pending[O, R any] struct {
	op     O
	size   int
	result R
	done   chan struct{}
}

func newCommitter[O, R any](apply func(context.Context, []O, func(int, R)), size func(O) int, told func(int), crowd int) *committer[O, R] {
	return &committer[O, R]{base: context.Background(), apply: apply, size: size, told: told, crowd: crowd}
}

// do applies one decision and gives its result. It cannot be called off, since the caller could not know
// then what became of it; it ends within about commitTimeout.
func (c *committer[O, R]) do(op O) R {
	p := &pending[O, R]{op: op, size: c.size(op), done: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, p)
	batch := c.depart()
	c.mu.Unlock()
	switch {
	case len(batch) == 1:
		c.commit(batch)
	case batch != nil:
		go c.commit(batch)
	}
	<-p.done
	return p.result
}

// depart gives the decisions that set out now, nil when none do: any if nothing is on its way, a crowd, or more than
// fit one commit, if one is.
func (c *committer[O, R]) depart() []*pending[O, R] {
	if len(c.waiting) == 0 || c.running > 1 {
		return nil
	}
	n := persistence.Together(c.waiting, maxBatch, func(p *pending[O, R]) int { return p.size })
	if c.running == 1 && n < c.crowd && n == len(c.waiting) {
		return nil
	}
	c.running++
	batch := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	return batch
}

// next lets what has gathered set out in the place of a commit that is over, or held up.
func (c *committer[O, R]) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	if batch := c.depart(); batch != nil {
		go c.commit(batch)
	}
}

// commit commits a batch and then sees to the next one; earlier if this one is held up, by a lock of somebody who
// has stopped, say, since that must not become everybody's trouble.
func (c *committer[O, R]) commit(batch []*pending[O, R]) {
	ctx, cancel := context.WithTimeout(c.base, commitTimeout)
	c.told(len(batch))
	ops := make([]O, len(batch))
	for i, p := range batch {
		ops[i] = p.op
	}
	following := time.AfterFunc(heldUp, c.next)
	var left atomic.Int64
	left.Store(int64(len(batch)))
	c.apply(ctx, ops, func(i int, result R) {
		batch[i].result = result
		close(batch[i].done)
		if left.Add(-1) == 0 {
			cancel()
		}
	})
	if following.Stop() {
		c.next()
	}
}
