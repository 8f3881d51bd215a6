package persistence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// erasureBatch is how many rows an erasure changes at a time.
const erasureBatch = 200

// Erasure is the order to forget a subject: whatever its workflows had that were created until Moment. It is
// a row until all of that is gone, so that any server can go on with it.
type Erasure struct {
	ID          uuid.UUID
	SubjectType string
	SubjectID   string
	Moment      time.Time // by the database's clock
}

// Pseudonym takes the place of the subject's id in all of its workflows.
func (e Erasure) Pseudonym() string { return "erased-" + e.ID.String() }

// BeginErasure deletes the attributes of a subject and orders, in the same transaction, that its workflows be
// erased. From its return on that will happen.
func (s *Store) BeginErasure(ctx context.Context, id uuid.UUID, typ, subject string) (Erasure, error) {
	order := Erasure{ID: id, SubjectType: typ, SubjectID: subject}
	err := s.again(ctx, func() error {
		now, err := s.Now(ctx)
		if err != nil {
			return err
		}
		order.Moment = now
		err = s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewInsert().TableExpr(erasuresTable).Model(&map[string]any{
				"id": id, "subject_type": typ, "subject_id": subject, "moment": now, "worked_at": now,
			}).Exec(ctx)
			if err != nil {
				return err
			}
			_, err = tx.NewDelete().TableExpr(subjectsTable).Where("subject_type = ?", typ).Where("subject_id = ?", subject).Exec(ctx)
			return err
		})
		if faultOf(err) == faultUnique { // an earlier commit that was not acknowledged did happen
			return nil
		}
		return err
	})
	return order, err
}

// NextErasure takes over an erasure that nobody has worked on for so long; ok is false when there is none.
func (s *Store) NextErasure(ctx context.Context, silence time.Duration) (order Erasure, ok bool, err error) {
	now, err := s.Now(ctx)
	if err != nil {
		return order, false, err
	}
	var seen time.Time
	q := s.read.NewSelect().ColumnExpr("x.id, x.subject_type, x.subject_id, x.moment, x.worked_at").
		TableExpr(erasuresTable+" AS x").Where("x.worked_at <= ?", now.Add(-silence)).OrderExpr("x.worked_at").Limit(1)
	found, err := collect(ctx, s, q, 5, func(r *record) Erasure {
		order := Erasure{ID: r.uuid(), SubjectType: r.text(), SubjectID: r.text(), Moment: r.time()}
		seen = r.time()
		return order
	})
	if err != nil || len(found) == 0 {
		return order, false, err
	}
	n, err := affected(s.execute(ctx, s.db.NewUpdate().TableExpr(erasuresTable).Set("worked_at = ?", now).
		Where("id = ?", found[0].ID).Where("worked_at = ?", seen)))
	return found[0], n == 1, err
}

// HoldErasure keeps others from taking an erasure over. held is false when somebody has completed it.
func (s *Store) HoldErasure(ctx context.Context, id uuid.UUID) (held bool, err error) {
	n, err := affected(s.execute(ctx, s.db.NewUpdate().TableExpr(erasuresTable).Set("worked_at = ?", s.clock()).Where("id = ?", id)))
	return n == 1, err
}

// EndErasure forgets a completed erasure, and with it the name that the pseudonym stands for.
func (s *Store) EndErasure(ctx context.Context, id uuid.UUID) error {
	_, err := s.execute(ctx, s.db.NewDelete().TableExpr(erasuresTable).Where("id = ?", id))
	return explain(err)
}

// ToErase gives the next workflows of an erasure after one of them, uuid.Nil for the first, by id; only open
// ones, or all.
func (s *Store) ToErase(ctx context.Context, order Erasure, onlyOpen bool, after uuid.UUID) ([]uuid.UUID, error) {
	q := s.read.NewSelect().ColumnExpr("w.id").TableExpr(workflowsTable+" AS w").
		Where("w.subject_type = ?", order.SubjectType).Where("w.subject_id = ?", order.SubjectID).
		Where("w.id > ?", after).Where("w.created_at <= ?", order.Moment).OrderExpr("w.id").Limit(erasureBatch)
	if onlyOpen {
		q.Where("w.state IN (?)", bun.List(domain.OpenWorkflowStates))
	}
	return collect(ctx, s, q, 1, (*record).uuid)
}

// errStillOpen says that a workflow is to be erased that may still run.
var errStillOpen = errors.New("the workflow is open")

