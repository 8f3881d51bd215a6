package main

import "testing"

// The demo is the first thing a newcomer runs, and the one test of the embedded default with no settings but
// its address: its own database, its own secret.
func TestTheDemoRuns(t *testing.T) {
	t.Chdir("../..")
	if err := demo(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTheDemoTellsWhatTheReceiverSaid(t *testing.T) {
	line := timeline{heard: []string{
		"2026/01/02 03:04:05 signature verified: send_reminder for User 42, attempt 1 -> {}",
		"2026/01/02 03:04:05 listening",
	}}
	if got := line.heardOf("send_welcome_email"); len(got) != 0 || line.verified != 0 {
		t.Errorf("another step's line was taken: %q", got)
	}
	if got := line.heardOf("send_reminder"); len(got) != 1 || line.verified != 1 {
		t.Errorf("got %q, want the line of the step", got)
	}
}
