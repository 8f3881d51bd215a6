package domain

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// TestRulesAgainstTheModel does random things to random workflows, to the rules and to the model, and
// compares both after each. Every change is also held against the invariants of row.faults. It does 20,000
// sequences, always the same ones; a failure names its seed. -rapid.checks and -rapid.seed choose others.
func TestRulesAgainstTheModel(t *testing.T) {
	for name, value := range map[string]string{"rapid.checks": "20000", "rapid.seed": "1"} {
		given := false
		flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
		if given {
			continue
		}
		set := flag.Lookup(name).Value
		before := set.String()
		defer func() { _ = set.Set(before) }()
		if err := set.Set(value); err != nil {
			t.Fatal(err)
		}
	}
	ran := 0
	rapid.Check(t, func(t *rapid.T) {
		ran++
		s := newSimulation(t)
		t.Repeat(map[string]func(*rapid.T){
			"":         s.compare,
			"tick":     s.tick,
			"claim":    s.claim,
			"answer":   s.answer,
			"fail":     s.fail,
			"expire":   s.interrupt,
			"handback": s.handBack,
			"missing":  s.unstarted,
			"control":  s.control,
			"accept":   s.accept,
			"callback": s.callback,
			"sweep":    s.sweep,
		})
	})
	if checks := flag.Lookup("rapid.checks").Value.String(); !t.Failed() && fmt.Sprint(ran) != checks {
		t.Errorf("%d of %s sequences ran", ran, checks)
	}
}

// simulation is one workflow as the database would keep it, beside its model.
type simulation struct {
	def   *Definition
	model *model
	now   time.Time
	ids   uint64
	w     Workflow
	runs  []Execution
	lost  int
	// fences of all claims so far, by token; those taken away are marked.
	fences []Fence
	taken  map[int]bool
}

var (
	someWait   = rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, time.Second, time.Minute, 3 * time.Hour})
	somePolicy = rapid.SampledFrom([]ExceptionAction{OnExceptionPause, OnExceptionCancel, OnExceptionSkip, OnExceptionReattempt})
	someAction = rapid.SampledFrom(append([]string{"complete", "complete", "reattempt", "reattempt", "reattempt", "fail"}, actions...))
	someVerb   = rapid.SampledFrom(append([]Verb{VerbPause, VerbResume, VerbResume, VerbResume, VerbReattempt}, Verbs...))
	someQueue  = rapid.SampledFrom(queues)
)

func newSimulation(t *rapid.T) *simulation {
	s := &simulation{now: t0, def: &Definition{Type: "Model", Version: 1}, taken: map[int]bool{},
		model: &model{seqFrom: rapid.SampledFrom([]int{1, 1, 1, modelLimit - 3}).Draw(t, "first seq")}}
	for i := range rapid.IntRange(1, 4).Draw(t, "steps") {
		step := Step{Name: fmt.Sprintf("step_%d", i+1), Wait: someWait.Draw(t, "wait"), Queue: someQueue.Draw(t, "queue"), Priority: rapid.IntRange(0, 9).Draw(t, "priority"),
			Retry: Retry{MaxAttempts: rapid.IntRange(1, 4).Draw(t, "max_attempts"), Initial: 5 * time.Second, Multiplier: 4, Max: time.Hour},
			OnException: OnException{Action: somePolicy.Draw(t, "on_exception"), MaxReattempts: rapid.IntRange(1, 3).Draw(t, "max_reattempts"),
				Then: rapid.SampledFrom([]ExceptionAction{OnExceptionPause, OnExceptionCancel, OnExceptionSkip}).Draw(t, "then"),
				Wait: maybe(t, someWait, "policy wait")},
			CallbackTimeout: modelCallback}
		s.def.Steps = append(s.def.Steps, step)
		s.model.steps = append(s.model.steps, modelStep{name: step.Name, wait: step.Wait, policy: string(step.OnException.Action), then: string(step.OnException.Then),
			reattempts: step.OnException.MaxReattempts, policyWait: step.OnException.Wait, attempts: step.Retry.MaxAttempts, queue: step.Queue, priority: step.Priority})
	}
	c, err := NewWorkflow(s.def, CreateParams{ID: s.id(), ExecutionID: s.id(), SubjectType: "User", SubjectID: "1"}, s.now)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	c.Next.Seq = s.model.seqFrom
	s.w, s.runs = c.Workflow, []Execution{*c.Next}
	s.model.schedule(0, s.now.Add(s.def.Steps[0].Wait))
	return s
}

func maybe[T any](t *rapid.T, g *rapid.Generator[T], label string) *T {
	if !rapid.Bool().Draw(t, "with "+label) {
		return nil
	}
	return ptr(g.Draw(t, label))
}

// someTime is before or after now.
func (s *simulation) someTime(t *rapid.T, label string) *time.Time {
	at := maybe(t, rapid.SampledFrom([]time.Duration{-time.Hour, 0, time.Second, 5 * time.Hour}), label)
	if at == nil {
		return nil
	}
	return ptr(s.now.Add(*at))
}

