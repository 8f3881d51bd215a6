package queue

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Bell says when a step execution is due. It is rung after the row has been committed.
type Bell struct {
	ExecutionID uuid.UUID
	Queue       string
	Due         time.Time // as the row has it, by the database's clock
	At          time.Time // the same moment by this server's clock; zero: Due
}

func (b Bell) at() time.Time {
	if b.At.IsZero() {
		return b.Due
	}
	return b.At
}

// Doorbell makes steps start on time. Losing, repeating, delaying or hurrying a bell
// must never matter: the row is the truth, and the sweep finds what was not heard.
type Doorbell interface {
	// Ring passes a bell on without ever blocking. What cannot be rung is dropped and
	// counted. An execution whose due time changed may be rung again.
	Ring(Bell)

	// Run listens until the context ends or the doorbell is closed, and calls arrive for
	// each bell, at or before its time and possibly more than once. arrive must return at
	// once, and says whether there is so much to do here that other bells may come more
	// slowly; it may be called from several goroutines. A server that only rings never
	// calls Run. Run survives every outage; an error is a mistake in the configuration.
	Run(ctx context.Context, arrive func(executionID uuid.UUID) (busy bool)) error

	// Healthy reports whether bells rung now are expected to arrive, so that the sweep
	// may leave fresh rows to them.
	Healthy() bool

	// Stats returns the counts since the start.
	Stats() BellStats

	// Close rings what was accepted, as far as the context allows, and ends Run. Bells
	// rung afterwards are dropped.
	Close(ctx context.Context) error
}

// BellStats counts bells.
type BellStats struct {
	Rung    uint64 // passed on
	Dropped uint64 // lost to a full buffer or an outage; left to the sweep
	Arrived uint64 // heard here
}

// JobID names the job that rings for an execution at a due time by the database's clock. It is what the row's job_id
// holds: the execution's id in base64url and the microseconds since 1970 in base 36, as short as can be, since Redis
// holds it three times (docs/decisions/0058).
func JobID(executionID uuid.UUID, due time.Time) string {
	return base64.RawURLEncoding.EncodeToString(executionID[:]) + strconv.FormatInt(due.UnixMicro(), 36)
}

// parseJobID gives the execution that a JobID is about.
func parseJobID(job string) (id uuid.UUID, err error) {
	idLength := base64.RawURLEncoding.EncodedLen(len(id))
	if len(job) <= idLength {
		return uuid.Nil, fmt.Errorf("want a UUID of %d characters in base64url and a time", idLength)
	}
	if _, err := strconv.ParseInt(job[idLength:], 36, 64); err != nil {
		return uuid.Nil, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(job[:idLength])
	if err != nil {
		return uuid.Nil, err
	}
	copy(id[:], raw)
	if base64.RawURLEncoding.EncodeToString(id[:]) != job[:idLength] { // the decoder passes over line breaks
		return uuid.Nil, errors.New("the UUID is not in base64url as it is written")
	}
	return id, nil
}
