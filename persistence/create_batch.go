package persistence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/genevadrive/genevadrive/domain"
)

// maxCreates is how many workflows are made in one transaction: enough to share a commit among, few enough
// that nobody waits long for the locks of it, or for SQLite's one writer.
const maxCreates = 250

// CreateBatch makes workflows as if Create were called with one after the other, many in a transaction, and
// gives each one's result in the order of the ops. One that cannot be made costs its neighbours nothing. When
// the database goes away in the middle, those that are not made by then are ErrUnavailable. The ops' keys, of
// all or of none, have one scope.
func (s *Store) CreateBatch(ctx context.Context, ops []CreateOp) []CreateResult {
	results := make([]CreateResult, len(ops))
	if s.dialect.oneFile { // batches that took turns at the one writer would all be done last
		s.batches.Lock()
		defer s.batches.Unlock()
	}
	var gone error
	for at, end := 0, 0; at < len(ops); at = end {
		end = at + Together(ops[at:], maxCreates, func(op CreateOp) int { return op.Bytes })
		c := creations{store: s, ops: ops[at:end], results: results[at:end], how: make([]fate, end-at)}
		if gone == nil {
			gone = c.run(ctx)
		} else {
			c.fail(gone)
		}
	}
	s.readExisting(ctx, results)
	return results
}

// CreateTogether makes workflows that have nothing to do with each other, and no keys, in one transaction, and
// calls done with each one's place and result, once. What cannot share the transaction is made singly after that;
// it calls done later, from goroutines of its own, under the same context. done may be called from several
// goroutines at once.
func (s *Store) CreateTogether(ctx context.Context, ops []CreateOp, done func(i int, r CreateResult)) {
	if len(ops) == 1 {
		done(0, s.Create(ctx, ops[0]))
		return
	}
	c := creations{store: s, ops: ops, results: make([]CreateResult, len(ops)), how: make([]fate, len(ops))}
	c.settle(c.together(ctx))
	for i, r := range c.results {
		switch {
		case c.how[i] == alone:
			go func() { done(i, s.Create(ctx, ops[i])) }()
		case r.Existing != nil:
			go func() { s.readExisting(ctx, c.results[i:i+1]); done(i, c.results[i]) }()
		default:
			done(i, r)
		}
	}
}

// creations is one transaction's part of a CreateBatch under way. Until it is over, the Existing of a result
// has the id alone.
type creations struct {
	store   *Store
	ops     []CreateOp
	results []CreateResult
	how     []fate
	unsure  *creations // as it was at a commit that was not acknowledged: it is not decided again
	now     time.Time  // of the decisions, by the database's clock
	reads   bool       // what was expected was not so
}

// run makes the workflows. Its error says that going on is no use.
func (c *creations) run(ctx context.Context) error {
	gone := c.settle(c.together(ctx))
	subjects := map[oneActive][]int{}
	for i := range c.ops {
		if c.how[i] == alone {
			subject := c.ops[i].oneActive()
			subjects[subject] = append(subjects[subject], i)
		}
	}
	var all errgroup.Group // of several subjects at once, since one may have to wait for what somebody has locked
	all.SetLimit(aloneAtOnce)
	for _, members := range subjects {
		all.Go(func() error {
			for _, i := range members {
				c.results[i] = c.store.Create(ctx, c.ops[i])
			}
			return nil
		})
	}
	return errors.Join(gone, all.Wait())
}

// aloneAtOnce is how many members of a batch are made alone at the same time.
const aloneAtOnce = 8

// settle says what the end of the common transaction is to its members: each has its result then, or is alone.
// Its error says that going on is no use.
func (c *creations) settle(err error) (gone error) {
	switch {
	case err == nil:
	case c.unsure == nil && (isLockTimeout(err) || !worthRerun(err)) && !errors.As(err, new(decided)):
		c.fail(nil) // some member's values, a place held by others: alone each gets what is its own
	default:
		if c.unsure != nil {
			err = unavailable(err) // nobody knows yet whether they are there
		}
		c.fail(err)
		if f := faultOf(err); f == faultAway || f == faultRerun {
			return err
		}
	}
	return nil
}

