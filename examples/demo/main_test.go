package main

import (
	"strings"
	"testing"
)

// The demo is the first thing a newcomer runs, and the one test of the embedded default with no settings but
// its address: its own database, its own secret.
func TestTheDemoRuns(t *testing.T) {
	t.Chdir("../..")
	if err := demo(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTheDemoTellsWhatTheReceiverSaid(t *testing.T) {
	s := newStory("", "finished", []string{"send_reminder reattempted", "setup_profile skipped", "send_reminder completed"})
	s.heard = []string{
		"2026/01/02 03:04:05 listening",
		"2026/01/02 03:04:05 signature verified: send_reminder (attempt 1) -> early",
		"2026/01/02 03:04:06 signature verified: send_reminder (attempt 1) -> done",
	}
	if s.hear(execution{ID: "1", StepName: "send_welcome_email"}) {
		t.Errorf("another step's line was taken: %q", s.told)
	}
	for _, id := range []string{"2", "3", "2"} {
		if !s.hear(execution{ID: id, StepName: "send_reminder"}) {
			t.Errorf("nothing was heard of %s", id)
		}
	}
	if s.verified != s.posts || !strings.HasSuffix(s.told["2"], "early") || !strings.HasSuffix(s.told["3"], "done") {
		t.Errorf("%d of %d verified, told %q", s.verified, s.posts, s.told)
	}
}

// A demo that ends otherwise than it says must not pass.
func TestTheDemoChecksHowItEnds(t *testing.T) {
	steps := []string{"a completed", "b skipped"}
	history := []execution{{StepName: "a", Outcome: "completed"}, {StepName: "b", Outcome: "skipped"}}
	for name, test := range map[string]struct {
		state    string
		history  []execution
		verified int
		fails    bool
	}{
		"as it should":      {"finished", history, 1, false},
		"another state":     {"paused", history, 1, true},
		"another step":      {"finished", history[:1], 1, true},
		"a POST not proven": {"finished", history, 0, true},
	} {
		s := newStory("", "finished", steps)
		s.verified = test.verified
		if err := s.check(workflow{State: test.state}, test.history); (err != nil) != test.fails {
			t.Errorf("%s: %v", name, err)
		}
	}
}
