package main

import (
	"strings"
	"testing"
	"time"
)

// story is a workflow whose second step was skipped, that was paused and resumed, whose third step was
// reattempted while it was performed, and that was finished at last.
type story struct {
	run        *verbRun
	w          *workflow
	deliveries []entry
	last       string
}

func told() *story {
	one := &execution{id: "x1", step: "one", state: "completed", outcome: "completed", seq: 1, attempt: 1, started: at(1), ended: at(1.2)}
	two := &execution{id: "x2", step: "two", state: "skipped", outcome: "skipped", seq: 2, ended: at(2)}
	three := &execution{id: "x3", step: "three", state: "canceled", outcome: "superseded", seq: 3, attempt: 1, started: at(3.5), ended: at(4),
		attempts: []attempt{{number: 1, code: "superseded", started: at(3.5), took: 500 * time.Millisecond}}}
	again := &execution{id: "x4", step: "three", state: "completed", outcome: "completed", seq: 4, attempt: 2, started: at(4.4), ended: at(4.6),
		attempts: []attempt{{number: 1, code: "http_status", started: at(4.1)}}}
	four := &execution{id: "x5", step: "four", state: "canceled", outcome: "superseded", seq: 5, ended: at(5.1)}
	skip := &verbCall{verb: "skip", named: true, sent: at(1.9), answered: at(2.1), status: 200, state: "ready", current: current{ID: "x3", State: "scheduled"}}
	pause := &verbCall{verb: "pause", sent: at(2.2), answered: at(2.3), status: 200, state: "paused", current: current{ID: "x3", State: "scheduled"}}
	return &story{
		run: &verbRun{id: "w", alone: true, stopped: "finished", calls: []*verbCall{skip,
			{verb: "skip", named: true, repeats: skip, sent: at(2.11), answered: at(2.15), status: 409, code: "stale_execution"},
			pause,
			{verb: "pause", repeats: pause, sent: at(2.4), answered: at(2.5), status: 200, replayed: true, state: "paused"},
			{verb: "resume", sent: at(3), answered: at(3.1), status: 200, state: "ready"},
			{verb: "resume", step: "one", sent: at(3.2), answered: at(3.3), status: 409, code: "invalid_transition", state: "ready"},
			{verb: "reattempt", sent: at(3.9), answered: at(4.05), status: 200, state: "ready"},
			{verb: "finish", sent: at(5), answered: at(5.2), status: 200, state: "finished"},
			{verb: "cancel", sent: at(6), answered: at(6.1), status: 409, code: "invalid_transition", state: "finished"}}},
		w: &workflow{id: "w", state: "finished", data: data("one", "x1#1", "three", "x4#2"), history: []*execution{one, two, three, again, four}},
		deliveries: []entry{{At: at(1.1), ID: "x1", Step: "one", Attempt: 1, Due: at(1), Status: 200},
			{At: at(3.6), ID: "x3", Step: "three", Attempt: 1, Due: at(3), Status: 200},
			{At: at(4.2), ID: "x4", Step: "three", Attempt: 1, Due: at(4), Status: 500},
			{At: at(4.5), ID: "x4", Step: "three", Attempt: 2, Due: at(4.4), Status: 200}},
		last: "finished",
	}
}

