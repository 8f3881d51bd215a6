package persistence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// IdempotencyKey makes a request unrepeatable: its row is inserted first in the transaction of the request,
// so that a second one with the same scope and key waits for the first, and then finds it (DESIGN section 9).
type IdempotencyKey struct {
	Scope       string // API key and path
	Key         string
	Fingerprint string // of what was asked
	WorkflowID  uuid.UUID
	Status      int // HTTP status of the first answer
}

// Replay is the error of a request that has been served before.
type Replay struct {
	WorkflowID uuid.UUID
	Status     int
}

func (r *Replay) Error() string {
	return fmt.Sprintf("this request was served before, with status %d and the workflow %s", r.Status, r.WorkflowID)
}

// keysKept is how long a key is remembered.
const keysKept = 24 * time.Hour

// insertKey inserts a key, nil for none. Errors: *Replay, idempotency_key_reused, idempotency_in_progress.
func (s *Store) insertKey(ctx context.Context, t transaction, key *IdempotencyKey) error {
	if key == nil {
		return nil
	}
	args := []any{key.Scope, key.Key, key.Fingerprint, key.WorkflowID, int64(key.Status)}
	if s.dialect.statementClock == "" {
		args = append(args, s.clockNow())
	}
	err := t.exec(ctx, statement{query: s.dialect.text.insertKey, args: args, rows: 1})
	switch {
	case err == nil:
		return nil
	case faultOf(err) == faultUnique:
		return s.replay(ctx, t, key)
	case isLockTimeout(err):
		return decided{errInProgress()}
	}
	return err
}

func errMismatch() error {
	return domain.Errorf(domain.CodeIdempotencyMismatch, "This Idempotency-Key was used for a different request.")
}

func errInProgress() error {
	return domain.Errorf(domain.CodeIdempotencyInProgress, "The first request with this Idempotency-Key is still being served.")
}

// replay says what the first request with a key was. The transaction is over: on PostgreSQL it has failed,
// and the pool may have no second connection to spare.
func (s *Store) replay(ctx context.Context, t transaction, key *IdempotencyKey) error {
	t.rollback()
	first, err := s.readKey(ctx, t, key)
	switch {
	case err != nil:
		return err
	case first == nil: // it has just expired
		return errGuard
	}
	return first.replay(key)
}

// readKey reads the row that has the scope and the key; nil: there is none.
func (s *Store) readKey(ctx context.Context, t transaction, key *IdempotencyKey) (first *IdempotencyKey, err error) {
	query := s.dialect.bind("SELECT k.fingerprint, k.workflow_id, k.status FROM " + keysTable +
		" AS k WHERE k.scope = ? AND k.idempotency_key = ?")
	err = t.query(ctx, question{query, []any{key.Scope, key.Key}, newRecord(3), func(r *record) error {
		first = &IdempotencyKey{Fingerprint: r.text(), WorkflowID: r.uuid(), Status: r.int()}
		return r.err
	}})
	return first, err
}

// replay is what a request with a key that is there already is told.
func (k *IdempotencyKey) replay(again *IdempotencyKey) error {
	if k.Fingerprint != again.Fingerprint {
		return decided{errMismatch()}
	}
	return decided{&Replay{WorkflowID: k.WorkflowID, Status: k.Status}}
}

// maxPlace is how many digits the place of a batch's member has at most.
const maxPlace = 3

// CheckMembers tells whether any member of a batch was remembered for a different request, whatever its place. The
// members' keys begin with the prefix, which ends with "#", and end with their place. Errors: idempotency_key_reused.
func (s *Store) CheckMembers(ctx context.Context, scope, prefix, fingerprint string) error {
	q := s.read.NewSelect().ColumnExpr("k.idempotency_key").TableExpr(keysTable+" AS k").Where("k.scope = ?", scope).
		Where("k.idempotency_key >= ?", prefix+"0").Where("k.idempotency_key < ?", prefix+":"). // ":" follows "9"
		Where("length(k.idempotency_key) <= ?", len(prefix)+maxPlace).Where("k.fingerprint <> ?", fingerprint)
	others, err := collect(ctx, s, q, 1, (*record).text)
	if err != nil {
		return err
	}
	for _, key := range others {
		if !strings.Contains(key[len(prefix):], "#") { // else it is a member's whose batch has a longer key
			return errMismatch()
		}
	}
	return nil
}

// keysOf gives those of the keys that are there, by their text; nil ones are passed over. They have one scope.
func (s *Store) keysOf(ctx context.Context, keys []*IdempotencyKey) (map[string]*IdempotencyKey, error) {
	found := map[string]*IdempotencyKey{}
	scope, texts := "", make([]string, 0, len(keys))
	for _, key := range keys {
		if key != nil {
			scope, texts = key.Scope, append(texts, key.Key)
		}
	}
	for list := range slices.Chunk(texts, maxList) {
		q := s.read.NewSelect().ColumnExpr("k.idempotency_key, k.fingerprint, k.workflow_id, k.status").TableExpr(keysTable+" AS k").
			Where("k.scope = ?", scope).Where("k.idempotency_key IN (?)", bun.List(list))
		first, err := collect(ctx, s, q, 4, func(r *record) *IdempotencyKey {
			return &IdempotencyKey{Scope: scope, Key: r.text(), Fingerprint: r.text(), WorkflowID: r.uuid(), Status: r.int()}
		})
		if err != nil {
			return nil, err
		}
		for _, key := range first {
			found[key.Key] = key
		}
	}
	return found, nil
}

// keysPerBatch is how many expired keys are deleted at a time.
const keysPerBatch = 500

// DeleteExpiredIdempotencyKeys forgets the keys that are older than a day, in small batches by primary key.
func (s *Store) DeleteExpiredIdempotencyKeys(ctx context.Context) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	for {
		q := s.read.NewSelect().ColumnExpr("k.scope, k.idempotency_key").TableExpr(keysTable+" AS k").
			Where("k.created_at < ?", now.Add(-keysKept)).OrderExpr("k.created_at").Limit(keysPerBatch)
		expired, err := collect(ctx, s, q, 2, func(r *record) [2]string { return [2]string{r.text(), r.text()} })
		if err != nil || len(expired) == 0 {
			return err
		}
		// The pairs may share a scope, and a key of another pair's may be younger: the age is asked for again.
		byScope := map[string][]string{}
		for _, pair := range expired {
			byScope[pair[0]] = append(byScope[pair[0]], pair[1])
		}
		for scope, keys := range byScope {
			_, err := s.execute(ctx, s.db.NewDelete().TableExpr(keysTable).Where("scope = ?", scope).
				Where("idempotency_key IN (?)", bun.List(keys)).Where("created_at < ?", now.Add(-keysKept)))
			if err != nil {
				return explain(err)
			}
		}
	}
}
