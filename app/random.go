package app

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// newID makes a UUIDv7. Within this process they rise, so that rows of one moment stay together in an index.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// newFence makes the token of one claim: 128 random bits, which nobody can guess and no two claims share.
func newFence() domain.Fence {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails: the program ends if the system has no randomness
	return domain.Fence(hex.EncodeToString(b[:]))
}
