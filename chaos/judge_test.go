package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

// chain is the evidence of one workflow of two steps: the first one's first attempt was interrupted by a fault
// between the seconds 1 and 2, after it had been delivered.
func chain() *evidence {
	one := &execution{id: "x1", workflow: "w", step: "one", state: "completed", outcome: "completed", seq: 1, attempt: 2, interruptions: 1, started: at(5),
		ended: at(5.2), attempts: []attempt{{number: 1, code: "interrupted", started: at(0.5), took: 4 * time.Second}}}
	two := &execution{id: "x2", workflow: "w", step: "two", state: "completed", outcome: "completed", seq: 2, attempt: 1, started: at(6), ended: at(6.2)}
	return &evidence{steps: []string{"one", "two"}, promised: []string{"w"},
		workflows: map[string]*workflow{"w": {id: "w", state: "finished", data: data("one", "x1#2", "two", "x2#1"), history: []*execution{one, two}}},
		deliveries: []entry{{At: at(0.6), ID: "x1", Workflow: "w", Step: "one", Attempt: 1, Due: at(0.5), Status: 200},
			{At: at(5.1), ID: "x1", Workflow: "w", Step: "one", Attempt: 2, Due: at(0.5), Status: 200},
			{At: at(6.1), ID: "x2", Workflow: "w", Step: "two", Attempt: 1, Due: at(6), Status: 200}},
		faults: []fault{{at(1), at(2)}}}
}

func data(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	text, _ := json.Marshal(m)
	return string(text)
}

func TestJudge(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*evidence)
		want  string // in the error; "" for an acquittal
	}{
		"all is well":                        {func(*evidence) {}, ""},
		"the workflow is not there":          {func(e *evidence) { delete(e.workflows, "w") }, "1 lost"},
		"it has not finished":                {func(e *evidence) { e.workflows["w"].state = "paused" }, "1 lost"},
		"two creates have one answer":        {func(e *evidence) { e.promised = append(e.promised, "w") }, "outcome twice"},
		"nobody was told of a workflow":      {func(e *evidence) { e.workflows["v"] = &workflow{id: "v", state: "ready"} }, "1 unknown"},
		"a delivery of nothing":              {func(e *evidence) { e.deliveries = append(e.deliveries, entry{ID: "y"}) }, "1 unknown"},
		"a step more":                        {func(e *evidence) { e.steps = e.steps[:1] }, "outcome twice"},
		"a step less":                        {func(e *evidence) { e.steps = append(e.steps, "three") }, "out of order"},
		"the second step came first":         {func(e *evidence) { e.deliveries[2].At, e.deliveries[2].Due = at(5), at(5) }, "out of order"},
		"a step was skipped":                 {func(e *evidence) { e.workflows["w"].history[1].outcome = "skipped" }, "out of order"},
		"the outcome of an attempt unheard":  {func(e *evidence) { e.deliveries = e.deliveries[:2] }, "not delivered"},
		"the answer of another attempt":      {func(e *evidence) { e.workflows["w"].data = data("one", "x1#1", "two", "x2#1") }, "outcome twice"},
		"an answer of a third step":          {func(e *evidence) { e.workflows["w"].data = data("one", "x1#2", "two", "x2#1", "z", "x3#1") }, "outcome twice"},
		"one attempt delivered twice":        {func(e *evidence) { e.deliveries = append(e.deliveries, e.deliveries[2]) }, "1 unexplained"},
		"an attempt nobody claimed":          {func(e *evidence) { e.deliveries[0].Attempt = 3 }, "1 unexplained"},
		"nothing was broken":                 {func(e *evidence) { e.faults = nil }, "while nothing was broken"},
		"something was broken before":        {func(e *evidence) { e.faults = []fault{{at(0), at(0.4)}} }, "while nothing was broken"},
		"something was broken later":         {func(e *evidence) { e.faults = []fault{{at(6), at(7)}} }, "while nothing was broken"},
		"it took too long by itself":         {func(e *evidence) { e.faults = nil; timedOut(e) }, ""},
		"another error explains nothing":     {func(e *evidence) { timedOut(e); e.workflows["w"].history[0].attempts[0].code = "connection" }, "1 unexplained"},
		"an attempt that nothing tells of":   {func(e *evidence) { e.workflows["w"].history[0].attempts = nil }, "unexplained"},
		"the counter and the rows disagree":  {func(e *evidence) { e.workflows["w"].history[0].interruptions = 2 }, "records 1"},
		"delivered before it was due":        {func(e *evidence) { e.deliveries[2].Due = at(6.2) }, "1 early"},
		"as early as clocks may differ":      {func(e *evidence) { e.deliveries[2].Due = at(6.1005) }, ""},
		"handed back when stopped in order":  {handedBack(true), ""},
		"handed back while nobody was asked": {handedBack(false), "unexplained"},
		"heard of late and handed back":      {undelivered, ""},
		"the same with nothing broken":       {func(e *evidence) { undelivered(e); e.faults = nil }, "unexplained"},
	} {
		t.Run(name, func(t *testing.T) {
			e := chain()
			tt.spoil(e)
			err := judge(*e).err()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("judged %v, want %q", err, tt.want)
			}
		})
	}
}