func (s *simulation) id() uuid.UUID {
	s.ids++
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[8:], s.ids)
	return id
}

// newToken makes the fence of a claim; tokens count from 1.
func (s *simulation) newToken() (token int, fence Fence) {
	fence = Fence(s.id().String())
	s.fences = append(s.fences, fence)
	return len(s.fences), fence
}

// decide asks a rule about one execution and keeps what it changes.
func (s *simulation) decide(t *rapid.T, about int, rule func(w Workflow, e *Execution) (Change, error)) (Change, error) {
	t.Helper()
	c, err := row{s.w, &s.runs[about]}.decide(t, s.now, rule)
	if err != nil || c.Unchanged {
		return c, err
	}
	s.w = c.Workflow
	if c.Execution != nil {
		s.runs[about] = *c.Execution
	}
	if c.Next != nil {
		s.runs = append(s.runs, *c.Next)
	}
	if c.Attempt != nil {
		s.lost++
	}
	return c, nil
}

func (s *simulation) compare(t *rapid.T) {
	for _, d := range s.model.differences(s.w, s.runs, s.lost) {
		t.Errorf("%s", d)
	}
	open := 0
	for _, e := range s.runs {
		if e.State.Open() {
			open++
		}
	}
	if open > 1 {
		t.Errorf("%d executions are open", open)
	}
}

// tick lets time pass. After the end of a workflow it starts another one.
func (s *simulation) tick(t *rapid.T) {
	if s.model.over != "" {
		*s = *newSimulation(t)
		return
	}
	step := rapid.SampledFrom([]time.Duration{time.Microsecond, time.Second, time.Minute, 4 * time.Hour}).Draw(t, "tick")
	s.now = s.now.Add(step)
}

// claim tries the newest execution or an older one, often after waiting until it is due.
func (s *simulation) claim(t *rapid.T) {
	about := len(s.runs) - 1
	if rapid.IntRange(0, 9).Draw(t, "which") == 0 {
		about = rapid.IntRange(0, about).Draw(t, "execution")
	}
	if due := s.runs[about].ScheduledFor; due.After(s.now) && rapid.IntRange(0, 4).Draw(t, "patience") > 0 {
		s.now = due
	}
	token, fence := s.newToken()
	_, err := s.decide(t, about, func(w Workflow, e *Execution) (Change, error) {
		return Claim(w, *e, ClaimParams{Fence: fence, Server: serverID, Budget: 30 * time.Second}, s.now)
	})
	claimable := about == len(s.runs)-1 && s.model.claimable()
	var early *EarlyError
	switch {
	case err == nil && claimable && !s.runs[about].ScheduledFor.After(s.now):
		s.model.run().due, s.model.run().slack = s.runs[about].ScheduledFor, 0
		s.model.claim(token)
	case errors.As(err, &early) && claimable && s.runs[about].ScheduledFor.Equal(s.now.Add(early.Remaining)) && early.Remaining > 0:
	case errors.Is(err, ErrNotClaimable) && !claimable:
	default:
		t.Errorf("claim gives %v, the model says claimable: %t", err, claimable)
	}
}

// result lets a claim, the live one or one from the past, have its say about its execution.
func (s *simulation) result(t *rapid.T, rule func(w Workflow, e *Execution, p SettleParams) (Change, error), apply func(*model)) (Change, bool) {
	if s.model.claimable() && rapid.IntRange(0, 5).Draw(t, "claim first") > 0 {
		s.claim(t)
	}
	live := s.model.run().token
	token := live
	if live == 0 || rapid.IntRange(0, 9).Draw(t, "whose") == 0 {
		token = rapid.IntRange(0, len(s.fences)).Draw(t, "token")
	}
	if token == 0 {
		return Change{}, false
	}
	p := SettleParams{Fence: s.fences[token-1], NextID: s.id(), Jitter: rapid.Float64Range(0, 0.999).Draw(t, "jitter")}
	c, err := s.decide(t, len(s.runs)-1, func(w Workflow, e *Execution) (Change, error) { return rule(w, e, p) })
	switch {
	case token == live && err == nil:
		apply(s.model)
		return c, true
	case token == live:
		t.Errorf("the live claim is refused: %v", err)
	case s.taken[token] && !errors.Is(err, ErrFenced), !errors.Is(err, ErrFenced) && !errors.Is(err, ErrSettled):
		t.Errorf("a dead claim (taken away: %t) gets %v", s.taken[token], err)
	}
	return c, false
}

func (s *simulation) someAnswer(t *rapid.T) *Answer {
	a := &Answer{Action: Action(someAction.Draw(t, "action"))}
	switch a.Action {
	case ActionReattempt:
		if a.At = s.someTime(t, "at"); a.At == nil {
			a.Wait = maybe(t, someWait, "wait")
		}
	case ActionComplete, ActionSkip:
		if rapid.Bool().Draw(t, "with next") {
			a.Next = &NextOptions{Priority: maybe(t, rapid.IntRange(0, 9), "priority")}
			if a.Next.At = s.someTime(t, "at"); a.Next.At == nil {
				a.Next.Wait = maybe(t, someWait, "wait")
			}
			if q := maybe(t, someQueue, "queue"); q != nil {
				a.Next.Queue = *q
			}
		}
	case ActionFail:
		a.Retryable = rapid.Bool().Draw(t, "retryable")
	}
	return a
}

