package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// MaxCreateBatch is how many workflows one batch makes at most.
const MaxCreateBatch = 1000

// Member is the key of one member of a batch whose request has this one: what became of the member is
// remembered by itself, so that a batch which was cut short can be repeated until all of it is done.
func (k *IdempotencyKey) Member(i int) *IdempotencyKey {
	if k == nil {
		return nil
	}
	return &IdempotencyKey{Scope: k.Scope, Key: k.ofMembers() + strconv.Itoa(i), Fingerprint: k.Fingerprint}
}

// ofMembers is what the keys of all members begin with; their places follow.
func (k *IdempotencyKey) ofMembers() string {
	key := k.Key
	if len(key) > domain.MaxIdempotencyKeyLength-len("#999") { // it must still fit its column
		digest := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(digest[:])
	}
	return key + "#"
}

// CreateBatch makes workflows as if Create were called with one after the other, and gives each one's answer
// or error in the order of the requests. The requests' keys are members of the whole's, or nil as it is. Errors of
// the whole: idempotency_key_reused, and unavailable if nothing could be done at all.
func (e *Engine) CreateBatch(ctx context.Context, whole *IdempotencyKey, requests []CreateRequest) ([]Written, []error, error) {
	if whole != nil {
		if err := e.Store.CheckMembers(ctx, whole.Scope, whole.ofMembers(), whole.Fingerprint); err != nil {
			return nil, nil, err
		}
	}
	written, faults := make([]Written, len(requests)), make([]error, len(requests))
	var ops []persistence.CreateOp
	var calls []*creation
	var places []int
	for i, r := range requests {
		c, err := e.creation(ctx, r)
		if err != nil {
			faults[i] = err
			continue
		}
		ops, calls, places = append(ops, c.op), append(calls, c), append(places, i)
	}
	for len(ops) > 0 {
		var late []int
		for at, result := range e.Store.CreateBatch(context.WithoutCancel(ctx), ops) {
			again, err := calls[at].renew(ctx, result.Err)
			if again {
				late = append(late, at)
				continue
			}
			result.Err = err
			written[places[at]], faults[places[at]] = calls[at].ended(ctx, result)
		}
		ops, calls, places = pick(ops, late), pick(calls, late), pick(places, late)
		for i := range ops {
			ops[i] = calls[i].op
		}
	}
	return written, faults, unavailableAll(faults)
}

// unavailableAll gives the error of a batch of which nothing could be done since the database is away.
func unavailableAll(faults []error) error {
	for _, err := range faults {
		if !errors.Is(err, persistence.ErrUnavailable) {
			return nil
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return faults[0]
}

// pick gives the chosen ones of a list.
func pick[T any](list []T, chosen []int) []T {
	picked := make([]T, len(chosen))
	for i, at := range chosen {
		picked[i] = list[at]
	}
	return picked
}
