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

// story is a workflow with what should become of it. It prints each event once, in the order of the rows' own
// times.
type story struct {
	id    string
	state string   // in the end
	steps []string // "step outcome" of its history in the end
	posts int      // of the steps, those that are delivered

	start    time.Time
	seen     map[string]bool
	heard    []string          // lines of the receiver that are not shown yet
	told     map[string]string // by step execution: what the receiver said of its delivery
	verified int
}

func newStory(id, state string, steps []string) *story {
	s := &story{id: id, state: state, steps: steps, seen: map[string]bool{}, told: map[string]string{}}
	for _, step := range steps {
		if strings.HasSuffix(step, " completed") || strings.HasSuffix(step, " reattempted") {
			s.posts++
		}
	}
	return s
}

// watch prints what happens, and what the receiver says of it, until the workflow has ended, and checks that it
// ended as it should.
func (s *story) watch(ctx context.Context, api client, receiver <-chan string) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case line, ok := <-receiver:
			if !ok {
				return fmt.Errorf("the receiver has ended")
			}
			s.heard = append(s.heard, line)
			continue
		case <-ctx.Done():
			return fmt.Errorf("the workflow did not end: %w", context.Cause(ctx))
		case <-tick.C:
		}
		// The workflow first: if that has ended, the history read after it is complete.
		w, err := api.workflow(ctx, s.id)
		if err != nil {
			return err
		}
		history, err := api.history(ctx, s.id)
		if err != nil {
			return err
		}
		s.start = w.CreatedAt
		s.show(history)
		switch w.State {
		case "finished", "canceled", "paused":
			s.hearLast(receiver)
			s.show(history)
			fmt.Printf("  %8s  the workflow is %s\n", "", w.State)
			return s.check(w, history)
		}
	}
}

// check compares what became of the workflow with what should have.
func (s *story) check(w workflow, history []execution) error {
	var steps []string
	for _, e := range history {
		steps = append(steps, e.StepName+" "+e.Outcome)
	}
	switch {
	case w.State != s.state:
		return fmt.Errorf("the workflow is %s instead of %s: %s", w.State, s.state, whyStopped(history))
	case !slices.Equal(steps, s.steps):
		return fmt.Errorf("the steps were %q instead of %q", steps, s.steps)
	case s.verified != s.posts:
		return fmt.Errorf("the receiver verified %d POSTs, not %d", s.verified, s.posts)
	}
	return nil
}

type event struct {
	at   time.Time
	key  string
	text string
}

func (s *story) show(history []execution) {
	var events []event
	made := s.start
	for _, e := range history {
		add := func(at *time.Time, what string) {
			if at != nil {
				events = append(events, event{*at, e.ID + what, fmt.Sprintf("%-20s %s", e.StepName, what)})
			}
		}
		due := "now"
		if wait := e.ScheduledFor.Sub(made).Round(100 * time.Millisecond); wait > 0 {
			due = "in " + wait.String()
		}
		add(&made, "scheduled, due "+due)
		if e.StartedAt != nil && s.hear(e) {
			add(e.StartedAt, "delivered, signature verified; the receiver says "+s.told[e.ID])
		}
		ended := e.Outcome
		if e.Reason != "" {
			ended += ": " + e.Reason
		}
		for _, at := range []*time.Time{e.CompletedAt, e.SkippedAt, e.CanceledAt, e.FailedAt} {
			add(at, ended)
			if at != nil {
				made = *at // the next one was made with this one's end
			}
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	for _, e := range events {
		if !s.seen[e.key] {
			s.seen[e.key] = true
			fmt.Printf("  %7.3fs  %s\n", e.at.Sub(s.start).Seconds(), e.text)
		}
	}
}

const verifiedMark = "signature verified: "

// hear tells whether the receiver has said that it verified the POST of a step execution. Each takes one of the
// lines about its step, in their order.
func (s *story) hear(e execution) bool {
	if _, ok := s.told[e.ID]; ok {
		return true
	}
	for i, line := range s.heard {
		if _, told, ok := strings.Cut(line, verifiedMark+e.StepName+" "); ok {
			_, told, _ = strings.Cut(told, " -> ")
			s.heard = slices.Delete(s.heard, i, i+1)
			s.told[e.ID] = told
			s.verified++
			return true
		}
	}
	return false
}

// hearLast waits for the receiver's lines that are still on their way.
func (s *story) hearLast(receiver <-chan string) {
	patience := time.After(lastLines)
	for s.verified+len(s.heard) < s.posts {
		select {
		case line := <-receiver:
			s.heard = append(s.heard, line)
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
