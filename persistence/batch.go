package persistence

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// batchReruns is how often a batch is run again as a whole before its members go singly.
const batchReruns = 3

// ApplyBatch takes decisions in one transaction and calls done with each one's place and result, once.
// Members whose rows are locked by somebody else, that share a workflow with another member, or that turn out
// odd, are taken singly after that, and so are all of them when the common transaction fails: one bad member
// costs its neighbours nothing. ApplyBatch returns once the common transaction is over; what goes singly
// calls done later, from goroutines of its own, under the same context. done may be called from several goroutines
// at once.
func (s *Store) ApplyBatch(ctx context.Context, ops []Op, done func(i int, r Result)) {
	if len(ops) == 1 && s.dialect.oneFile && ops[0].Known == nil {
		done(0, s.Apply(ctx, ops[0]))
		return
	}
	b := newBatch(s, ops)
	err := b.run(ctx)
	var lost *commitError
	for i, op := range ops {
		switch {
		case b.how[i] == refused, b.how[i] == saved && err == nil:
			done(i, b.results[i])
			continue
		case b.how[i] == saved && errors.As(err, &lost):
			op.Unsure = &Unsure{seen: b.seen[i], result: b.results[i]}
		}
		go func() { done(i, s.Apply(ctx, op)) }()
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
	blind   bool // what was known of some member is no longer so: all are read
}

func newBatch(s *Store, ops []Op) *batch {
	return &batch{store: s, ops: ops, results: make([]Result, len(ops)), seen: make([]Row, len(ops)), how: make([]fate, len(ops))}
}

func (b *batch) run(ctx context.Context) error {
	for rerun := 0; ; rerun++ {
		err := b.once(ctx)
		if !b.blind && errors.Is(err, errGuard) {
			b.blind = true
			continue
		}
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
		checks := b.decideKnown(members, &save)
		for _, q := range b.lock(members) {
			err := t.query(ctx, question{q.query, q.args, newRecord(lockedWidth), func(r *record) error {
				row, now := b.store.locked(r)
				if i, member := members[row.Workflow.ID]; r.err == nil && member && b.ops[i].ExecutionID == row.Execution.ID {
					b.decide(i, row, now, &save)
				}
				return r.err
			}})
			if err != nil {
				return err
			}
		}
		return t.commit(ctx, append(checks, save.statements(&b.store.dialect)...)...)
	})
}

// decide asks a member whose rows are locked what becomes of them.
func (b *batch) decide(i int, row Row, now time.Time, save *saving) {
	change, err := b.ops[i].Decide(now, row)
	result := Result{Change: change, Now: now, at: b.store.now(), Err: err}
	if err != nil || change.Unchanged {
		b.results[i], b.how[i] = result, refused
		return
	}
	b.save(i, row, result, save)
}

// save has the decision of a member written with the others.
func (b *batch) save(i int, seen Row, result Result, save *saving) {
	b.results[i], b.how[i], b.seen[i] = result, saved, seen
	b.ops[i].save(save, seen, &b.results[i])
}

// members gives the ops that can share the transaction, by workflow: one for each, of a known execution, of which
// nothing has to be found out first.
func (b *batch) members() map[uuid.UUID]int {
	members := make(map[uuid.UUID]int, len(b.ops))
	for i := range b.ops {
		op := &b.ops[i]
		if _, taken := members[op.WorkflowID]; !taken && op.Key == nil && op.Unsure == nil && op.ExecutionID != uuid.Nil {
			members[op.WorkflowID] = i
		}
	}
	return members
}

// lock gives the queries that lock the members in the order of their workflows, passing over what is locked. One
// for many takes the newest execution of each; a member that is about another one is odd.
func (b *batch) lock(members map[uuid.UUID]int) []statement {
	d := &b.store.dialect
	if len(members) == 0 {
		return nil
	}
	if d.oneFile || len(members) == 1 { // no round trips to save
		all := make([]statement, 0, len(members))
		for _, i := range members {
			all = append(all, statement{query: d.text.lockFree, args: []any{b.ops[i].ExecutionID, b.ops[i].WorkflowID}})
		}
		return all
	}
	ids := slices.Collect(maps.Keys(members))
	sortIDs(ids)
	if d.counted {
		return []statement{{query: d.text.lockMany, args: []any{uuidArray(ids)}}}
	}
	return []statement{{query: d.lockBoth(newestExecution, "IN ("+marks(len(ids))+")") + " " + d.skipLocked, args: idArgs(ids)}}
}
