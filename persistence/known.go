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

// decideKnown asks the members whose rows are known, at one time, and takes those that have decided out of members; a
// decision that says no is left to be made from what is read. It gives what must be run before the writes.
func (b *batch) decideKnown(members map[uuid.UUID]int, save *saving) (checks []statement) {
	known := b.known(members)
	guessed := !b.store.dialect.oneFile // else the transaction is the lock
	now, at := b.store.clockNow(), b.store.now()
	if guessed {
		now = b.guess(known, at)
	}
	if now.IsZero() {
		return nil
	}
	var ids []uuid.UUID
	for _, i := range known {
		op := &b.ops[i]
		change, err := op.Decide(now, op.Known.row)
		if err != nil || change.Unchanged || guessed && plansAhead(&change) {
			continue
		}
		b.save(i, op.Known.row, Result{Change: change, Now: now, at: at}, save)
		delete(members, op.WorkflowID)
		ids = append(ids, op.WorkflowID)
	}
	if !guessed || len(ids) == 0 {
		return nil
	}
	sortIDs(ids)
	return []statement{b.store.dialect.stillKnown(ids, now)}
}

// guess tells the database's clock from what is known of some members, as the one that lets it be latest does; zero, if
// none does.
func (b *batch) guess(known []int, at time.Time) (now time.Time) {
	for _, i := range known {
		if guess, ok := b.ops[i].Known.guess(at); ok && guess.After(now) {
			now = guess
		}
	}
	return now
}

// stillKnown takes the locks of workflows that are known. It fails with errGuard if one is locked by somebody else, or
// unless the database's clock has reached a time, not a second ago.
func (d *dialect) stillKnown(ids []uuid.UUID, now time.Time) statement {
	n := int64(len(ids))
	if d.counted {
		return statement{query: d.text.checkKnown, args: []any{n, now, now, uuidArray(ids)}, rows: 1}
	}
	return statement{query: d.checkKnownOf(len(ids)), args: append([]any{n, now, now}, idArgs(ids)...)}
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
