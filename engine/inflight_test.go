package engine_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/engine"
)

// A verb that brings a scheduled step forward, or that a takeover follows on at once, may come to abort only
// after the step has been claimed again: the delivery of the new claim is not its to abort.
func TestOnlyTheDeliveryOfTheLostClaimIsAborted(t *testing.T) {
	flights := engine.NewInFlight()
	id := uuid.New()
	first, cancel := context.WithCancel(context.Background())
	flights.Add(id, "first", cancel)
	second, cancel := context.WithCancel(context.Background())
	flights.Add(id, "second", cancel)
	flights.Remove(id, "first") // the end of the first delivery comes late
	flights.Abort(id, "first")
	flights.Abort(id, "")
	flights.Abort(uuid.New(), "second")
	if first.Err() != nil || second.Err() != nil {
		t.Errorf("aborted: first %v, second %v", first.Err(), second.Err())
	}
	flights.Abort(id, "second")
	if second.Err() == nil {
		t.Error("the delivery of the claim that was taken away goes on")
	}
}

// A server that has taken a step over from itself has two deliveries of it in flight; each can be aborted.
func TestBothDeliveriesOfOneExecutionCanBeAborted(t *testing.T) {
	flights := engine.NewInFlight()
	id := uuid.New()
	first, cancel := context.WithCancel(context.Background())
	flights.Add(id, "first", cancel)
	second, cancel := context.WithCancel(context.Background())
	flights.Add(id, "second", cancel)
	flights.Abort(id, "first")
	if first.Err() == nil || second.Err() != nil {
		t.Errorf("aborting the first leaves them as %v, %v", first.Err(), second.Err())
	}
	flights.Remove(id, "first")
	if flights.Abort(id, "second"); second.Err() == nil {
		t.Error("the second cannot be aborted once the first has ended")
	}
}
