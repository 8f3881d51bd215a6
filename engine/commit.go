package engine

import (
	"context"
	"sync"
	"time"

	"github.com/genevadrive/genevadrive/persistence"
)

const (
	maxBatch      = 128 // decisions that share one commit
	commitTimeout = 30 * time.Second
)

// committer gathers decisions of one kind, or creates, into common transactions. It never waits for company: one
// that finds a free lane commits at once and alone; those that arrive while all lanes are busy go together with
// the next commit (DESIGN section 4, "Commit directly when nobody waits").
type committer[O, R any] struct {
	lanes int             // commits at once
	base  context.Context // of the commits; they end with it
	apply func(ctx context.Context, ops []O, done func(i int, result R))
	told  func(decisions int)

	mu      sync.Mutex
	busy    int
	waiting []*pending[O, R]
}

// pending is one decision on its way.
type pending[O, R any] struct {
	op     O
	result R
	done   chan struct{}
}

func newCommitter[O, R any](store *persistence.Store, apply func(context.Context, []O, func(int, R)), told func(int)) *committer[O, R] {
	lanes := 2
	if store.SingleWriter() {
		lanes = 1
	}
	return &committer[O, R]{lanes: lanes, base: context.Background(), apply: apply, told: told}
}

// do applies one decision and gives its result. It cannot be called off, since the caller could not know
// then what became of it; it ends within about commitTimeout.
func (c *committer[O, R]) do(op O) R {
	p := &pending[O, R]{op: op, done: make(chan struct{})}
	c.mu.Lock()
	if c.busy < c.lanes {
		c.busy++
		c.mu.Unlock()
		c.commit([]*pending[O, R]{p})
		c.next()
		return p.result
	}
	c.waiting = append(c.waiting, p)
	c.mu.Unlock()
	<-p.done
	return p.result
}

// next frees the lane, or hands it to a goroutine that commits whatever has gathered.
func (c *committer[O, R]) next() {
	if batch := c.take(); batch != nil {
		go func() {
			for batch != nil {
				c.commit(batch)
				batch = c.take()
			}
		}()
	}
}

// take gives the decisions to commit next; with none left it frees the lane.
func (c *committer[O, R]) take() []*pending[O, R] {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.waiting), maxBatch)
	if n == 0 {
		c.busy--
		return nil
	}
	batch := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	return batch
}

func (c *committer[O, R]) commit(batch []*pending[O, R]) {
	ctx, cancel := context.WithTimeout(c.base, commitTimeout)
	defer cancel()
	c.told(len(batch))
	ops := make([]O, len(batch))
	for i, p := range batch {
		ops[i] = p.op
	}
	c.apply(ctx, ops, func(i int, result R) {
		batch[i].result = result
		close(batch[i].done)
	})
}
