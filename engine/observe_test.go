package engine_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// watcher is an Observer that remembers.
type watcher struct {
	mu      sync.Mutex
	changes []string // "step state/outcome workflow"
	rescues map[engine.Rescue]int
	settled chan engine.AttemptFigures // each as it comes
}

func newWatcher() *watcher {
	return &watcher{rescues: map[engine.Rescue]int{}, settled: make(chan engine.AttemptFigures, 100)}
}

func (o *watcher) Changed(c *domain.Change, _ time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	line := ""
	if x := c.Execution; x != nil {
		line = x.StepName + " " + string(x.State) + "/" + string(x.Outcome) + " "
	}
	o.changes = append(o.changes, line+string(c.Workflow.State))
}

func (o *watcher) Attempted(a engine.AttemptFigures) { o.settled <- a }
func (o *watcher) Committed(int)                     {}
func (o *watcher) Buried()                           {}

func (o *watcher) Rescued(r engine.Rescue) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rescues[r]++
}

func (o *watcher) next(t *testing.T) engine.AttemptFigures {
	t.Helper()
	select {
	case a := <-o.settled:
		return a
	case <-time.After(patience):
		t.Fatal("no attempt was observed")
		return engine.AttemptFigures{}
	}
}

func (o *watcher) seen() ([]string, map[engine.Rescue]int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.changes), maps.Clone(o.rescues)
}

func TestLatenessCountsFromWhenAStepCouldBeClaimed(t *testing.T) {
	for _, tc := range []struct {
		name     string
		held     bool // until just before the claim
		min, max time.Duration
	}{
		{"due for an hour", false, time.Hour, 2 * time.Hour},
		{"due for an hour, resumed just now", true, 0, 10 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				silent := w.engine(func(c *engine.Config) { c.Role = engine.RoleAPI })
				w.define(silent, "type: Late\nsteps: [{name: one}]")
				wf := w.create(silent, "Late")
				if tc.held {
					w.control(silent, wf.ID, domain.VerbPause)
				}
				long := time.Now().UTC().Add(-time.Hour - time.Minute)
				w.exec("UPDATE geneva_drive_step_executions SET scheduled_for = ?", long)
				w.exec("UPDATE geneva_drive_workflows SET updated_at = ?", long)
				if tc.held {
					w.control(silent, wf.ID, domain.VerbResume)
				}
				o := newWatcher()
				w.start(func(c *engine.Config) { c.Observer = o })
				if a := o.next(w.t); a.Late < tc.min || a.Late > tc.max || !a.Delivered || a.Error != "" || a.Discarded || a.Took <= 0 {
					w.t.Errorf("the attempt is %+v", a)
				}
				w.awaitState(wf.ID, domain.WorkflowFinished)
				if _, rescues := o.seen(); rescues[engine.RescueUnheard] != 1 {
					w.t.Errorf("the sweep's rescues are %v", rescues)
				}
			})
		})
	}
}

func TestATakeoverIsARescue(t *testing.T) {
	eachWorld(t, func(w *world) {
		o := newWatcher() // of both servers: the first may notice its own death before the second does
		first := w.start(func(c *engine.Config) { c.Observer = o })
		w.define(first, "type: Orphan\nsteps: [{name: one}]")
		answer, release := block()
		w.receiver.on("one", once(answer, says("")))
		wf := w.create(first, "Orphan")
		w.receiver.next(w.t)
		w.exec("UPDATE geneva_drive_servers SET dead_at = heartbeat_at")
		w.start(func(c *engine.Config) { c.Store, c.Observer = w.open(), o })
		if a := o.next(w.t); a.Discarded || a.Error != "" {
			w.t.Errorf("the attempt that counts is %+v", a)
		}
		w.awaitState(wf.ID, domain.WorkflowFinished)
		if _, rescues := o.seen(); rescues[engine.RescueDeadServer] != 1 {
			w.t.Errorf("the rescues are %v", rescues)
		}
		release()
	})
}

// logged are the lines of a log as JSON, by message.
func logged(t *testing.T, text string) map[string][]map[string]any {
	t.Helper()
	lines := map[string][]map[string]any{}
	for line := range strings.Lines(text) {
		var event map[string]any
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		message, _ := event["msg"].(string)
		lines[message] = append(lines[message], event)
	}
	return lines
}

// lockedBuffer is a log that many write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestEveryTransitionIsOneWideLine(t *testing.T) {
	eachWorld(t, func(w *world) {
		var log lockedBuffer
		o := newWatcher()
		e := w.start(func(c *engine.Config) { c.Logger, c.Observer = slog.New(slog.NewJSONHandler(&log, nil)), o })
		w.define(e, "type: Told\nretry: {max_attempts: 1}\nhooks: {before_step_starts: {path: /hook}}\n"+
			"steps: [{name: one, skip_if: true}, {name: two}, {name: three}]")
		w.receiver.on("hook two", says(`{"action": "pause", "reason": "look"}`))
		wf := w.create(e, "Told")
		w.awaitState(wf.ID, domain.WorkflowPaused)
		o.next(w.t)
		o.next(w.t)
		w.control(e, wf.ID, domain.VerbCancel)

		lines := logged(w.t, log.String())
		for _, tc := range []struct {
			message string
			at      int
			want    map[string]any
		}{
			{"workflow created", 0, map[string]any{"workflow_state": "ready", "next_step": "one", "level": "INFO"}},
			{"attempt", 0, map[string]any{"step": "one", "attempt": 1.0, "decided_by": "condition", "outcome": "skipped", "status": 0.0}},
			{"attempt", 1, map[string]any{"step": "two", "attempt": 1.0, "decided_by": "hook", "action": "pause", "outcome": "paused", "workflow_state": "paused", "status": 200.0}},
			{"verb", 0, map[string]any{"verb": "cancel", "workflow_state": "canceled", "step": "two"}},
		} {
			if len(lines[tc.message]) <= tc.at {
				w.t.Errorf("there are %d lines %q:\n%s", len(lines[tc.message]), tc.message, log.String())
				continue
			}
			line := lines[tc.message][tc.at]
			for key, want := range tc.want {
				if line[key] != want {
					w.t.Errorf("%s %d has %s %v, want %v", tc.message, tc.at, key, line[key], want)
				}
			}
			if line["workflow_id"] != wf.ID.String() || line["workflow_type"] != "Told" {
				w.t.Errorf("%s is of workflow %v, type %v", tc.message, line["workflow_id"], line["workflow_type"])
			}
		}
		want := []string{"ready", "one skipped/skipped performing", "two canceled/paused paused", "two canceled/paused canceled"}
		if got, _ := o.seen(); !slices.Equal(got, want) {
			w.t.Errorf("the observer was told of %q, want %q", got, want)
		}
	})
}