// EraseWorkflow removes from an ended workflow what it had of its subject: its data, the reasons and error
// texts of its executions and attempts, excerpts, hashes of answers, its Idempotency-Keys, and last the
// subject's id, by which an interrupted erasure finds what is left. Names of steps, states, codes and times
// stay. A workflow that retention has deleted meanwhile needs nothing.
func (s *Store) EraseWorkflow(ctx context.Context, id uuid.UUID, pseudonym string) error {
	err := s.eraseWorkflow(ctx, id, pseudonym)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

func (s *Store) eraseWorkflow(ctx context.Context, id uuid.UUID, pseudonym string) error {
	for seq := 0; ; {
		var err error
		var more bool
		if seq, more, err = s.eraseExecutions(ctx, id, seq); err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if err := s.deleteKeysOf(ctx, id); err != nil {
		return err
	}
	return s.again(ctx, func() error {
		return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			if err := s.lockEnded(ctx, tx, id); err != nil {
				return err
			}
			_, err := tx.NewUpdate().TableExpr(workflowsTable).Set("subject_id = ?", pseudonym).Set("data = '{}'").
				Set("pause_reason = NULL").Set("traceparent = NULL").Set("updated_at = ?", s.clock()).
				Set("lock_version = lock_version + 1").Where("id = ?", id).Exec(ctx)
			return err
		})
	})
}

// eraseExecutions clears the executions after seq, as many as fit a batch, and gives the last of them.
func (s *Store) eraseExecutions(ctx context.Context, workflow uuid.UUID, seq int) (last int, more bool, err error) {
	q := s.read.NewSelect().ColumnExpr("e.id, e.seq").TableExpr(executionsTable+" AS e").
		Where("e.workflow_id = ?", workflow).Where(s.dialect.slotColumn+" > ?", seq).OrderExpr(s.dialect.slotColumn).Limit(erasureBatch)
	ids, err := collect(ctx, s, q, 2, func(r *record) uuid.UUID {
		id := r.uuid()
		last = r.int()
		return id
	})
	if err != nil || len(ids) == 0 {
		return last, false, err
	}
	err = s.again(ctx, func() error {
		return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			if err := s.lockEnded(ctx, tx, workflow); err != nil {
				return err
			}
			_, err := tx.NewUpdate().TableExpr(executionsTable).Set("reason = NULL").Set("error_message = NULL").
				Set("error_backtrace = NULL").Set("answer_hash = NULL").Where("id IN (?)", bun.List(ids)).Exec(ctx)
			if err != nil {
				return err
			}
			_, err = tx.NewUpdate().TableExpr(attemptsTable).Set("error_message = ''").Set("error_backtrace = NULL").
				Set("response_excerpt = NULL").Where("execution_id IN (?)", bun.List(ids)).Exec(ctx)
			return err
		})
	})
	return last, len(ids) == erasureBatch, err
}

// lockEnded locks a workflow that nothing will move any more.
func (s *Store) lockEnded(ctx context.Context, tx bun.Tx, id uuid.UUID) error {
	var state domain.WorkflowState
	query := "SELECT w.state FROM " + workflowsTable + " AS w WHERE w.id = ? " + s.dialect.forUpdateW
	if err := tx.NewRaw(query, id).Scan(ctx, &state); err != nil {
		return err
	}
	if !state.Terminal() {
		return fmt.Errorf("erase the workflow %s: %w", id, errStillOpen)
	}
	return nil
}

// deleteKeysOf forgets the Idempotency-Keys of a workflow.
func (s *Store) deleteKeysOf(ctx context.Context, workflow uuid.UUID) error {
	for {
		q := s.read.NewSelect().ColumnExpr("k.scope, k.idempotency_key").TableExpr(keysTable+" AS k").
			Where("k.workflow_id = ?", workflow).Limit(keysPerBatch)
		keys, err := collect(ctx, s, q, 2, func(r *record) [2]string { return [2]string{r.text(), r.text()} })
		if err != nil {
			return err
		}
		for _, key := range keys {
			_, err := s.execute(ctx, s.db.NewDelete().TableExpr(keysTable).Where("scope = ?", key[0]).Where("idempotency_key = ?", key[1]))
			if err != nil {
				return explain(err)
			}
		}
		if len(keys) < keysPerBatch {
			return nil
		}
	}
}
