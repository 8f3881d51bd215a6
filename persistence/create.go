package persistence

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// CreateOp makes a workflow. Its ids are fixed before, so that a repetition makes the same one.
type CreateOp struct {
	Type, SubjectType, SubjectID string // of the workflow that Build makes

	Build    func(now time.Time) (domain.Change, error)          // a new workflow and, as Next, its first execution
	Conflict domain.OnConflict                                   // "" is reject
	Cancel   func(now time.Time, row Row) (domain.Change, error) // what cancel_existing does to the one in the way
	Key      *IdempotencyKey                                     // its WorkflowID and Status are those of a new workflow
	Version  *Version                                            // must be there still, and stays; nil: nothing is asked
	Bytes    int                                                 // about how large its data is
	Newest   *Version                                            // must be the newest of its type, else ErrNotNewest; nil: nothing is asked
}

// ErrNotNewest says that the newest version of the type is another one, or that there is none.
var ErrNotNewest = errors.New("there is a newer version of the definition")

// CreateResult is what became of a CreateOp: a new workflow in Change, or with return_existing the one that
// was there.
type CreateResult struct {
	Result
	Existing *Row // with return_existing; Change is empty then
	Canceled *Row // with cancel_existing: what was in the way, as it was
}

// maxConflicts is how often a create may find that another one came first. Each time that other one has got
// its workflow, so many at once all come to an end; they wait as if it were rerun number lostWait at most.
const (
	maxConflicts = 500
	lostWait     = 3
)

// errConflict says that an open workflow of the type stands for the subject already.
var errConflict = errors.New("the subject has an open workflow of this type")

// Create makes a workflow. Errors: definition_not_found, ErrNotNewest, workflow_exists with the id of the one in the
// way, *Replay, idempotency_key_reused, idempotency_in_progress, those of Build, ErrUnavailable, ErrUnsavable.
func (s *Store) Create(ctx context.Context, op CreateOp) CreateResult {
	c := creation{store: s, op: op}
	for rerun, lost := 0, 0; ; rerun++ {
		err := c.once(ctx)
		if errors.Is(err, errConflict) {
			err = c.resolve(ctx)
		}
		var replay *Replay
		if c.unsure != nil && errors.As(err, &replay) && replay.WorkflowID == c.op.Key.WorkflowID {
			err, c.result = nil, *c.unsure // the key is there, so the earlier commit did happen
		}
		if errors.As(err, new(*commitError)) && c.unsure == nil {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, resolveWithin)
			defer cancel()
			committed := c.result
			c.unsure = &committed
		}
		if errors.Is(err, errConflict) && !worthRerun(err) && lost < maxConflicts {
			lost++
			rerun = min(rerun, lostWait)
		}
		over := err == nil || !worthRerun(err) && !errors.Is(err, errConflict)
		if over || rerun >= maxReruns && c.unsure == nil || !pause(ctx, rerun) {
			return c.end(err)
		}
	}
}

// creation is a Create under way.
type creation struct {
	store  *Store
	op     CreateOp
	result CreateResult
	unsure *CreateResult // of a commit that was not acknowledged: it is not decided again
	victim *uuid.UUID    // the workflow that is canceled first
	reads  bool          // what was expected was not so
}

func (c *creation) end(err error) CreateResult {
	var own decided
	switch {
	case errors.As(err, &own):
		err = own.error
	case errors.Is(err, errConflict): // again and again somebody else came first
		err = unavailable(err)
	}
	c.result.Err = explain(err)
	return c.result
}

// once inserts the workflow, after canceling the victim if there is one. Rows that an earlier commit may have inserted are
// inserted again as they were: either they are there, or they are now.
func (c *creation) once(ctx context.Context) error {
	s := c.store
	err := s.transact(ctx, func(t transaction) error {
		if err := s.insertKey(ctx, t, c.op.Key); err != nil {
			return err
		}
		if err := s.holdVersion(ctx, t, c.op.Version); err != nil {
			return err
		}
		var save saving
		now, checks, err := c.ground(ctx, t, &save)
		if err != nil {
			return err
		}
		if c.unsure != nil {
			c.result.Result = c.unsure.Result
		} else {
			change, err := c.op.Build(now)
			if err != nil {
				return decided{err}
			}
			c.result.Result = Result{Change: change, Now: now, at: s.now()}
		}
		change := &c.result.Change
		save.newWorkflows = append(save.newWorkflows, workflowInsert(&change.Workflow))
		save.addNew(change)
		return t.commit(ctx, append(save.statements(&s.dialect), checks...)...)
	})
	c.reads = err != nil
	s.unexpected(err)
	if faultOf(err) != faultUnique {
		return err
	}
	if c.unsure != nil {
		_, read := s.Workflow(ctx, c.unsure.Change.Workflow.ID)
		switch {
		case read == nil: // the earlier commit did happen
			c.result = *c.unsure
			return nil
		case domain.CodeOf(read) != domain.CodeWorkflowNotFound:
			return read
		}
		c.unsure = nil // it did not: somebody else's is in the way
	}
	if violates(err, "one_active", "subject_id") {
		return errConflict
	}
	return err
}

