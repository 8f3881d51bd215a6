package domain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Explanation says why a workflow stands where it stands, what happens next by itself, and which calls would
// move it. docs/explain.md is generated from the tables behind it.
type Explanation struct {
	State   WorkflowState
	Code    string // one of Situations
	Summary string // one sentence
	Next    *ExplainedNext
	Actions []ExplainedAction // the verbs that are possible now and change something
	Error   *ExecutionError   // what went wrong last at the current step; nil: nothing
}

// ExplainedNext is what happens without anybody's call: a step that starts, or, for one that is being
// performed, the latest end of its attempt or of the wait for its callback.
type ExplainedNext struct {
	StepName string
	At       time.Time
	Overdue  time.Duration // how long ago that was; 0: it is not
}

// ExplainedAction is a control verb and what it would do now.
type ExplainedAction struct{ Verb, Effect string }

// Facts are what an explanation needs beside the workflow's rows.
type Facts struct {
	Servers  []ServerFact  // those not declared dead, and the one that has claimed the step
	LeaseTTL time.Duration // how long after its last heartbeat a server is given up
	Ahead    int           // due step executions that come before this one in its queue, at most MaxAhead
}

// MaxAhead is how far due step executions are counted for an explanation.
const MaxAhead = 1000

// ServerFact is a server as its lease shows it.
type ServerFact struct {
	ID          uuid.UUID
	Name        string
	Role        string
	Queues      []string
	HeartbeatAt time.Time
	Dead        bool
}

// Performs tells whether the server performs steps, as far as it has not been declared dead.
func (s ServerFact) Performs() bool { return !s.Dead && s.Role != "api" }

// Situation is a row of the table of situations: a code that never changes its meaning.
type Situation struct{ Code, Meaning string }

// Situations lists every situation a workflow can be in.
var Situations = []Situation{
	{"waiting", "The current step waits for its time."},
	{"retry_scheduled", "An attempt has failed and the next one waits for its time."},
	{"due", "The current step is due and starts in a moment."},
	{"overdue", "The step should have started: the servers are busy, or its receiver has as many deliveries as it may."},
	{"overdue_no_worker", "The step should have started and no server that performs steps is alive."},
	{"overdue_unknown_queue", "The step should have started; no live server lists its queue, so it runs as default."},
	{"definition_unreadable", "The definition is stored in a format that this server cannot read; a newer server performs the workflow."},
	{"performing", "A server is performing the step."},
	{"server_silent", "The server that performs the step has missed its heartbeats or is dead; another one takes the step over."},
	{"deadline_passed", "The attempt has had no result by its deadline and is about to be taken back."},
	{"awaiting_callback", "The receiver answered 202 and its later answer is awaited."},
	{"callback_overdue", "The later answer has not come in time; the attempt is about to fail as callback_timeout."},
	{"pausing", "The workflow is paused while an attempt is under way or a callback awaited, whose result still counts."},
	{"paused", "The workflow was paused by a call before its step began; the step is held."},
	{"held_at_next_step", "The workflow is paused, and what came after its last step is held."},
	{"paused_by_answer", "The receiver, the hook or a callback answered pause."},
	{"delivery_failed", "Paused: the step's delivery has failed for good."},
	{"answer_unusable", "Paused: the receiver answered with something that cannot be used."},
	{"receiver_failed", "Paused: the receiver answered that the step has failed."},
	{"hook_failed", "Paused: the hook before the step has failed for good."},
	{"condition_failed", "Paused: a condition before the step gave no answer."},
	{"interrupted", "Paused: the step was interrupted too often."},
	{"callback_timed_out", "Paused: the later answer did not come in time."},
	{"step_missing", "Paused: the definition has no such step."},
	{"endpoint_missing", "Paused: the endpoint the step is delivered to does not exist."},
	{"too_many_executions", "Paused: the workflow has had as many step executions as it may."},
	{"finished", "The last step is done, or was left out."},
	{"finished_empty", "The definition has no steps."},
	{"finished_by_answer", "The receiver answered finish."},
	{"finished_by_call", "The verb finish, or skip at the last step of a workflow that had failed, ended it."},
	{"canceled_by_call", "The verb cancel ended it."},
	{"canceled_by_answer", "The receiver answered cancel."},
	{"canceled_by_condition", "A cancel_if held."},
	{"canceled_after_failure", "A step failed for good and its on_exception is cancel, at once or after its reattempts."},
	{"canceled_for_successor", "A new workflow took its place (on_conflict: cancel_existing)."},
}

// ReasonReplaced is the reason of a workflow canceled in favour of a new one.
const ReasonReplaced = "Replaced by a new workflow (on_conflict: cancel_existing)."

// dueGrace is how long a due step is due before it is overdue: a server looks for due steps once a second.
const dueGrace = 2 * time.Second

// Explain says why a workflow stands where it stands. e is its newest execution, nil when it never had one;
// def is nil when it cannot be read.
func Explain(def *Definition, w Workflow, e *Execution, f Facts, now time.Time) Explanation {
	x := explainer{def: def, w: w, e: e, facts: f, now: now}
	var out Explanation
	switch {
	case w.State.Terminal():
		out = x.ended()
	case w.State == WorkflowPaused:
		out = x.paused()
	case e.State == ExecutionExecuting:
		out = x.performing()
	default:
		out = x.scheduled()
	}
	if e != nil && (!w.State.Terminal() || e.State == ExecutionFailed) {
		out.Error = e.Error
	}
	out.State, out.Actions = w.State, x.actions()
	return out
}