func TestJudgeVerbs(t *testing.T) {
	call := func(s *story, i int) *verbCall { return s.run.calls[i] }
	for name, tt := range map[string]struct {
		spoil func(*story)
		want  string
	}{
		"all is well":                  {func(*story) {}, ""},
		"no history":                   {func(s *story) { s.w.history = nil }, "no history"},
		"a hole in the history":        {func(s *story) { s.w.history[4].seq = 6 }, "has seq 6"},
		"an outcome that is no move":   {func(s *story) { s.w.history[0].state = "failed" }, "ended as failed/completed"},
		"an open execution":            {func(s *story) { s.w.history[4].state, s.w.history[4].outcome = "scheduled", "" }, "ended as scheduled"},
		"a step left out":              {func(s *story) { s.w.history[1].step = "three" }, "three follows on one"},
		"finished in the middle":       {func(s *story) { s.w.history = s.w.history[:4] }, "it is finished after three"},
		"canceled without a cancel":    {func(s *story) { s.w.state = "canceled" }, "it is canceled after four"},
		"claimed before its time":      {func(s *story) { s.w.history[2].started = at(1.5) }, "was claimed at"},
		"a skip that skipped twice":    {func(s *story) { s.w.history[4].state, s.w.history[4].outcome = "skipped", "skipped" }, "no call explains it"},
		"a skip that did nothing":      {func(s *story) { s.w.history[1].state, s.w.history[1].outcome = "completed", "completed" }, "1 accepted skips have skipped 0"},
		"superseded by itself":         {func(s *story) { s.w.history[2].ended = at(3.7) }, "no call explains it"},
		"a repetition had an effect":   {func(s *story) { call(s, 1).status, call(s, 1).state = 200, "ready"; s.w.history[1].ended = at(2.13) }, "no call explains it"},
		"a key that was forgotten":     {func(s *story) { call(s, 3).replayed = false }, "not as a replay"},
		"a pause that left it ready":   {func(s *story) { call(s, 2).state = "ready" }, "pause left it ready"},
		"a refusal without a reason":   {func(s *story) { call(s, 5).state = "paused" }, "was answered 409 invalid_transition"},
		"a fault of the server":        {func(s *story) { call(s, 8).status, call(s, 8).code = 503, "unavailable" }, "was answered 503"},
		"stale, but nothing was named": {func(s *story) { call(s, 1).named = false }, "was answered 409 stale_execution"},
		"claimed while paused":         {func(s *story) { s.w.history[2].started, s.w.history[2].attempts[0].started = at(2.8), at(2.8) }, "was claimed"},
		"delivered while paused":       {func(s *story) { s.deliveries[1].At, s.deliveries[1].Due = at(2.8), at(2.8) }, "was delivered"},
		"in flight when it was paused": {func(s *story) { s.deliveries[1].At, s.deliveries[1].Due = at(2.8), at(2.1); inFlight(s) }, ""},
		"claimed after the end":        {func(s *story) { s.w.history[4].attempt, s.w.history[4].started = 1, at(5.5) }, "was claimed"},
		"it changed after the end":     {func(s *story) { s.last = "something else" }, "it changed after it had ended"},
		"an answer too late":           {func(s *story) { s.w.data = data("one", "x1#1", "three", "x4#2", "four", "x5#1") }, "an answer of four"},
		"delivered twice":              {func(s *story) { s.deliveries = append(s.deliveries, s.deliveries[0]) }, "was delivered twice"},
		"delivered and never claimed":  {func(s *story) { s.deliveries[0].Attempt = 2 }, "never claimed"},
		"delivered early":              {func(s *story) { s.deliveries[3].Due = at(4.55) }, "early"},
		"completed by a failure":       {func(s *story) { s.deliveries[3].Status = 500 }, "completed by attempt 2"},
		"an attempt nothing tells of":  {func(s *story) { s.w.history[3].attempts = nil }, `is recorded as ""`},
	} {
		t.Run(name, func(t *testing.T) {
			s := told()
			tt.spoil(s)
			var all []string
			for _, err := range judgeVerbs(s.run, s.w, s.deliveries, s.last) {
				all = append(all, err.Error())
			}
			got := strings.Join(all, "; ")
			if tt.want == "" && got != "" || tt.want != "" && !strings.Contains(got, tt.want) {
				t.Errorf("judged %q, want %q", got, tt.want)
			}
		})
	}
}

// inFlight makes the third step's first attempt one that had been claimed before the pause.
func inFlight(s *story) {
	s.w.history[2].started, s.w.history[2].attempts[0].started = at(2.15), at(2.15)
	s.run.calls[2].current = current{ID: "x3", State: "executing", Attempt: 1}
}
