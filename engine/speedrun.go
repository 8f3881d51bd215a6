package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/domain/strictjson"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

// Bounds of a speedrun.
const (
	DefaultSpeedrunSteps = 100
	MaxSpeedrunSteps     = 1000
	speedrunLimit        = time.Minute
	speedrunPoll         = 20 * time.Millisecond
	speedrunProblems     = 100 // most that are told of one request
)

// SpeedrunRequest says how far a speedrun goes and what stands in for the receivers.
type SpeedrunRequest struct {
	MaxSteps int                          // attempts at most; 0: DefaultSpeedrunSteps
	Answers  map[string][]json.RawMessage // by step: one for each attempt, the last one for all that follow
	Limit    time.Duration                // how long it may take; 0: a minute
}

// Why a speedrun stopped, beside the workflow's states finished, canceled and paused.
const (
	StoppedByMaxSteps  = "max_steps"
	StoppedByTimeLimit = "time_limit"
)

// SpeedrunResult is the workflow as a speedrun left it, and its whole history.
type SpeedrunResult struct {
	Workflow   Workflow
	Executions []domain.Execution
	StoppedBy  string
}

// speedrun is one on its way. It is used by one goroutine.
type speedrun struct {
	e       *Engine
	id      uuid.UUID
	left    int
	answers map[string][]*domain.Answer
}

var (
	errTimeLimit = errors.New("the time limit of the speedrun is over")
	errStopping  = errors.New("the server is stopping")
)

// Speedrun performs the steps that are left of a workflow in order and without their waits, through the same
// claim, run and settle as ever. Between its steps nobody else can claim the workflow; control verbs work as
// usual. While somebody else performs the current step, or its callback is awaited, it waits. A step with
// answers is not delivered, and its hook not called; conditions are asked. Errors: test_mode_off,
// workflow_not_found, invalid_request (answers, max_steps), unavailable.
func (e *Engine) Speedrun(ctx context.Context, id uuid.UUID, r SpeedrunRequest) (SpeedrunResult, error) {
	if !e.TestMode {
		return SpeedrunResult{}, domain.Errorf(domain.CodeTestModeOff, "A speedrun ignores waits, so only a server in test mode performs one: start one with GENEVADRIVE_TEST_MODE=true, never in production.")
	}
	w, err := e.Workflow(ctx, id)
	if err != nil {
		return SpeedrunResult{}, err
	}
	p, err := e.plans.get(ctx, w.Type, w.DefinitionVersion)
	if err != nil {
		return SpeedrunResult{}, err
	}
	s, err := e.newSpeedrun(p, id, r)
	if err != nil {
		return SpeedrunResult{}, err
	}
	if !e.lease.live() {
		return SpeedrunResult{}, s.unavailable()
	}
	within, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	limit := r.Limit
	if limit == 0 {
		limit = speedrunLimit
	}
	defer time.AfterFunc(limit, func() { stop(errTimeLimit) }).Stop()
	defer context.AfterFunc(e.runs, func() { stop(errStopping) })()
	stoppedBy, err := s.toTheEnd(within)
	if err != nil {
		return SpeedrunResult{}, err
	}
	return s.result(ctx, stoppedBy)
}

