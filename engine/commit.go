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

// committer gathers decisions into common transactions. It never waits for company: a decision that finds a
// free lane commits at once and alone; those that arrive while all lanes are busy go together with the next
// commit (DESIGN section 4, "Commit directly when nobody waits").
type committer struct {
	store *persistence.Store
	lanes int             // commits at once
	base  context.Context // of the commits; they end with it
	told  func(decisions int)

	mu      sync.Mutex
	busy    int
	waiting []*pendingOp
}

type pendingOp struct {
	op     persistence.Op
	result persistence.Result
	done   chan struct{}
}

func newCommitter(store *persistence.Store, told func(decisions int)) *committer {
	lanes := 2
	if store.SingleWriter() {
		lanes = 1
	}
	return &committer{store: store, lanes: lanes, base: context.Background(), told: told}
}

// do applies one decision and gives its result. It cannot be called off, since the caller could not know
// then what became of it; it ends within about commitTimeout.
func (c *committer) do(op persistence.Op) persistence.Result {
	p := &pendingOp{op: op, done: make(chan struct{})}
	c.mu.Lock()
	if c.busy < c.lanes {
		c.busy++
		c.mu.Unlock()
		c.commit([]*pendingOp{p})
		c.next()
		return p.result
	}
	c.waiting = append(c.waiting, p)
	c.mu.Unlock()
	<-p.done
	return p.result
}

// next frees the lane, or hands it to a goroutine that commits whatever has gathered.
func (c *committer) next() {
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
func (c *committer) take() []*pendingOp {
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

func (c *committer) commit(batch []*pendingOp) {
	ctx, cancel := context.WithTimeout(c.base, commitTimeout)
	defer cancel()
	c.told(len(batch))
	ops := make([]persistence.Op, len(batch))
	for i, p := range batch {
		ops[i] = p.op
	}
	c.store.ApplyBatch(ctx, ops, func(i int, result persistence.Result) {
		batch[i].result = result
		close(batch[i].done)
	})
}
