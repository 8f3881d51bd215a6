package persistence

import (
	"context"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// Unsure is a change whose commit may or may not have happened.
type Unsure struct {
	seen   Row
	result Result
}

// happened tells whether an earlier try of a decision was committed, under the lock that it held until it ended: by
// the mark that it left, or else by what it gave its execution.
func (s *Store) happened(ctx context.Context, t transaction, op *Op, row Row) (bool, error) {
	u := op.Unsure
	if u == nil {
		return false, nil
	}
	if mark := op.mark(u.seen, &u.result.Change); mark != nil {
		left, err := s.readKey(ctx, t, mark)
		return left != nil, err
	}
	before, after, is := u.seen.Execution, u.result.Change.Execution, row.Execution
	if before == nil || after == nil {
		return false, nil
	}
	if is == nil || is.ID != after.ID {
		var err error
		if is, err = s.lockExecution(ctx, t, after.ID); err != nil || is == nil {
			return false, err
		}
	}
	return ours(before, after, is), nil
}

// replayed tells, once the key of a decision is there, whether an earlier try of that decision has left it, or another
// request with the same key, which came first when the commit of this one was lost. Whose key it is, is settled by then: what
// was left needs no lock to be read.
func (s *Store) replayed(ctx context.Context, op *Op) (ours bool, err error) {
	err = s.transact(ctx, func(t transaction) error {
		ours, err = s.happened(ctx, t, op, Row{})
		return err
	})
	return ours, err
}

// ours tells whether an execution has what a change gave it: its very state, fence and server; or, if it left it
// scheduled, another time, which whoever has claimed it since has left alone. A change that altered none of them says
// nothing; deciding it again is harmless then.
func ours(before, after, is *domain.Execution) bool {
	claim := before.State != after.State || before.Fence != after.Fence || before.ClaimedBy != after.ClaimedBy
	due := after.State == domain.ExecutionScheduled && !before.ScheduledFor.Equal(after.ScheduledFor)
	return claim && is.State == after.State && is.Fence == after.Fence && is.ClaimedBy == after.ClaimedBy ||
		due && is.ScheduledFor.Equal(after.ScheduledFor)
}

// markScope is the scope of the keys that decisions leave. Those of clients have a path in theirs.
const markScope = "decision"

// mark is the key that a decision leaves with its change, which tells that it was committed whatever others have made
// of the workflow since. It is nil where something else tells: a fence, or an execution that was ended under a new fence
// and left behind. A client's key does not, since another request may come with the same one (docs/decisions/0075).
func (op *Op) mark(seen Row, c *domain.Change) *IdempotencyKey {
	x := c.Execution
	behind := c.Next != nil || c.Workflow.State.Terminal()
	lasts := x != nil && !x.State.Open() && x.Fence != seen.Execution.Fence && behind
	if op.Once == uuid.Nil || lasts {
		return nil
	}
	return &IdempotencyKey{Scope: markScope, Key: op.Once.String(), WorkflowID: op.WorkflowID}
}
