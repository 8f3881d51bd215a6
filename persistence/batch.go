package persistence

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// batchReruns is how often a batch is run again as a whole before its members go singly.
const batchReruns = 3

// ApplyBatch takes many decisions in one transaction and calls done with each one's place and result, once.
// Members whose rows are locked by somebody else, that share a workflow with another member, or that turn out
// odd, are taken singly after that, and so are all of them when the common transaction fails: one bad member
// costs its neighbours nothing. ApplyBatch returns once the common transaction is over; what goes singly
// calls done later, from goroutines of its own. done may be called from several goroutines at once.
func (s *Store) ApplyBatch(ctx context.Context, ops []Op, done func(i int, r Result)) {
	if len(ops) == 1 {
		done(0, s.Apply(ctx, ops[0]))
		return
	}
	b := &batch{store: s, ops: ops, results: make([]Result, len(ops)), seen: make([]Row, len(ops)), how: make([]fate, len(ops))}
	err := b.run(ctx)
	var unsure *commitError
	var singly sync.WaitGroup
	for i, op := range ops {
		var unknown *unacknowledged
		switch {
		case b.how[i] == refused, b.how[i] == saved && err == nil:
			done(i, b.results[i])
			continue
		case b.how[i] == saved && errors.As(err, &unsure):
			unknown = &unacknowledged{seen: b.seen[i], result: b.results[i]}
		}
		singly.Go(func() { done(i, s.apply(context.WithoutCancel(ctx), op, unknown)) })
	}
}

// fate is what happens to a member of a batch.
type fate int

const (
	alone   fate = iota // it was not in the common transaction
	refused             // Decide said no; that is its result
	saved               // it is in the common transaction
)

type batch struct {
	store   *Store
	ops     []Op
	results []Result
	seen    []Row
	how     []fate
}

func (b *batch) run(ctx context.Context) error {
	for rerun := 0; ; rerun++ {
		err := b.once(ctx)
		if faultOf(err) != faultRerun || rerun >= batchReruns || !pause(ctx, rerun) {
			return err
		}
	}
}

func (b *batch) once(ctx context.Context) error {
	clear(b.how)
	members := b.members()
	if len(members) == 0 {
		return nil
	}
	return b.store.transact(ctx, func(t transaction) error {
		var save saving
		query, args := b.lock(members)
		err := t.query(ctx, query, args, newRecord(lockedWidth), func(r *record) error {
			row, now := b.store.locked(r)
			i, member := members[row.Workflow.ID]
			if r.err != nil || !member || b.ops[i].ExecutionID != row.Execution.ID {
				return r.err
			}
			change, err := b.ops[i].Decide(now, row)
			b.results[i] = Result{Change: change, Now: now, Err: err}
			switch {
			case err != nil, change.Unchanged:
				b.how[i] = refused
				return nil
			}
			b.how[i], b.seen[i] = saved, row
			save.add(row, &b.results[i].Change)
			b.results[i].Change.Workflow.LockVersion = row.Workflow.LockVersion + 1
			return nil
		})
		if err != nil {
			return err
		}
		return t.commit(ctx, save.statements(&b.store.dialect)...)
	})
}

// members gives the ops that can share the transaction, by workflow: one for each, of a known execution.
func (b *batch) members() map[uuid.UUID]int {
	members := make(map[uuid.UUID]int, len(b.ops))
	for i := range b.ops {
		op := &b.ops[i]
		if _, taken := members[op.WorkflowID]; !taken && op.Key == nil && op.ExecutionID != uuid.Nil {
			members[op.WorkflowID] = i
		}
	}
	return members
}

// lock is the query that locks the members in the order of their workflows, passing over what is locked. It
// takes the newest execution of each; a member that is about another one is odd.
func (b *batch) lock(members map[uuid.UUID]int) (string, []any) {
	d := &b.store.dialect
	ids := slices.SortedFunc(maps.Keys(members), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	if d.counted {
		return d.text.lockMany, []any{uuidArray(ids)}
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return d.lockBoth(newestExecution, "IN ("+marks(len(ids))+")") + " " + d.skipLocked, args
}