// ground gives the database's clock, as it is read or expected, and what must be run after the inserts.
func (c *creation) ground(ctx context.Context, t transaction, save *saving) (now time.Time, checks []statement, err error) {
	c.result.Canceled = nil
	if c.victim == nil && !c.reads {
		if g, check, ok := c.store.expect([]CreateOp{c.op}); ok {
			return g.now, []statement{check}, nil
		}
	}
	if c.unsure == nil {
		g, err := c.store.lookAround(ctx, t, []CreateOp{c.op}, nil)
		if err != nil {
			return now, nil, err
		}
		if !g.newest.has(c.op.Newest) {
			return now, nil, decided{ErrNotNewest}
		}
		now = g.now
	}
	if c.victim != nil {
		now, err = c.cancelVictim(ctx, t, save)
	}
	return now, nil, err
}

// cancelVictim locks and cancels the workflow in the way, and gives the database's clock.
func (c *creation) cancelVictim(ctx context.Context, t transaction, save *saving) (time.Time, error) {
	row, now, err := c.store.lockNewest(ctx, t, *c.victim)
	if err != nil {
		return now, err
	}
	if row.Workflow.State.Terminal() { // it has ended meanwhile
		return now, nil
	}
	change, err := c.op.Cancel(now, row)
	if err != nil {
		return now, decided{err}
	}
	save.add(row, &change)
	c.result.Canceled = &row
	return now, nil
}

// resolve does what the conflict policy says about the workflow in the way. It gives errConflict when the
// insert is worth trying again.
func (c *creation) resolve(ctx context.Context) error {
	existing, err := c.inTheWay(ctx)
	if err != nil || existing == nil {
		return errors.Join(err, errConflict)
	}
	id := existing.Workflow.ID
	switch c.op.Conflict {
	case domain.ConflictCancelExisting:
		c.victim = &id
		return errConflict
	case domain.ConflictReturnExisting:
		if err := c.remember(ctx, id); err != nil {
			return err
		}
		c.result.Result, c.result.Existing = Result{}, existing
		return nil
	}
	return decided{errExists(id)}
}

func errExists(id uuid.UUID) error {
	return &domain.Error{Code: domain.CodeWorkflowExists, WorkflowID: id.String(),
		Detail: "The subject has an open workflow of this type, " + id.String() + "."}
}

// inTheWay finds the open workflow that the new one conflicts with; nil when it has ended meanwhile.
func (c *creation) inTheWay(ctx context.Context) (*Row, error) {
	w := &c.result.Change.Workflow
	q := c.store.selectWorkflows().Where("w.type = ?", w.Type).Where("w.subject_type = ?", w.SubjectType).
		Where("w.subject_id = ?", w.SubjectID).Where(c.store.dialect.active).Limit(1)
	rows, err := c.store.workflowRows(ctx, q)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// remember keeps the key of a request that was answered with a workflow which was there.
func (c *creation) remember(ctx context.Context, id uuid.UUID) error {
	if c.op.Key == nil {
		return nil
	}
	key := *c.op.Key
	key.WorkflowID, key.Status = id, 200
	return c.store.transact(ctx, func(t transaction) error {
		if err := c.store.insertKey(ctx, t, &key); err != nil {
			return err
		}
		return t.commit(ctx)
	})
}

// newestVersions are the numbers of the newest versions of types.
type newestVersions map[string]int

func (n newestVersions) has(v *Version) bool { return v == nil || n[v.Type] == v.Version }

// ground is what creates are decided on.
type ground struct {
	now    time.Time // the database's clock
	newest newestVersions
	taken  map[oneActive]uuid.UUID // the open workflows of the subjects that were asked for
}

// lookAround reads, in one round trip, the database's clock, the newest versions that creates ask for, and what
// is in the way of the subjects, which are sorted.
func (s *Store) lookAround(ctx context.Context, t transaction, ops []CreateOp, subjects []oneActive) (ground, error) {
	before := s.now()
	g := ground{newest: newestVersions{}, taken: map[oneActive]uuid.UUID{}}
	questions := s.openOf(subjects, g.taken)
	if types := typesOf(ops); len(types) > 0 {
		query, args := s.newestOf(types)
		questions = append(questions, question{query, args, newRecord(3), func(r *record) error {
			g.newest[r.text()] = r.int()
			g.now = s.clockOf(r)
			return r.err
		}})
	}
	err := t.query(ctx, questions...)
	if err == nil && len(g.newest) == 0 {
		g.now, err = s.clockIn(ctx, t)
	}
	if err == nil {
		s.expected.clock.read(g.now, before, s.now())
	}
	return g, err
}

// typesOf are the types whose newest version creates ask for.
func typesOf(ops []CreateOp) (types []string) {
	for i := range ops {
		if v := ops[i].Newest; v != nil && !slices.Contains(types, v.Type) {
			types = append(types, v.Type)
		}
	}
	return types
}

// newestOf is the query of the newest versions of types.
func (s *Store) newestOf(types []string) (query string, args []any) {
	d := &s.dialect
	if d.counted {
		return d.text.newest, []any{types}
	}
	for _, typ := range types {
		args = append(args, typ)
	}
	if len(types) == 1 {
		return d.text.newest, args
	}
	return d.newestOf("IN (" + marks(len(types)) + ")"), args
}

// clockIn reads the database's clock within a transaction.
func (s *Store) clockIn(ctx context.Context, t transaction) (now time.Time, err error) {
	if s.dialect.rowClock == "" {
		return s.clockNow(), nil
	}
	err = t.query(ctx, question{"SELECT " + s.dialect.rowClock, nil, newRecord(1), func(r *record) error {
		now = r.time().Truncate(time.Microsecond)
		return r.err
	}})
	return now, err
}
