package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

// verbCall is one call of a control verb and what came of it. Times are those of the client.
type verbCall struct {
	verb           string
	step           string // resume: the step named
	named          bool   // it named the step execution it meant
	repeats        *verbCall
	sent, answered time.Time
	status         int
	code           string // of a refusal
	state          string // the workflow's in the answer, or in the refusal
	replayed       bool
	current        current
}

// current is the current execution of an answer; its id is "" for none.
type current struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Attempt int    `json:"attempt"`
}

// accepted tells that the call was answered 2xx, and not as the replay of an earlier one.
func (c *verbCall) accepted() bool { return c.status == 200 && !c.replayed }

// verbRun is what was done to one workflow.
type verbRun struct {
	id      string
	alone   bool // one client only: each call saw the end of the one before
	calls   []*verbCall
	stopped string // how the workflow looked right after a verb that ends it had been answered
}

var verbSteps = []string{"one", "two", "three", "four", "five"}

// verbs throws verbs at performing workflows, most of them from one client each, some from two at once.
func verbs(s *system, n int) error {
	if err := s.measureBaseline(); err != nil {
		return err
	}
	var steps []step
	for i, name := range verbSteps {
		steps = append(steps, step{"name": name, "wait": fmt.Sprintf("PT0.%dS", i%3)})
	}
	if err := s.define("Verbs", steps, manner{think: 200 * time.Millisecond, fail: 0.1}); err != nil {
		return err
	}
	var mu sync.Mutex
	var runs []*verbRun
	_, err := s.each(n, 64, 0, func(i int) (string, error) {
		r := &verbRun{alone: i%4 != 0}
		var err error
		if r.id, err = s.create("Verbs", fmt.Sprint(i)); err != nil {
			return "", err
		}
		mu.Lock()
		runs = append(runs, r)
		mu.Unlock()
		return r.id, s.throw(r)
	})
	if err != nil {
		return err
	}
	unfinished := s.await("Verbs", n, patience, "finished", "canceled")
	histories, err := s.histories("Verbs")
	if err != nil {
		return errors.Join(unfinished, err)
	}
	entries, err := readLog(s.log)
	if err != nil {
		return errors.Join(unfinished, err)
	}
	deliveries := map[string][]entry{}
	for _, e := range entries {
		deliveries[e.Workflow] = append(deliveries[e.Workflow], e)
	}
	var proven []error
	for _, r := range runs {
		last, err := s.look(r.id)
		if err != nil {
			return err
		}
		for _, e := range judgeVerbs(r, histories[r.id], deliveries[r.id], last) {
			proven = append(proven, fmt.Errorf("workflow %s: %w", r.id, e))
		}
	}
	s.note("%s; %d answers 5xx", count(runs, histories), s.failures())
	if s.failures() > 0 {
		proven = append(proven, errors.New("a request was answered 5xx"))
	}
	if len(proven) > 0 {
		s.note("%d illegal", len(proven))
	}
	return errors.Join(unfinished, errors.Join(proven[:min(3, len(proven))]...))
}

