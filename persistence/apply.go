package persistence

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// Row is a workflow and one of its executions, as they were locked or read.
type Row struct {
	Workflow  domain.Workflow
	Execution *domain.Execution // nil: the workflow has had none
}

// Op is one decision about one workflow. Every change of a workflow that exists is one: its row is locked,
// the execution read, the database's clock taken, Decide asked, and what it says is saved and committed.
type Op struct {
	WorkflowID  uuid.UUID
	ExecutionID uuid.UUID // the execution it is about; uuid.Nil: the workflow's newest
	Decide      func(now time.Time, row Row) (domain.Change, error)
	Key         *IdempotencyKey // inserted first in the same transaction; nil: none
	Once        uuid.UUID       // names a decision that no fence keeps from being made again; uuid.Nil: one does
	Known       *Known          // for ApplyBatch: what an earlier commit left of both; nil: they are read
	Bytes       int             // for those who make batches: about how much it writes beside what every decision does
	Unsure      *Unsure         // what an earlier try of this decision may have done; nil: nothing
}

// Result is what became of an Op. An error of Decide is in Err as it was; the store's own are a domain.Error
// (workflow_not_found, idempotency_…, unavailable), a *Replay, or wrap ErrUnavailable or ErrUnsavable.
type Result struct {
	Change domain.Change
	Now    time.Time // the database's clock that Decide was given
	Err    error
	Unsure *Unsure // of an Err that wraps ErrUnavailable: what may have been done all the same; for the Op when it is tried again

	at time.Time // this process's clock when Now was read
}

// maxReruns is how often a transaction is run again.
const maxReruns = 12

// resolveWithin is how long a commit that was not acknowledged is asked about: what it changed may be nobody
// else's to go on with, such as a claim, so that an outage of that length is sat out.
const resolveWithin = 30 * time.Second

// Apply takes one decision, waiting for the workflow's lock. Deadlocks and the like run the whole transaction
// again, Decide included. A commit that was not acknowledged is resolved by reading back under the lock.
func (s *Store) Apply(ctx context.Context, op Op) Result {
	resolving := false
	for rerun := 0; ; rerun++ {
		result, seen := s.applyOnce(ctx, op)
		var replay *Replay
		if op.Unsure != nil && errors.As(result.Err, &replay) {
			ours, err := s.replayed(ctx, &op)
			if ours {
				return op.Unsure.result
			}
			if err != nil {
				result.Err = err
			}
		}
		var lost *commitError
		if errors.As(result.Err, &lost) {
			op.Unsure = &Unsure{seen: seen, result: result}
			op.Unsure.result.Err = nil
		}
		if op.Unsure != nil && !resolving {
			resolving = true
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, resolveWithin)
			defer cancel()
		}
		if rerun >= maxReruns && !resolving || !worthRerun(result.Err) || !pause(ctx, rerun) {
			result.Err = explain(result.Err)
			if errors.Is(result.Err, ErrUnavailable) {
				result.Unsure = op.Unsure
			}
			return result
		}
	}
}

// save has the decision written with the others of its transaction.
func (op *Op) save(s *saving, seen Row, r *Result) {
	s.add(seen, &r.Change)
	if mark := op.mark(seen, &r.Change); mark != nil {
		s.newKeys = append(s.newKeys, keyInsert(mark, r.Now))
	}
	r.Change.Workflow.LockVersion = seen.Workflow.LockVersion + 1
}

// decided marks the errors that are Decide's own, so that no error of the database is mistaken for one.
type decided struct{ error }

func (d decided) Unwrap() error { return d.error }

// worthRerun tells whether running a transaction again may end otherwise.
func worthRerun(err error) bool {
	var own decided
	if err == nil || errors.As(err, &own) {
		return false
	}
	f := faultOf(err)
	return f == faultRerun || f == faultAway || errors.Is(err, errGuard)
}

// pause waits a moment, longer with each rerun up to a quarter of a second, with jitter; false means that ctx
// has ended.
func pause(ctx context.Context, rerun int) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(rand.N(time.Millisecond << min(rerun, 8))):
		return true
	}
}

func (s *Store) applyOnce(ctx context.Context, op Op) (result Result, seen Row) {
	result.Err = s.transact(ctx, func(t transaction) error {
		if err := s.insertKey(ctx, t, op.Key); err != nil {
			return err
		}
		var err error
		if seen, result.Now, err = s.lockOne(ctx, t, op); err != nil {
			return err
		}
		result.at = s.now()
		if happened, err := s.happened(ctx, t, &op, seen); err != nil {
			return err
		} else if happened {
			result = op.Unsure.result
			return nil
		}
		if result.Change, err = op.Decide(result.Now, seen); err != nil {
			return decided{err}
		}
		if result.Change.Unchanged && op.Key == nil {
			return nil
		}
		var save saving
		if !result.Change.Unchanged {
			op.save(&save, seen, &result)
		}
		return t.commit(ctx, save.statements(&s.dialect)...)
	})
	var own decided
	if errors.As(result.Err, &own) {
		result.Err = own.error
	}
	return result, seen
}

// lockOne locks a workflow and its execution, and reads the database's clock.
func (s *Store) lockOne(ctx context.Context, t transaction, op Op) (row Row, now time.Time, err error) {
	if op.ExecutionID == uuid.Nil {
		return s.lockNewest(ctx, t, op.WorkflowID)
	}
	found := false
	err = t.query(ctx, question{s.dialect.text.lockOne, []any{op.ExecutionID, op.WorkflowID}, newRecord(lockedWidth), func(r *record) error {
		found = true
		row, now = s.locked(r)
		return r.err
	}})
	if err == nil && !found {
		err = decided{domain.Errorf(domain.CodeExecutionNotFound, "There is no step execution %s of the workflow %s.", op.ExecutionID, op.WorkflowID)}
	}
	return row, now, err
}

const lockedWidth = workflowWidth + executionWidth + 1

// locked reads the current row of a query of lockBoth.
func (s *Store) locked(r *record) (Row, time.Time) {
	row := Row{Workflow: r.workflow()}
	e := r.execution()
	row.Execution = &e
	return row, s.clockOf(r)
}

func (s *Store) clockOf(r *record) time.Time {
	if s.dialect.rowClock == "" {
		r.next()
		return s.clockNow()
	}
	return r.time().Truncate(time.Microsecond)
}

// lockNewest locks a workflow and then reads its newest execution.
func (s *Store) lockNewest(ctx context.Context, t transaction, id uuid.UUID) (row Row, now time.Time, err error) {
	found := false
	err = t.query(ctx, question{s.dialect.text.lockWorkflow, []any{id}, newRecord(workflowWidth + 1), func(r *record) error {
		found = true
		row.Workflow, now = r.workflow(), s.clockOf(r)
		return r.err
	}})
	if err != nil {
		return row, now, err
	}
	if !found {
		return row, now, decided{workflowNotFound(id)}
	}
	row.Execution, err = s.lockExecution(ctx, t, row.Workflow.CurrentExecutionID)
	return row, now, err
}

// lockExecution reads an execution of a workflow that is locked; nil when there is none of that id.
func (s *Store) lockExecution(ctx context.Context, t transaction, id uuid.UUID) (e *domain.Execution, err error) {
	if id == uuid.Nil {
		return nil, nil
	}
	err = t.query(ctx, question{s.dialect.text.lockExecution, []any{id}, newRecord(executionWidth), func(r *record) error {
		read := r.execution()
		e = &read
		return r.err
	}})
	if err != nil {
		return nil, fmt.Errorf("lock the step execution %s: %w", id, err)
	}
	return e, nil
}
