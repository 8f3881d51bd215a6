package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	pollEvery = 50 * time.Millisecond
	lastLines = 2 * time.Second // what the receiver printed may take a moment longer than what it answered
)

// watch prints what happens to a workflow, and what the receiver says of it, until the workflow has ended. It
// gives the number of POSTs the receiver verified.
func watch(ctx context.Context, api client, id string, receiver <-chan string) (verified int, err error) {
	w, err := api.workflow(ctx, id)
	if err != nil {
		return 0, err
	}
	t := timeline{start: w.CreatedAt, seen: map[string]bool{}}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case line, ok := <-receiver:
			if !ok {
				return 0, fmt.Errorf("the receiver has ended")
			}
			t.heard = append(t.heard, line)
			continue
		case <-ctx.Done():
			return 0, fmt.Errorf("the workflow did not finish: %w", context.Cause(ctx))
		case <-tick.C:
		}
		// The workflow first: if that has ended, the history read after it is complete.
		if w, err = api.workflow(ctx, id); err != nil {
			return 0, err
		}
		history, err := api.history(ctx, id)
		if err != nil {
			return 0, err
		}
		t.show(history)
		switch w.State {
		case "finished":
			t.hearLast(receiver)
			t.show(history)
			return t.verified, nil
		case "paused", "canceled":
			return 0, fmt.Errorf("the workflow is %s instead of finished: %s", w.State, whyStopped(history))
		}
	}
}

// timeline prints each event once, in the order of the rows' own times.
type timeline struct {
	start    time.Time
	seen     map[string]bool
	heard    []string // lines of the receiver that are not shown yet
	verified int
}

type event struct {
	at   time.Time
	key  string
	text string
}

func (t *timeline) show(history []execution) {
	var events []event
	for i, e := range history {
		made := t.start
		if i > 0 && history[i-1].CompletedAt != nil {
			made = *history[i-1].CompletedAt
		}
		due := "now"
		if wait := e.ScheduledFor.Sub(made).Round(100 * time.Millisecond); wait > 0 {
			due = "in " + wait.String()
		}
		add := func(at time.Time, what string) {
			events = append(events, event{at, e.ID + what, fmt.Sprintf("%-20s %s", e.StepName, what)})
		}
		add(made, "scheduled, due "+due)
		if e.StartedAt != nil {
			add(*e.StartedAt, "executing")
			for _, line := range t.heardOf(e.StepName) {
				add(*e.StartedAt, line)
			}
		}
		if e.CompletedAt != nil {
			add(*e.CompletedAt, "completed")
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	for _, e := range events {
		if !t.seen[e.key] {
			t.seen[e.key] = true
			fmt.Printf("  %7.3fs  %s\n", e.at.Sub(t.start).Seconds(), e.text)
		}
	}
}

const verifiedMark = "signature verified: "

// heardOf takes the lines in which the receiver tells of a verified POST for a step.
func (t *timeline) heardOf(step string) (lines []string) {
	t.heard = slices.DeleteFunc(t.heard, func(line string) bool {
		_, told, ok := strings.Cut(line, verifiedMark+step+" ")
		if ok {
			t.verified++
			lines = append(lines, "└ receiver: signature verified, "+told)
		}
		return ok
	})
	return lines
}

// hearLast waits for the receiver's lines that are still on their way.
func (t *timeline) hearLast(receiver <-chan string) {
	patience := time.After(lastLines)
	for t.verified+len(t.heard) < wantPosts {
		select {
		case line := <-receiver:
			t.heard = append(t.heard, line)
		case <-patience:
			return
		}
	}
}

func whyStopped(history []execution) string {
	for _, e := range slices.Backward(history) {
		if e.Error != nil {
			return fmt.Sprintf("%s failed with %s: %s", e.StepName, e.Error.Code, e.Error.Message)
		}
	}
	return "no step has an error"
}