func (s *simulation) answer(t *rapid.T) {
	a := s.someAnswer(t)
	var following *int
	_, applied := s.result(t, func(w Workflow, e *Execution, p SettleParams) (Change, error) {
		c, err := Settle(s.def, w, *e, Result{Answer: a, Status: 200}, p, s.now)
		if err != nil || !rapid.Bool().Draw(t, "go on") {
			return c, err
		}
		token, fence := s.newToken()
		c, ok := c.ThenClaim(ClaimParams{Fence: fence, Server: serverID, Budget: time.Second}, s.now)
		if ok {
			following = &token
		}
		return c, nil
	}, func(m *model) {
		before := len(m.runs)
		m.answer(a, s.now)
		if following == nil {
			return
		}
		if len(m.runs) == before || !m.claimable() || m.run().due.After(s.now) {
			t.Errorf("went on with an execution that the model calls not claimable")
		}
		m.claim(*following)
	})
	if following != nil && !applied {
		t.Errorf("went on after an answer that was refused")
	}
}

func (s *simulation) fail(t *rapid.T) {
	retryable := rapid.IntRange(0, 3).Draw(t, "retryable") > 0
	s.result(t, func(w Workflow, e *Execution, p SettleParams) (Change, error) {
		return Settle(s.def, w, *e, Result{Failure: &Failure{Retryable: retryable, ExecutionError: ExecutionError{Code: ErrTimeout, Message: "m"}}}, p, s.now)
	}, func(m *model) { m.fail(retryable, s.now) })
}

func (s *simulation) interrupt(t *rapid.T) {
	if s.model.waiting() {
		s.sweep(t)
		return
	}
	s.result(t, func(w Workflow, e *Execution, p SettleParams) (Change, error) {
		return Interrupt(s.def, w, *e, "died", p, Fence(s.id().String()), s.now)
	}, func(m *model) {
		s.taken[m.run().token] = true
		m.interrupt(s.now)
	})
}

func (s *simulation) handBack(t *rapid.T) {
	s.result(t, func(w Workflow, e *Execution, p SettleParams) (Change, error) {
		return HandBack(w, *e, p.Fence, s.now)
	}, func(m *model) { m.giveBack() })
}

func (s *simulation) unstarted(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "missing") > 0 {
		return
	}
	claimable := s.model.claimable()
	_, err := s.decide(t, len(s.runs)-1, func(w Workflow, e *Execution) (Change, error) {
		return FailUnstarted(w, *e, ExecutionError{Code: ErrEndpointMissing, Message: "m"}, s.now)
	})
	switch {
	case err == nil && claimable:
		s.model.unstarted()
	case !errors.Is(err, ErrNotClaimable) || claimable:
		t.Errorf("FailUnstarted gives %v, the model says claimable: %t", err, claimable)
	}
}

func (s *simulation) control(t *rapid.T) {
	cmd := Command{Verb: someVerb.Draw(t, "verb"), Reason: "r", NextID: s.id(), Fence: Fence(s.id().String())}
	// The ends come seldom, so that the sequences stay long.
	if (cmd.Verb == VerbCancel || cmd.Verb == VerbFinish) && rapid.IntRange(0, 4).Draw(t, "really") > 0 {
		cmd.Verb = VerbResume
	}
	stale, step := false, -1
	if rapid.IntRange(0, 3).Draw(t, "guarded") == 0 {
		i := rapid.IntRange(0, len(s.runs)-1).Draw(t, "guard")
		cmd.StepExecutionID, stale = &s.runs[i].ID, i != len(s.runs)-1
	}
	if cmd.Verb == VerbResume && rapid.IntRange(0, 2).Draw(t, "with step") == 0 {
		step = rapid.IntRange(-1, len(s.def.Steps)-1).Draw(t, "step")
		if cmd.Step = "nowhere"; step >= 0 {
			cmd.Step = s.def.Steps[step].Name
		}
	}
	if cmd.Verb == VerbReattempt {
		if cmd.At = s.someTime(t, "at"); cmd.At == nil {
			cmd.Wait = maybe(t, someWait, "wait")
		}
	}
	live := s.model.run().token
	c, err := s.decide(t, len(s.runs)-1, func(w Workflow, e *Execution) (Change, error) { return Control(s.def, w, e, cmd, s.now) })
	got := "changed"
	if err != nil {
		got = string(CodeOf(err))
	} else if c.Unchanged {
		got = "unchanged"
	}
	if want := s.model.control(cmd, stale, step, s.now); got != want {
		t.Errorf("%s of %s gives %s (%v), the model says %s", cmd.Verb, cmd.Step, got, err, want)
	}
	if c.Attempt != nil && live != 0 {
		s.taken[live] = true
	}
}