// throw sends verbs to one workflow, and at last lets it run to its end.
func (s *system) throw(r *verbRun) error {
	var mu sync.Mutex
	clients := 1
	if !r.alone {
		clients = 2
	}
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { errs[i] = s.client(r, &mu) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c, err := s.verb(r, &mu, &verbCall{verb: "resume"}, "", "")
	if err == nil && c.status != 200 && c.code != "invalid_transition" {
		err = fmt.Errorf("resume: %d %s", c.status, c.code)
	}
	return err
}

// client sends some verbs one after another. Some carry an Idempotency-Key, some name the step execution they
// mean; of these many are repeated.
func (s *system) client(r *verbRun, mu *sync.Mutex) error {
	seen := ""
	for range 2 + rand.IntN(4) {
		time.Sleep(rand.N(250 * time.Millisecond))
		call := &verbCall{verb: pick(), named: false}
		if call.verb == "resume" && rand.IntN(3) == 0 {
			call.step = verbSteps[rand.IntN(len(verbSteps))]
		}
		key, execution := "", ""
		switch rand.IntN(3) {
		case 0:
			key = uuid.NewString()
		case 1:
			execution, call.named = seen, seen != ""
		}
		c, err := s.verb(r, mu, call, key, execution)
		if err != nil {
			return err
		}
		if c.current.ID != "" {
			seen = c.current.ID
		}
		if c.accepted() && (key != "" || call.named) && rand.IntN(2) == 0 {
			time.Sleep(rand.N(100 * time.Millisecond))
			if _, err := s.verb(r, mu, &verbCall{verb: c.verb, step: c.step, named: c.named, repeats: c}, key, execution); err != nil {
				return err
			}
		}
	}
	return nil
}

// pick chooses a verb; those that end a workflow seldom.
func pick() string {
	switch n := rand.IntN(100); {
	case n < 28:
		return "pause"
	case n < 50:
		return "resume"
	case n < 70:
		return "reattempt"
	case n < 88:
		return "skip"
	case n < 94:
		return "cancel"
	}
	return "finish"
}

// verb sends one call and adds it to the run. Right after the end of a workflow has been answered it looks at
// the workflow, which must stay that way.
func (s *system) verb(r *verbRun, mu *sync.Mutex, c *verbCall, key, execution string) (*verbCall, error) {
	body := map[string]any{}
	if execution != "" {
		body["step_execution_id"] = execution
	}
	if c.step != "" {
		body["step"] = c.step
	}
	c.sent = time.Now()
	a, err := s.request(s.any(), "POST", "/v1/workflows/"+r.id+"/"+c.verb, key, body)
	c.answered = time.Now()
	if err != nil {
		return c, fmt.Errorf("%s: %w", c.verb, err)
	}
	var said struct {
		Code    string   `json:"code"`
		State   string   `json:"state"`
		Current *current `json:"current_execution"`
	}
	if err := json.Unmarshal(a.body, &said); err != nil {
		return c, fmt.Errorf("%s: the answer %d %.200q: %w", c.verb, a.status, a.body, err)
	}
	c.status, c.code, c.state, c.replayed = a.status, said.Code, said.State, a.replayed
	if said.Current != nil {
		c.current = *said.Current
	}
	ends := c.accepted() && (c.state == "canceled" || c.state == "finished")
	var stopped string
	if ends {
		if stopped, err = s.look(r.id); err != nil {
			return c, err
		}
	}
	mu.Lock()
	defer mu.Unlock()
	r.calls = append(r.calls, c)
	if ends && r.stopped == "" {
		r.stopped = stopped
	}
	return c, nil
}

// look gives a workflow and its history as the API shows them.
func (s *system) look(id string) (string, error) {
	var all string
	for _, path := range []string{"", "/step-executions?limit=200"} {
		a, err := s.request(s.any(), "GET", "/v1/workflows/"+id+path, "", nil)
		if err != nil {
			return "", err
		}
		if a.status != 200 {
			return "", fmt.Errorf("GET %s: %d %.300s", path, a.status, a.body)
		}
		all += string(a.body)
	}
	return all, nil
}

// count says what the runs held.
func count(runs []*verbRun, histories map[string]*workflow) string {
	accepted, refused, repeated, executions := 0, 0, 0, 0
	for _, r := range runs {
		for _, c := range r.calls {
			switch {
			case c.repeats != nil:
				repeated++
			case c.accepted():
				accepted++
			default:
				refused++
			}
		}
		if w := histories[r.id]; w != nil {
			executions += len(w.history)
		}
	}
	return fmt.Sprintf("%d workflows with %d step executions, %d verbs accepted, %d refused as impossible, %d repeated", len(runs), executions, accepted, refused, repeated)
}
