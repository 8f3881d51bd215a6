package persistence

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// decide settles what becomes of each member, and gives what must be run after the inserts.
func (c *creations) decide(ctx context.Context, t transaction) (checks []statement, err error) {
	g, checks, err := c.ground(ctx, t)
	if err != nil {
		return nil, err
	}
	c.now = g.now
	if err := c.build(ctx, t, g); err != nil {
		return nil, err
	}
	c.sortOut(g.taken)
	return checks, nil
}

// ground gives what the members are decided on, as it is read or expected, and what must be run after the inserts.
func (c *creations) ground(ctx context.Context, t transaction) (g ground, checks []statement, err error) {
	if !c.reads {
		if g, check, ok := c.store.expect(c.ops); ok {
			return g, []statement{check}, nil
		}
	}
	subjects := c.subjects()
	if c.store.dialect.oneFile && !c.reads && c.store.goAhead(c.ops) {
		subjects = nil
	}
	g, err = c.store.lookAround(ctx, t, c.ops, subjects)
	return g, nil, err
}

// subjects gives those of the members, sorted.
func (c *creations) subjects() []oneActive {
	all := make([]oneActive, 0, len(c.ops))
	for i := range c.ops {
		if c.how[i] != refused {
			all = append(all, c.ops[i].oneActive())
		}
	}
	slices.SortFunc(all, oneActive.compare)
	return slices.Compact(all)
}

// build asks every member what it wants to be.
func (c *creations) build(ctx context.Context, t transaction, g ground) error {
	versions := map[Version]error{}
	for i, op := range c.ops {
		if c.how[i] == refused {
			continue
		}
		c.how[i], c.results[i] = saved, CreateResult{}
		if !g.newest.has(op.Newest) {
			c.how[i], c.results[i].Err = refused, ErrNotNewest
			continue
		}
		if v := op.Version; v != nil {
			missing, known := versions[*v]
			if !known {
				missing = c.store.holdVersion(ctx, t, v)
				if missing != nil && !errors.As(missing, new(decided)) {
					return missing
				}
				versions[*v] = missing
			}
			if missing != nil {
				c.how[i], c.results[i].Err = refused, shown(missing)
				continue
			}
		}
		change, err := op.Build(g.now)
		if err != nil {
			c.how[i], c.results[i].Err = refused, err
			continue
		}
		c.results[i].Result = Result{Change: change, Now: g.now, at: c.store.now()}
	}
	return nil
}

// sortOut sees to the members whose subject has an open workflow, or gets one from a member before.
func (c *creations) sortOut(inTheWay map[oneActive]uuid.UUID) {
	taken := map[oneActive]bool{}
	for i := range c.ops {
		w := &c.results[i].Change.Workflow
		if c.how[i] != saved || w.AllowMultiple || w.State.Terminal() {
			continue
		}
		subject := oneActiveOf(w)
		existing, conflict := inTheWay[subject]
		if conflict {
			c.store.expected.contested.Store(lookFirst)
		}
		switch {
		case taken[subject], conflict && c.ops[i].Conflict == domain.ConflictCancelExisting:
			c.how[i], taken[subject] = alone, true
		case conflict && c.ops[i].Conflict == domain.ConflictReturnExisting:
			c.how[i], c.results[i] = refused, CreateResult{Existing: &Row{Workflow: domain.Workflow{ID: existing}}}
		case conflict:
			c.how[i], c.results[i] = refused, CreateResult{Result: Result{Err: errExists(existing)}}
		default:
			taken[subject] = true
		}
	}
}

// keys gives the rows that remember the members which this transaction answers with a workflow.
func (c *creations) keys() (rows [][]any) {
	for i, op := range c.ops {
		if op.Key == nil {
			continue
		}
		key := *op.Key
		switch existing := c.results[i].Existing; {
		case existing != nil:
			key.WorkflowID, key.Status = existing.Workflow.ID, 200
		case c.how[i] != saved:
			continue
		}
		rows = append(rows, keyInsert(&key, c.now))
	}
	return rows
}

// save gathers the new workflows in the order of their subjects, in which every transaction meets the
// unique index.
func (c *creations) save() *saving {
	var made []*domain.Change
	for i := range c.ops {
		if c.how[i] == saved {
			made = append(made, &c.results[i].Change)
		}
	}
	slices.SortStableFunc(made, func(a, b *domain.Change) int {
		return oneActiveOf(&a.Workflow).compare(oneActiveOf(&b.Workflow))
	})
	var save saving
	for _, change := range made {
		save.newWorkflows = append(save.newWorkflows, workflowInsert(&change.Workflow))
		save.addNew(change)
	}
	return &save
}