func timedOut(e *evidence) {
	x := e.workflows["w"].history[0]
	x.attempts[0].code, x.interruptions = "timeout", 0
}

func handedBack(inOrder bool) func(*evidence) {
	return func(e *evidence) {
		x := e.workflows["w"].history[0]
		x.attempts, x.interruptions = nil, 0
		e.handBacks = inOrder
	}
}

// undelivered has the claim of the first attempt heard of too late for its delivery.
func undelivered(e *evidence) {
	handedBack(false)(e)
	e.deliveries = e.deliveries[1:]
}

func TestRecoveryIsMeasured(t *testing.T) {
	c := judge(*chain())
	if len(c.recoveries) != 1 || c.recoveries[0] != 4500*time.Millisecond || len(c.restarts) != 1 || c.restarts[0] != 3*time.Second {
		t.Errorf("recoveries %v, after the restart %v", c.recoveries, c.restarts)
	}
	if c.repeated != 1 || c.interrupted != 1 || c.most != 1 {
		t.Errorf("repeated %d, interrupted %d, at most %d", c.repeated, c.interrupted, c.most)
	}
}

func TestLatenessBeyondTheBacklog(t *testing.T) {
	// Three are due at once and one a second later; two a second are performed.
	deliveries := []entry{{Due: at(0), At: at(0.1)}, {Due: at(0), At: at(0.5)}, {Due: at(0), At: at(4)}, {Due: at(1), At: at(1.2)}}
	late, beyond := lateness(deliveries, 2)
	if got := percentile(late, 1); got != 4*time.Second {
		t.Errorf("late by %s", got)
	}
	if got := percentile(beyond, 1); got != 2500*time.Millisecond {
		t.Errorf("beyond the backlog by %s", got)
	}
	if got := beyond[3]; got != at(1.2).Sub(at(2)) {
		t.Errorf("the last one is %s beyond its backlog", got)
	}
}

func TestJudgeRound(t *testing.T) {
	made := answer{status: 201, body: []byte(`{"id": "w"}`)}
	refused := answer{status: 409, body: []byte(`{"code": "workflow_exists", "workflow_id": "w"}`)}
	for name, tt := range map[string]struct {
		answers []answer
		ok      bool
	}{
		"one and the others":     {[]answer{refused, made, refused}, true},
		"two":                    {[]answer{made, made, refused}, false},
		"none":                   {[]answer{refused, refused}, false},
		"another one in the way": {[]answer{made, {status: 409, body: []byte(`{"code": "workflow_exists", "workflow_id": "v"}`)}}, false},
		"another conflict":       {[]answer{made, {status: 409, body: []byte(`{"code": "idempotency_in_progress"}`)}}, false},
		"a fault of the server":  {[]answer{made, {status: 503, body: []byte(`{"code": "unavailable"}`)}}, false},
		"no answer":              {[]answer{made, {}}, false},
	} {
		if _, _, err := judgeRound(tt.answers); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
