package persistence

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// Known is a workflow and one of its executions as a commit of this process left them. A decision about them
// need not read them again: its writes are guarded by what is known, and where that is no longer so, it is made
// again from what is read under the lock (docs/decisions/0059).
type Known struct {
	row Row
	now time.Time // the database's clock
	at  time.Time // this process's clock then, or shortly after
}

// Known gives what the commit of this result left; nil if it left nothing that a decision could be about.
func (r *Result) Known() *Known {
	x := r.Change.Current()
	if r.Err != nil || r.Change.Unchanged || x == nil || r.at.IsZero() {
		return nil
	}
	return &Known{row: Row{Workflow: r.Change.Workflow, Execution: x}, now: r.Now, at: r.at}
}

// maxGuess is how long the database's clock is told from what has passed here since it was read.
const maxGuess = 10 * time.Second

// guess tells the database's clock: as long as it and this process's run alike, it is not ahead of it, and behind
// it by no more than an answer took. false means that it was read too long ago.
func (k *Known) guess(at time.Time) (now time.Time, ok bool) {
	since := at.Sub(k.at)
	return k.now.Add(since).Truncate(time.Microsecond), since >= 0 && since < maxGuess
}

// decideKnown asks the members whose rows are known, and takes those that have decided out of members; a decision
// that says no is left to be made from what is read. It gives what must be run before the writes.
func (b *batch) decideKnown(members map[uuid.UUID]int, save *saving) (checks []statement) {
	known := b.known(members)
	if len(known) == 0 {
		return nil
	}
	guessed := !b.store.dialect.oneFile // else the transaction is the lock
	read, at := b.store.clockNow(), b.store.now()
	var ids []uuid.UUID
	var times []time.Time
	for _, i := range known {
		op := &b.ops[i]
		now, ok := read, true
		if guessed {
			now, ok = op.Known.guess(at)
		}
		if !ok {
			continue
		}
		change, err := op.Decide(now, op.Known.row)
		if err != nil || change.Unchanged || guessed && plansAhead(&change) {
			continue
		}
		b.save(i, op.Known.row, Result{Change: change, Now: now, at: at}, save)
		delete(members, op.WorkflowID)
		ids, times = append(ids, op.WorkflowID), append(times, now)
	}
	if !guessed || len(ids) == 0 {
		return nil
	}
	sortIDs(ids)
	return []statement{b.store.dialect.stillKnown(ids, slices.MinFunc(times, time.Time.Compare), slices.MaxFunc(times, time.Time.Compare))}
}

// stillKnown takes the locks of workflows that are known. It fails with errGuard if one is locked by somebody else, or
// the database's clock is not between two times: it has reached the last at which something was decided, and is not a second
// after the first.
func (d *dialect) stillKnown(ids []uuid.UUID, first, last time.Time) statement {
	n := int64(len(ids))
	if d.counted {
		return statement{query: d.text.checkKnown, args: []any{n, last, first, uuidArray(ids)}, rows: 1}
	}
	return statement{query: d.checkKnownOf(len(ids)), args: append([]any{n, last, first}, idArgs(ids)...)}
}

// known gives the members whose rows are known, as far as anybody knows.
func (b *batch) known(members map[uuid.UUID]int) (known []int) {
	if b.blind {
		return nil
	}
	for i := range b.ops {
		op := &b.ops[i]
		if n, member := members[op.WorkflowID]; member && n == i && op.Known != nil && op.Known.row.Execution.ID == op.ExecutionID {
			known = append(known, i)
		}
	}
	return known
}

// plansAhead tells whether a change sets a time that is yet to come. Such a time counts from the database's clock
// as it is read, since a wait must not be short by what a guess is behind.
func plansAhead(c *domain.Change) bool {
	x := c.Current()
	return x != nil && (x.State == domain.ExecutionScheduled && x.ScheduledFor.After(c.Workflow.UpdatedAt) || x.AwaitsCallback())
}

func sortIDs(ids []uuid.UUID) {
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}

func idArgs(ids []uuid.UUID) []any {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return args
}