// newSpeedrun checks what is asked and reads the answers.
func (e *Engine) newSpeedrun(p *plan, id uuid.UUID, r SpeedrunRequest) (*speedrun, error) {
	s := &speedrun{e: e, id: id, left: r.MaxSteps, answers: map[string][]*domain.Answer{}}
	var problems []domain.Problem
	add := func(pointer, format string, args ...any) {
		if len(problems) < speedrunProblems {
			problems = append(problems, domain.Problem{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
		}
	}
	switch {
	case r.MaxSteps == 0:
		s.left = DefaultSpeedrunSteps
	case r.MaxSteps < 0 || r.MaxSteps > MaxSpeedrunSteps:
		add("#/max_steps", "Write a number from 1 to %d.", MaxSpeedrunSteps)
	}
	for _, step := range slices.Sorted(maps.Keys(r.Answers)) {
		pointer := "#/answers/" + strictjson.PointerToken(step)
		if _, _, ok := p.Step(step); !ok {
			add(pointer, "%s", p.StepMissing(step).Message)
			continue
		}
		if len(r.Answers[step]) == 0 {
			add(pointer, "Give at least one answer, or leave the step out to have it delivered.")
		}
		for i, body := range r.Answers[step] {
			answer, err := domain.ParseAnswer(body, e.Queues)
			var refused *domain.Error
			switch at := fmt.Sprintf("%s/%d", pointer, i); {
			case err == nil:
				s.answers[step] = append(s.answers[step], answer)
			case errors.As(err, &refused) && len(refused.Problems) > 0:
				for _, problem := range refused.Problems {
					add(at+strings.TrimPrefix(problem.Pointer, "#"), "%s", problem.Detail)
				}
			default:
				add(at, "%v", err)
			}
		}
	}
	if len(problems) > 0 {
		return nil, domain.WithProblems(domain.CodeInvalidRequest, problems)
	}
	return s, nil
}

// toTheEnd performs steps until one of the reasons to stop.
func (s *speedrun) toTheEnd(ctx context.Context) (stoppedBy string, err error) {
	tick := time.NewTicker(speedrunPoll)
	defer tick.Stop()
	for {
		row, err := s.e.Store.Workflow(ctx, s.id)
		state := row.Workflow.State
		switch {
		case err != nil && ctx.Err() == nil:
			return "", err
		case err != nil:
			return s.stopped(ctx)
		case state.Terminal(), state == domain.WorkflowPaused:
			return string(state), nil
		case s.left == 0:
			return StoppedByMaxSteps, nil
		case row.Execution.State == domain.ExecutionScheduled && s.perform(ctx, row):
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return s.stopped(ctx)
		}
	}
}

// perform claims the workflow's step and goes on from step to step while there is anything to go on with. It
// is false if somebody else was quicker.
func (s *speedrun) perform(ctx context.Context, row persistence.Row) bool {
	item := queue.Item{WorkflowID: s.id, ExecutionID: row.Execution.ID}
	c := s.e.claim(ctx, item, s)
	if c == nil {
		return false
	}
	s.e.Ready.Drop(item.ExecutionID) // it may be held there until it would have been due
	mayContinue := func(*domain.Execution) bool {
		return s.left > 0 && ctx.Err() == nil
	}
	for c != nil {
		c.speedrun = s
		s.left--
		result, aborted := s.e.attempt(ctx, c)
		if aborted {
			s.e.handBack(c)
			return true
		}
		c = s.e.settle(ctx, c, result, mayContinue)
	}
	return true
}

// stopped tells why the context of a speedrun has ended.
func (s *speedrun) stopped(ctx context.Context) (string, error) {
	switch cause := context.Cause(ctx); cause {
	case errTimeLimit:
		return StoppedByTimeLimit, nil
	case errStopping:
		return "", s.unavailable()
	default:
		return "", cause // whoever asked is gone
	}
}

func (s *speedrun) unavailable() error {
	return domain.Errorf(domain.CodeUnavailable, "This server has no live lease on the database now, so it may not perform steps.")
}

func (s *speedrun) result(ctx context.Context, stoppedBy string) (SpeedrunResult, error) {
	w, err := s.e.Workflow(ctx, s.id)
	if err != nil {
		return SpeedrunResult{}, err
	}
	out := SpeedrunResult{Workflow: w, StoppedBy: stoppedBy}
	for page := (Page{Limit: 200}); ; {
		list, next, err := s.e.History(ctx, s.id, page)
		if err != nil {
			return SpeedrunResult{}, err
		}
		out.Executions = append(out.Executions, list...)
		if page.Cursor = next; next == "" {
			return out, nil
		}
	}
}

// standsInFor tells whether this speedrun answers a step in its receiver's place.
func (s *speedrun) standsInFor(step *domain.Step) bool {
	return s != nil && len(s.answers[step.Name]) > 0
}

// canned gives the answer that stands in for the step's receiver, nil if the step is to be delivered.
func (c *claimed) canned() *domain.Answer {
	if c.speedrun == nil {
		return nil
	}
	list := c.speedrun.answers[c.step.Name]
	if len(list) == 0 {
		return nil
	}
	if len(list) > 1 {
		c.speedrun.answers[c.step.Name] = list[1:]
	}
	return list[0]
}