// together runs the common transaction until it is committed, or its error is the same again and again.
func (c *creations) together(ctx context.Context) error {
	for rerun := 0; ; rerun++ {
		err := c.replays(ctx)
		if err == nil {
			err = c.once(ctx)
		}
		if c.unsure != nil && (faultOf(err) == faultUnique || errors.Is(err, errFindOut)) {
			if err = c.madeAlready(ctx); err == nil {
				return nil
			}
		}
		c.reads = err != nil
		c.store.unexpected(err)
		if errors.As(err, new(*commitError)) && c.unsure == nil {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, resolveWithin)
			defer cancel()
			c.unsure = &creations{results: slices.Clone(c.results), how: slices.Clone(c.how), now: c.now}
		}
		if isLockTimeout(err) && c.unsure == nil { // nobody waits twice for what only one of them needs
			return err
		}
		again := worthRerun(err) || faultOf(err) == faultUnique // somebody else came first: it is seen the next time
		if !again || rerun >= maxReruns && c.unsure == nil || !pause(ctx, rerun) {
			return err
		}
	}
}

// madeAlready finds out, once something is in the way of workflows that an earlier commit may have made, whether it did:
// then they are there. If not, they are decided again, which errGuard says.
func (c *creations) madeAlready(ctx context.Context) error {
	if i := slices.Index(c.unsure.how, saved); i >= 0 {
		_, err := c.store.Workflow(ctx, c.unsure.results[i].Change.Workflow.ID)
		if err == nil {
			c.takeUnsure()
			return nil
		}
		if domain.CodeOf(err) != domain.CodeWorkflowNotFound {
			return err
		}
	}
	c.unsure = nil
	return errGuard
}

// takeUnsure makes what an earlier commit may have done the decision.
func (c *creations) takeUnsure() {
	copy(c.results, c.unsure.results)
	copy(c.how, c.unsure.how)
	c.now = c.unsure.now
}

// fail gives the members that have no result yet this one; nil leaves them to be made alone.
func (c *creations) fail(err error) {
	for i := range c.results {
		switch {
		case c.how[i] == refused && c.results[i].Existing == nil:
		case err == nil:
			c.how[i], c.results[i] = alone, CreateResult{}
		default:
			c.how[i], c.results[i] = refused, CreateResult{Result: Result{Err: shown(err)}}
		}
	}
}

// shown is an error in the form in which the store returns it.
func shown(err error) error {
	var own decided
	if errors.As(err, &own) {
		return own.error
	}
	return explain(err)
}

// replays finds the members that an earlier request with the same key has made.
func (c *creations) replays(ctx context.Context) error {
	clear(c.how)
	keys := make([]*IdempotencyKey, len(c.ops))
	for i := range c.ops {
		keys[i] = c.ops[i].Key
	}
	found, err := c.store.keysOf(ctx, keys)
	if err != nil {
		return err
	}
	for i, key := range keys {
		if key == nil {
			continue
		}
		first, ok := found[key.Key]
		switch {
		case ok && c.unsure != nil && first.WorkflowID == key.WorkflowID:
			return errFindOut
		case ok:
			c.how[i], c.results[i] = refused, CreateResult{Result: Result{Err: shown(first.replay(key))}}
		}
	}
	return nil
}

// errFindOut says that something tells whether an earlier commit, which was not acknowledged, has happened.
var errFindOut = fmt.Errorf("%w: an earlier commit is to be looked for", errGuard)

// once is the common transaction: it makes every member that nothing is in the way of, and refuses those
// whose conflict policy does. Two members of one subject are made one after the other, and so is what first
// has to cancel something: all but the first of a subject are left alone here. Rows that an earlier commit may have
// inserted are inserted again as they were: either they are there, or they are now.
func (c *creations) once(ctx context.Context) error {
	s := c.store
	return s.transact(ctx, func(t transaction) error {
		var checks []statement
		var err error
		if c.unsure != nil {
			c.takeUnsure()
			err = c.holdVersions(ctx, t)
		} else {
			checks, err = c.decide(ctx, t)
		}
		if err != nil {
			return err
		}
		if keys := c.keys(); len(keys) > 0 {
			err := t.exec(ctx, s.dialect.inserts(nil, insertKeyRow, keys)...)
			if isLockTimeout(err) {
				return decided{errInProgress()}
			}
			if err != nil {
				return err
			}
		}
		return t.commit(ctx, append(c.save().statements(&s.dialect), checks...)...)
	})
}

// holdVersions keeps the versions that members name from being deleted; build does for those it decides on. One that has
// been deleted had no workflow.
func (c *creations) holdVersions(ctx context.Context, t transaction) error {
	held := map[Version]bool{}
	for i, op := range c.ops {
		if v := op.Version; v != nil && c.how[i] == saved && !held[*v] {
			err := c.store.holdVersion(ctx, t, v)
			if errors.As(err, new(decided)) {
				return errFindOut
			}
			if err != nil {
				return err
			}
			held[*v] = true
		}
	}
	return nil
}