type explainer struct {
	def   *Definition
	w     Workflow
	e     *Execution
	facts Facts
	now   time.Time
}

func said(code, format string, args ...any) Explanation {
	sentence := fmt.Sprintf(format, args...)
	return Explanation{Code: code, Summary: strings.ToUpper(sentence[:1]) + sentence[1:] + "."}
}

func (x explainer) next(at time.Time) *ExplainedNext {
	return &ExplainedNext{StepName: x.e.StepName, At: at, Overdue: max(0, x.now.Sub(at))}
}

func (x explainer) scheduled() Explanation {
	due := x.e.ScheduledFor
	late := x.now.Sub(due)
	var out Explanation
	switch {
	case x.def == nil:
		out = said("definition_unreadable", "Version %d of %s is stored in a format this server cannot read; %s is left to a newer server",
			x.w.DefinitionVersion, x.w.Type, x.step())
	case late < 0 && x.e.Error != nil:
		out = said("retry_scheduled", "%s of %s failed with %s; the next attempt starts %s", x.attempts(), x.step(), x.cause(), x.at(due))
	case late < 0:
		out = said("waiting", "%s waits for its time and starts %s", x.step(), x.at(due))
	case late <= dueGrace:
		out = said("due", "%s is due and starts in a moment", x.step())
	default:
		out = x.overdue(span(late))
	}
	out.Next = x.next(due)
	return out
}

func (x explainer) overdue(late string) Explanation {
	workers, listed := 0, false
	for _, s := range x.facts.Servers {
		if s.Performs() && x.now.Sub(s.HeartbeatAt) < x.facts.LeaseTTL {
			workers++
			listed = listed || slices.Contains(s.Queues, x.e.Queue)
		}
	}
	switch {
	case workers == 0:
		return said("overdue_no_worker", "%s is overdue by %s because no server that performs steps is alive; it starts as soon as one does",
			x.step(), late)
	case !listed:
		return said("overdue_unknown_queue", "%s is overdue by %s; none of the %s lists its queue %q, so it runs as default",
			x.step(), late, count(workers, "live worker"), x.e.Queue)
	case x.facts.Ahead > 0:
		return said("overdue", "%s is overdue by %s behind %s in the queue %q on %s; it starts when its turn comes",
			x.step(), late, x.ahead(), x.e.Queue, count(workers, "live worker"))
	}
	return said("overdue", "%s is overdue by %s though nothing is ahead of it in the queue %q on %s: either all of their slots are taken, or its receiver has max_in_flight deliveries under way",
		x.step(), late, x.e.Queue, count(workers, "live worker"))
}

func (x explainer) ahead() string {
	if x.facts.Ahead >= MaxAhead {
		return fmt.Sprintf("at least %d due steps", MaxAhead)
	}
	return count(x.facts.Ahead, "due step")
}

func (x explainer) performing() Explanation {
	deadline := *x.e.Deadline
	passed := !deadline.After(x.now)
	silent, dead := x.silence()
	var out Explanation
	switch {
	case x.e.AwaitsCallback() && passed:
		out = said("callback_overdue", "The receiver of %s answered 202 and has not called back by %s; the attempt is about to fail as callback_timeout",
			x.step(), stamp(deadline))
	case x.e.AwaitsCallback():
		out = said("awaiting_callback", "The receiver of %s answered 202 and its callback to POST /v1/step-executions/%s/complete is awaited until %s",
			x.step(), x.e.ID, x.moment(deadline))
	case dead:
		out = said("server_silent", "%s died while performing %s, which another server is about to take over", x.server(), x.step())
	case silent > 0:
		out = said("server_silent", "%s performs %s and has sent no heartbeat for %s; once it is given up, another server takes the step over",
			x.server(), x.step(), span(silent))
	case passed:
		out = said("deadline_passed", "%s has had no result of %s by the deadline, %s; the attempt is about to be taken back and made again",
			x.server(), x.step(), stamp(deadline))
	default:
		out = said("performing", "%s has been performing %s for %s (attempt %d), at most until %s",
			x.server(), x.step(), span(x.now.Sub(*x.e.StartedAt)), x.e.Attempt, x.moment(deadline))
	}
	out.Next = x.next(deadline)
	return out
}

// silence tells how long the server of the step has sent no heartbeat, 0 if not long enough to mean anything,
// and whether it is known to be dead.
func (x explainer) silence() (time.Duration, bool) {
	s := x.claimer()
	if s == nil {
		return 0, x.e.ClaimedBy != uuid.Nil // its row is gone
	}
	if quiet := x.now.Sub(s.HeartbeatAt); quiet > x.facts.LeaseTTL*2/3 {
		return quiet, s.Dead
	}
	return 0, s.Dead
}

func (x explainer) claimer() *ServerFact {
	for i := range x.facts.Servers {
		if x.facts.Servers[i].ID == x.e.ClaimedBy {
			return &x.facts.Servers[i]
		}
	}
	return nil
}

func (x explainer) server() string {
	if s := x.claimer(); s != nil {
		return fmt.Sprintf("The server %s", s.Name)
	}
	return fmt.Sprintf("The server %s", x.e.ClaimedBy)
}
