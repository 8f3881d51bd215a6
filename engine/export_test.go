package engine

import (
	"context"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// Retain is one run of the retention loop.
func (e *Engine) Retain(ctx context.Context) error { return (&retention{e: e}).runOnce(ctx) }

// InFlight is the register of the deliveries in flight.
type InFlight struct{ *inFlight }

// NewInFlight returns an empty one.
func NewInFlight() InFlight { return InFlight{newInFlight()} }

// Add, Remove and Abort are those of the register.
func (f InFlight) Add(id uuid.UUID, fence domain.Fence, cancel context.CancelFunc) {
	f.add(id, fence, cancel)
}
func (f InFlight) Remove(id uuid.UUID, fence domain.Fence) { f.remove(id, fence) }
func (f InFlight) Abort(id uuid.UUID, taken domain.Fence)  { f.abort(id, taken) }
