package handlers

import (
	"context"
	"encoding/hex"

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
	info := infoOf(ctx)
	return &engine.IdempotencyKey{Scope: info.keyName + " " + path, Key: key, Fingerprint: hex.EncodeToString(info.digest[:])}, nil
}
