package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryDeliveryCounts: a round counts only if each step came exactly once.
func TestEveryDeliveryCounts(t *testing.T) {
	for name, c := range map[string]struct {
		posts []string // the webhook-ids
		steps int
		want  string // in the error; "": none
	}{
		"each once":                     {[]string{"a", "b", "c"}, 3, ""},
		"one lost":                      {[]string{"a", "b"}, 3, "of 3 steps 2 were delivered"},
		"one twice":                     {[]string{"a", "b", "b", "c"}, 3, "1 deliveries were repeats"},
		"one twice in place of another": {[]string{"a", "b", "b"}, 3, "of 3 steps 2 were delivered"},
		"one that nobody asked for":     {[]string{"a", "b", "c", "d"}, 3, "of 3 steps 4 were delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(receiverHandler())
			defer server.Close()
			r := &receiver{url: server.URL, http: server.Client()}
			if err := r.empty(); err != nil {
				t.Fatal(err)
			}
			for _, id := range c.posts {
				post(t, server, id)
			}
			list, err := r.each(c.steps, 0)
			if c.want == "" && (err != nil || len(list) != c.steps) {
				t.Errorf("%d deliveries, %v", len(list), err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func post(t *testing.T, server *httptest.Server, id string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, server.URL+"/0", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("webhook-id", id)
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusNoContent {
		t.Fatal(resp.Status, err)
	}
}

func TestLatencyOf(t *testing.T) {
	const ms = 1_000_000
	list := []delivery{ // as they came, of two workflows
		{ID: "1", Workflow: "w", Arrived: 12 * ms, Answered: 13 * ms},
		{ID: "4", Workflow: "v", Arrived: 24 * ms, Answered: 25 * ms},
		{ID: "2", Workflow: "w", Arrived: 14 * ms, Answered: 15 * ms},
		{ID: "3", Workflow: "w", Arrived: 17 * ms, Answered: 18 * ms},
		{ID: "5", Workflow: "v", Arrived: 28 * ms, Answered: 29 * ms},
		{ID: "6", Workflow: "v", Arrived: 33 * ms, Answered: 34 * ms},
	}
	sent := map[string]int64{"w": 10 * ms, "v": 20 * ms}
	got, err := latencyOf(list, sent)
	if want := (latency{first: 3, next: 2.5, next99: 4}); err != nil || got != want {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if _, err := latencyOf(list[1:], sent); err == nil {
		t.Error("a workflow with two deliveries was measured")
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		target target
		x      float64
		want   bool
	}{
		{atLeast(1.5), 1.49, false}, {atLeast(1.5), 1.5, true}, {atMost(0.7), 0.7, true}, {atMost(0.7), 0.71, false},
	} {
		if got := c.target.holds(c.x); got != c.want {
			t.Errorf("%v %s: %v", c.x, c.target, got)
		}
	}
}

func TestNumberedRowsAreThoseOfBothDatabases(t *testing.T) {
	for _, kind := range []string{"postgres", "sqlite"} {
		for _, query := range []string{sleepingWorkflows, sleepingExecutions, endedWorkflows, endedExecutions} {
			if text := numbered(kind, "INSERT ", query, 1, 9); strings.ContainsAny(text, "{}") && !strings.Contains(text, `{"plan"`) {
				t.Errorf("%s: a word is left in %s", kind, text)
			}
		}
	}
}

// TestAReportKeepsWhatIsWrittenByHand writes a report in the place of an older one.
func TestAReportKeepsWhatIsWrittenByHand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.md")
	const why = byHand + "\nThe disk.\n"
	for _, before := range []string{"", "# Performance\n\n| old | 1 |\n" + why} {
		if before != "" {
			if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		r := report{notes: []string{"a new note"}}
		if err := r.save(path, shortSize); err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, kept := string(after), before != ""
		if !strings.Contains(text, "a new note") || strings.Contains(text, "old") || strings.HasSuffix(text, why) != kept {
			t.Errorf("in the place of %q stands\n%s", before, text)
		}
	}
}
