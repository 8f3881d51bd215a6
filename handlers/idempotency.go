package handlers

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// idempotencyKey reads the Idempotency-Key of a request, nil without one. It is scoped to the API key and
// the path; its fingerprint is that of the body. Errors: invalid_idempotency_key.
func idempotencyKey(ctx context.Context, header *string, path string) (*engine.IdempotencyKey, error) {
	if header == nil {
		return nil, nil
	}
	key, err := domain.ParseIdempotencyKey(*header)
	if err != nil {
		return nil, err
	}
	digest := RequestDigest(ctx)
	return &engine.IdempotencyKey{Scope: KeyName(ctx) + " " + path, Key: key, Fingerprint: hex.EncodeToString(digest[:])}, nil
}

// waitOrAt reads the pair wait/at of a body, of which at most one may be given.
func waitOrAt(wait *api.Duration, at *api.Time) (*time.Duration, error) {
	if wait != nil && at != nil {
		return nil, &domain.Error{Code: domain.CodeInvalidRequest, Detail: "The request names two times.",
			Problems: []domain.Problem{{Pointer: "#/at", Detail: "Give wait or at, not both."}}}
	}
	return waitOf(wait)
}
