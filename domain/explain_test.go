package domain

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// alive is a server that performs steps and has just sent a heartbeat.
func alive() ServerFact {
	return ServerFact{ID: serverID, Name: "host:1", Role: "all", Queues: []string{"default", "low"}, HeartbeatAt: t0.Add(-3 * time.Second)}
}

func facts(servers ...ServerFact) Facts { return Facts{Servers: servers, LeaseTTL: 15 * time.Second} }

// explained writes an explanation in a few lines, for tables.
func explained(x Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", x.State, x.Code, x.Summary)
	if n := x.Next; n != nil {
		fmt.Fprintf(&b, "\nnext %s %s overdue %s", n.StepName, stamp(n.At), n.Overdue)
	}
	for _, a := range x.Actions {
		b.WriteString("\n" + a.Verb + ": " + a.Effect)
	}
	return b.String()
}

// cases of TestExplain: a situation, what is different about it, and what is said.
var explainCases = []struct {
	name   string
	row    string
	change func(*row)
	facts  Facts
	want   string
}{
	{"in the future", "later", nil, facts(alive()),
		`ready waiting: The step b waits for its time and starts at 2026-01-02T03:34:05Z, in 30m.
next b 2026-01-02T03:34:05Z overdue 0s
pause: Holds the step b, which keeps its due time.
skip: Leaves out the step b and goes on to c, which starts at 2026-01-02T03:14:05Z, in 10m.
reattempt: Starts the step b now instead of at 2026-01-02T03:34:05Z.
cancel: Ends the workflow as canceled.
finish: Ends the workflow as finished, whatever steps are left.`},
	{"after a failed attempt", "later", func(r *row) {
		r.e.Attempt, r.e.Failures, r.e.Error = 3, 2, &ExecutionError{Code: ErrHTTPStatus, Message: "The receiver answered 500.", Status: 500}
	}, facts(alive()),
		`ready retry_scheduled: Attempt 2 of 3 of the step b failed with http_status (The receiver answered 500); the next attempt starts at 2026-01-02T03:34:05Z, in 30m.
next b 2026-01-02T03:34:05Z overdue 0s`},
	{"after a callback said that it failed", "later", func(r *row) {
		r.e.Attempt, r.e.Error = 1, &ExecutionError{Code: ErrReceiverFailed, Message: "no"}
	}, facts(alive()),
		`ready retry_scheduled: An attempt of the step b failed with receiver_failed (no); the next attempt starts at 2026-01-02T03:34:05Z, in 30m.`},
	{"due", "scheduled", nil, facts(alive()),
		`ready due: The step b is due and starts in a moment.
next b 2026-01-02T03:04:05Z overdue 0s
pause: Holds the step b, which keeps its due time.
skip: Leaves out the step b and goes on to c, which starts at 2026-01-02T03:14:05Z, in 10m.
reattempt: Makes the step b due now, which it already is.`},
	{"overdue behind others", "scheduled", overdueBy(100 * time.Second), Facts{Servers: []ServerFact{alive()}, LeaseTTL: 15 * time.Second, Ahead: 12},
		`ready overdue: The step b is overdue by 1m40s behind 12 due steps in the queue "default" on 1 live worker; it starts when its turn comes.
next b 2026-01-02T03:02:25Z overdue 1m40s`},
	{"overdue behind very many", "scheduled", overdueBy(100 * time.Second), Facts{Servers: []ServerFact{alive(), alive()}, LeaseTTL: 15 * time.Second, Ahead: MaxAhead},
		`ready overdue: The step b is overdue by 1m40s behind at least 1000 due steps in the queue "default" on 2 live workers; it starts when its turn comes.`},
	{"overdue behind nobody", "scheduled", overdueBy(26 * time.Hour), facts(alive()),
		`ready overdue: The step b is overdue by 1d2h though nothing is ahead of it in the queue "default" on 1 live worker: either all of their slots are taken, or its receiver has max_in_flight deliveries under way.`},
	{"overdue without servers", "scheduled", overdueBy(time.Hour), facts(),
		`ready overdue_no_worker: The step b is overdue by 1h because no server that performs steps is alive; it starts as soon as one does.
next b 2026-01-02T02:04:05Z overdue 1h0m0s`},
	{"overdue with an API server and a silent worker", "scheduled", overdueBy(time.Hour), facts(
		ServerFact{ID: uuid.UUID{15: 9}, Role: "api", Queues: []string{"default"}, HeartbeatAt: t0},
		ServerFact{ID: serverID, Role: "worker", Queues: []string{"default"}, HeartbeatAt: t0.Add(-15 * time.Second)}),
		`ready overdue_no_worker: The step b is overdue by 1h because no server`},
	{"overdue with a worker that has just stopped", "scheduled", overdueBy(time.Hour), facts(func() ServerFact { s := alive(); s.Dead = true; return s }()),
		`ready overdue_no_worker: The step b is overdue by 1h because no server`},
	{"overdue after a failed attempt", "scheduled", func(r *row) {
		overdueBy(time.Hour)(r)
		r.e.Attempt, r.e.Failures, r.e.Error = 1, 1, &ExecutionError{Code: ErrTimeout, Message: "m"}
	}, facts(), `ready overdue_no_worker: The step b is overdue by 1h because no server`},
	{"overdue beside a worker of other queues", "scheduled", overdueBy(time.Hour), facts(alive(), func() ServerFact { s := alive(); s.Queues = []string{"low"}; return s }()),
		`ready overdue: The step b is overdue by 1h though nothing is ahead of it in the queue "default" on 2 live workers:`},
	{"overdue in an unknown queue", "scheduled", func(r *row) { overdueBy(time.Minute)(r); r.e.Queue = "bulk" }, facts(alive()),
		`ready overdue_unknown_queue: The step b is overdue by 1m; none of the 1 live worker lists its queue "bulk", so it runs as default.`},
	{"performing", "executing", nil, facts(alive()),
		`performing performing: The server host:1 has been performing the step b for 2s (attempt 1), at most until 2026-01-02T03:04:43Z, in 38s.
next b 2026-01-02T03:04:43Z overdue 0s
pause: Lets the attempt under way end, and holds whatever comes after it.
skip: Leaves out the step b and goes on to c, which starts at 2026-01-02T03:14:05Z, in 10m; an answer that comes late changes nothing.
reattempt: Runs the step b again now, as a new step execution with all its attempts; an answer that comes late changes nothing.
cancel: Ends the workflow as canceled; an answer that comes late changes nothing.
finish: Ends the workflow as finished, whatever steps are left; an answer that comes late changes nothing.`},
	{"performing just before the next but one heartbeat", "executing", nil, facts(func() ServerFact { s := alive(); s.HeartbeatAt = t0.Add(-9 * time.Second); return s }()),
		`performing performing: The server host:1 has been performing the step b for 2s`},
	{"performing on a silent server", "executing", nil, facts(func() ServerFact { s := alive(); s.HeartbeatAt = t0.Add(-12 * time.Second); return s }()),
		`performing server_silent: The server host:1 performs the step b and has sent no heartbeat for 12s; once it is given up, another server takes the step over.`},
	{"performing on a dead server", "executing", nil, facts(func() ServerFact { s := alive(); s.Dead = true; return s }()),
		`performing server_silent: The server host:1 died while performing the step b, which another server is about to take over.`},
	{"performing on a server that has been dead for a while", "executing", nil, facts(func() ServerFact {
		s := alive()
		s.Dead, s.HeartbeatAt = true, t0.Add(-time.Minute)
		return s
	}()), `performing server_silent: The server host:1 died while performing the step b, which another server is about to take over.`},
	{"performing beside another server", "executing", nil, facts(ServerFact{ID: uuid.UUID{15: 9}, Name: "host:2", Role: "all", Dead: true}, alive()),
		`performing performing: The server host:1 has been performing the step b for 2s`},
	{"performing on a forgotten server", "executing", nil, facts(),
		`performing server_silent: The server 00000000-0000-0000-0000-000000000004 died while performing`},
	{"performing past the deadline", "executing", func(r *row) { r.e.Deadline = ptr(t0.Add(-time.Second)) }, facts(alive()),
		`performing deadline_passed: The server host:1 has had no result of the step b by the deadline, 2026-01-02T03:04:04Z; the attempt is about to be taken back and made again.
next b 2026-01-02T03:04:04Z overdue 1s`},
	{"awaiting a callback", "waiting", nil, facts(alive()),
		`performing awaiting_callback: The receiver of the step b answered 202 and its callback to POST /v1/step-executions/00000000-0000-0000-0000-000000000002/complete is awaited until 2026-01-02T04:04:05Z, in 1h.
next b 2026-01-02T04:04:05Z overdue 0s`},
	{"a callback that is late", "waiting overdue", nil, facts(alive()),
		`performing callback_overdue: The receiver of the step b answered 202 and has not called back by 2026-01-02T03:04:05Z; the attempt is about to fail as callback_timeout.`},
	{"paused while performing", "paused executing", nil, facts(alive()),
		`paused pausing: The workflow was paused by a call at 2026-01-02T03:03:05Z (reason: maintenance) while the step b was being performed: that result still counts, until 2026-01-02T03:04:43Z, in 38s, and whatever comes after it is held.
next b 2026-01-02T03:04:43Z overdue 0s
resume: Takes the pause back; the attempt under way goes on.`},
	{"paused while awaiting a callback", "paused waiting", nil, facts(alive()),
		`paused pausing: The workflow was paused by a call at 2026-01-02T03:03:05Z (reason: maintenance) while the callback of the step b was awaited: that result`},
	{"paused before a step", "held", nil, facts(alive()),
		`paused paused: The workflow was paused by a call at 2026-01-02T03:03:05Z (reason: maintenance); the step b, due at 2026-01-02T03:34:05Z, in 30m, is held until it is resumed.
resume: Releases the step b, which starts at 2026-01-02T03:34:05Z, in 30m.
skip: Leaves out the step b and goes on to c, which is held until the workflow is resumed.
reattempt: Starts the step b now instead of at 2026-01-02T03:34:05Z.
cancel: Ends the workflow as canceled.
finish: Ends the workflow as finished, whatever steps are left.`},
	{"paused before a step that is due", "held overdue", nil, facts(alive()),
		`paused paused: The workflow was paused by a call at 2026-01-02T03:03:05Z (reason: maintenance); the step b, due at 2026-01-02T02:54:05Z, 10m ago, is held until it is resumed.
resume: Releases the step b, which starts now.
skip: Leaves out the step b and goes on to c, which is held until the workflow is resumed.
reattempt: Releases the step b, which starts now.`},
	{"paused, then a step ended", "held", func(r *row) { r.e.CreatedAt = t0.Add(-time.Second) }, facts(alive()),
		`paused held_at_next_step: The workflow was paused by a call at 2026-01-02T03:03:05Z and has come to the step b, which is held until it is resumed.`},
	{"paused by an answer, then skipped", "held", func(r *row) { r.w.Pause.By, r.e.CreatedAt = PausedByAnswer, t0.Add(-time.Second) }, facts(alive()),
		`paused held_at_next_step: The workflow was paused by an answer at 2026-01-02T03:03:05Z and has come to the step b`},
	{"paused after a failure, then skipped", "held", func(r *row) { r.w.Pause.By, r.e.CreatedAt = PausedByFailure, t0.Add(-time.Second) }, facts(alive()),
		`paused held_at_next_step: The workflow was paused after a failure at 2026-01-02T03:03:05Z and has come to the step b`},
	{"paused by an answer after a failed attempt", "pause answer", func(r *row) { r.e.Error = &ExecutionError{Code: ErrTimeout, Message: "m"} }, facts(alive()),
		`paused paused_by_answer: The answer to the step b was pause;`},
	{"paused by an answer", "pause answer", nil, facts(alive()),
		`paused paused_by_answer: The answer to the step b was pause; the step runs again when the workflow is resumed.
resume: Runs the step b again, as a new step execution with all its attempts.
skip: Leaves out the step b and goes on to c, which is held until the workflow is resumed.
reattempt: Runs the step b again now, as a new step execution with all its attempts.`},
	{"paused by an answer at the last step", "last pause answer", func(r *row) { r.e.Reason = "Anna shall look." }, facts(alive()),
		`paused paused_by_answer: The answer to the step c was pause (reason: Anna shall look); the step runs again when the workflow is resumed.
resume: Runs the step c again, as a new step execution with all its attempts.
skip: Leaves out the step c, the last one, so the workflow finishes.`},
	{"failed for good", "failed", nil, facts(alive()),
		`paused delivery_failed: The step b has failed for good after 1 attempt with http_status (The receiver answered 410 (Gone)); the receiver says that this URL is gone for good; let it answer there again, or skip the step.
resume: Runs the step b again, as a new step execution with all its attempts.`},
	{"a step that is missing", "failed", func(r *row) {
		r.w.CurrentStepName, r.e.StepName, r.e.Attempt = "gone", "gone", 0
		r.e.Error = &ExecutionError{Code: ErrStepMissing, Message: `Version 7 of Letters has no step "gone".`}
	}, facts(alive()),
		`paused step_missing: The step gone has failed for good with step_missing (Version 7 of Letters has no step "gone"); resume with {"step": …} at a step that the version has.
resume: With {"step": …}, runs a step that this version of the definition has; without it, it is refused.
cancel: Ends the workflow as canceled.
finish: Ends the workflow as finished, whatever steps are left.`},
	{"too many executions", "pause answer", func(r *row) {
		r.e.Seq, r.e.Error = MaxExecutions, &ExecutionError{Code: ErrTooManyExecutions, Message: tooManyExecutions}
	}, facts(alive()),
		`paused too_many_executions: The workflow was paused at 2026-01-02T03:03:05Z after the step b, since it has had 10000 step executions, the most one workflow may have; see what makes it go round, and cancel or finish it.
cancel: Ends the workflow as canceled.
finish: Ends the workflow as finished, whatever steps are left.`},
	{"finished", "finished", nil, facts(), `finished finished: The workflow finished at 2026-01-02T03:04:04Z with its last step, b.`},
	{"finished by leaving out the last step", "finished", func(r *row) { r.e.State, r.e.Outcome, r.e.Reason = ExecutionSkipped, OutcomeSkipped, "skip_if: data.x" }, facts(),
		`finished finished: The workflow finished at 2026-01-02T03:04:04Z with its last step, b, which was left out (reason: skip_if: data.x).`},
	{"finished in spite of a failure", "finished", func(r *row) {
		r.e.State, r.e.Outcome, r.e.Error = ExecutionFailed, OutcomeSkipped, &ExecutionError{Code: ErrTimeout, Message: "m"}
	}, facts(),
		`finished finished: The workflow finished at 2026-01-02T03:04:04Z with its last step, b, which failed and whose on_exception is skip.`},
	{"finished by an answer", "finished", func(r *row) { r.e.Outcome, r.e.Reason = OutcomeFinished, "done early" }, facts(),
		`finished finished_by_answer: The answer to the step b finished the workflow at 2026-01-02T03:04:04Z (reason: done early).`},
	{"finished by a call", "finished", func(r *row) { r.e.State, r.e.Outcome = ExecutionCanceled, OutcomeSuperseded }, facts(),
		`finished finished_by_call: A call finished the workflow at 2026-01-02T03:04:04Z at the step b.`},
	{"without steps", "empty", nil, facts(), `finished finished_empty: The workflow finished at 2026-01-02T03:04:04Z, since its definition has no steps.`},
	{"canceled by a call", "canceled", func(r *row) { r.e.Reason = "not wanted" }, facts(),
		`canceled canceled_by_call: A call canceled the workflow at 2026-01-02T03:04:04Z at the step b (reason: not wanted).`},
	{"canceled by a call while a callback was awaited", "canceled", func(r *row) { r.e.Status = 202 }, facts(), `canceled canceled_by_call: A call`},
	{"canceled by a call after a failure", "canceled", func(r *row) { r.e.State, r.e.Outcome = ExecutionFailed, OutcomeFailed }, facts(),
		`canceled canceled_by_call: A call canceled the workflow at 2026-01-02T03:04:04Z at the step b.`},
	{"canceled by a call after the answer pause", "canceled", func(r *row) { r.e.Outcome, r.e.Status = OutcomePaused, 200 }, facts(),
		`canceled canceled_by_call: A call canceled the workflow at 2026-01-02T03:04:04Z at the step b.`},
	{"canceled by an answer", "canceled", func(r *row) { r.e.Status, r.e.Reason = 200, "bounced" }, facts(),
		`canceled canceled_by_answer: The answer to the step b canceled the workflow at 2026-01-02T03:04:04Z (reason: bounced).`},
	{"canceled by a callback", "canceled", func(r *row) { r.e.Status, r.e.AnswerHash = 202, "h" }, facts(), `canceled canceled_by_answer: The answer`},
	{"canceled by a condition", "canceled", func(r *row) { r.e.Reason = "cancel_if: {condition: closed}" }, facts(),
		`canceled canceled_by_condition: The workflow was canceled at 2026-01-02T03:04:04Z before the step b, since this holds: {condition: closed}.`},
	{"canceled after a failure", "canceled", func(r *row) {
		r.e.State, r.e.Error = ExecutionFailed, &ExecutionError{Code: ErrTimeout, Message: "Too slow."}
	}, facts(),
		`canceled canceled_after_failure: The workflow was canceled at 2026-01-02T03:04:04Z since the step b failed for good with timeout (Too slow) and its on_exception is cancel.`},
	{"canceled for another", "canceled", func(r *row) { r.e.Reason = ReasonReplaced }, facts(),
		`canceled canceled_for_successor: The workflow was canceled at 2026-01-02T03:04:04Z at the step b because a new one took its place (on_conflict: cancel_existing).`},
	{"canceled for another after a failure", "canceled", func(r *row) { r.e.State, r.e.Outcome, r.e.Reason = ExecutionFailed, OutcomeFailed, ReasonReplaced }, facts(),
		`canceled canceled_for_successor: The workflow was canceled at 2026-01-02T03:04:04Z at the step b because a new one took its place`},
	{"canceled for another after the answer pause", "canceled", func(r *row) {
		r.e.Outcome, r.e.Status, r.e.Reason = OutcomePaused, 200, ReasonReplaced
	}, facts(), `canceled canceled_for_successor: The workflow was canceled`},
}

func overdueBy(d time.Duration) func(*row) {
	return func(r *row) { r.e.ScheduledFor = t0.Add(-d) }
}

// TestExplainUsedUpReattempts has on_exception be reattempt, at most twice, and each word for then.
func TestExplainUsedUpReattempts(t *testing.T) {
	for _, tc := range []struct {
		then ExceptionAction
		row  string
		want string
	}{
		{OnExceptionPause, "failed", "The step b has failed for good after 1 attempt with timeout (Too slow) and its reattempts (max_reattempts: 2) are used up, with then: pause; let"},
		{OnExceptionCancel, "canceled", "The workflow was canceled at 2026-01-02T03:04:04Z since the step b failed for good with timeout (Too slow) and its reattempts (max_reattempts: 2) are used up, with then: cancel."},
		{OnExceptionSkip, "finished", "The workflow finished at 2026-01-02T03:04:04Z with its last step, b, which failed and whose reattempts (max_reattempts: 2) are used up, with then: skip."},
	} {
		def, r := abc(), situation(tc.row)
		def.Steps[1].OnException = OnException{Action: OnExceptionReattempt, MaxReattempts: 2, Then: tc.then}
		r.w.ExceptionsInRow = 3
		r.e.State, r.e.Error = ExecutionFailed, &ExecutionError{Code: ErrTimeout, Message: "Too slow."}
		if tc.then == OnExceptionSkip {
			r.e.Outcome = OutcomeSkipped
		}
		if got := Explain(def, r.w, r.e, facts(alive()), t0).Summary; !strings.HasPrefix(got, tc.want) {
			t.Errorf("then %s:\n got %s\nwant %s", tc.then, got, tc.want)
		}
	}
	def, r := abc(), situation("failed")
	def.Steps[1].OnException = OnException{Action: OnExceptionReattempt, MaxReattempts: 2, Then: OnExceptionPause}
	if got := Explain(def, r.w, r.e, facts(alive()), t0).Summary; strings.Contains(got, "used up") {
		t.Errorf("a failure that on_exception had no say in: %s", got)
	}
}

func TestExplain(t *testing.T) {
	for _, tc := range explainCases {
		r := situation(tc.row)
		if tc.change != nil {
			tc.change(&r)
		}
		got := explained(Explain(abc(), r.w, r.e, tc.facts, t0))
		// A case may leave out the end, when another one has it.
		if !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

// TestExplainGivesTheErrorThatMatters: of an open workflow its step's last one, of one that has ended the one that it
// ended by or in spite of, but not the one that its last step got over.
func TestExplainGivesTheErrorThatMatters(t *testing.T) {
	for when, given := range map[string]bool{"later": true, "executing": true, "held": true, "failed": true, "finished": false, "canceled": false} {
		r := situation(when)
		r.e.Error = &ExecutionError{Code: ErrTimeout, Message: "m"}
		if got := Explain(abc(), r.w, r.e, facts(alive()), t0).Error; (got == r.e.Error) != given {
			t.Errorf("%s gives the error %v", when, got)
		}
		r.e.State = ExecutionFailed
		if got := Explain(abc(), r.w, r.e, facts(alive()), t0).Error; r.w.State.Terminal() && got != r.e.Error {
			t.Errorf("%s by a failure gives the error %v", when, got)
		}
	}
}

// TestExplainEveryError walks the table of errors: each leads a failed workflow to its situation and advice.
func TestExplainEveryError(t *testing.T) {
	codes := errorCodesInSource(t)
	for _, row := range ErrorAdvices {
		r := situation("failed")
		r.e.Error = &ExecutionError{Code: row.Code, Message: "What went wrong."}
		x := Explain(abc(), r.w, r.e, facts(alive()), t0)
		want := fmt.Sprintf("The step b has failed for good after 1 attempt with %s (What went wrong); %s.", row.Code, row.Advice)
		if x.Code != row.Situation || x.Summary != want || x.Error != r.e.Error {
			t.Errorf("%s: %s, %s; want %s, %s", row.Code, x.Code, x.Summary, row.Situation, want)
		}
		if !slices.Contains(codes, string(row.Code)) {
			t.Errorf("there is no error code %q", row.Code)
		}
	}
	if len(codes) != len(ErrorAdvices) || len(codes) == 0 {
		t.Errorf("%d error codes and %d rows of advice", len(codes), len(ErrorAdvices))
	}
	for status, advice := range statusAdvice {
		r := situation("failed")
		r.e.Error = &ExecutionError{Code: ErrHTTPStatus, Message: "m", Status: status}
		if x := Explain(abc(), r.w, r.e, facts(alive()), t0); !strings.HasSuffix(x.Summary, advice+".") {
			t.Errorf("%d: %s", status, x.Summary)
		}
	}
}

// errorCodesInSource gives the values of the constants of the type ErrorCode.
func errorCodesInSource(t *testing.T) (codes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "execution.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "ErrorCode" {
				code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				codes = append(codes, code)
			}
		}
		return true
	})
	return codes
}

// TestExplainEverySituation holds the table of situations against what is said: each code is, and no other.
func TestExplainEverySituation(t *testing.T) {
	seen := map[string]bool{}
	for _, tc := range explainCases {
		r := situation(tc.row)
		if tc.change != nil {
			tc.change(&r)
		}
		seen[Explain(abc(), r.w, r.e, tc.facts, t0).Code] = true
		unreadable := Explain(nil, r.w, r.e, tc.facts, t0)
		seen[unreadable.Code] = true
		if unreadable.Actions == nil || len(unreadable.Actions) != 0 || unreadable.Summary == "" {
			t.Errorf("%s, without a definition: %+v", tc.name, unreadable)
		}
	}
	for _, row := range ErrorAdvices {
		seen[row.Situation] = true // TestExplainEveryError has them
	}
	for _, s := range Situations {
		if !seen[s.Code] || s.Meaning == "" {
			t.Errorf("%s: no case leads there, or it has no meaning", s.Code)
		}
		delete(seen, s.Code)
	}
	for code := range seen {
		t.Errorf("%s is not in the table", code)
	}
}

// TestExplainEveryReachableRow asks about every combination of states, outcome and whoever paused that the
// tables of moves can lead to: all get a known code, one sentence, a next exactly while something happens by
// itself, and only verbs that Control does not refuse.
func TestExplainEveryReachableRow(t *testing.T) {
	rows := 0
	for _, r := range reachableRows() {
		for _, age := range []time.Duration{-time.Hour, 0, time.Hour} {
			rows++
			r.e.ScheduledFor = t0.Add(-age)
			what := fmt.Sprintf("%s with %s/%s, due %s ago", r.w.State, r.e.State, r.e.Outcome, age)
			x := Explain(abc(), r.w, r.e, facts(alive()), t0)
			if !slices.ContainsFunc(Situations, func(s Situation) bool { return s.Code == x.Code }) || x.State != r.w.State {
				t.Errorf("%s: %s, %s", what, x.State, x.Code)
			}
			if !strings.HasSuffix(x.Summary, ".") || strings.Contains(x.Summary, "%!") || strings.Contains(x.Summary, "..") {
				t.Errorf("%s: %s", what, x.Summary)
			}
			moves := r.e.State == ExecutionExecuting || r.e.State == ExecutionScheduled && !r.e.Held
			if (x.Next != nil) != moves {
				t.Errorf("%s: next is %+v", what, x.Next)
			}
			for _, verb := range Verbs {
				c, err := Control(abc(), r.w, ptr(*r.e), Command{Verb: verb}, t0)
				offered := slices.ContainsFunc(x.Actions, func(a ExplainedAction) bool { return a.Verb == string(verb) && a.Effect != "" })
				if offered != (err == nil && !c.Unchanged) {
					t.Errorf("%s: %s offered: %t, the rule says %v", what, verb, offered, err)
				}
			}
		}
	}
	if rows < 60 {
		t.Errorf("only %d rows", rows)
	}
}

// reachableRows combines each workflow state with what its newest execution can be then (faults in
// rules_test.go holds every change against the same table).
func reachableRows() (rows []row) {
	newest := map[WorkflowState][]ExecutionState{
		WorkflowReady: {ExecutionScheduled}, WorkflowPerforming: {ExecutionExecuting},
		WorkflowPaused:   {ExecutionScheduled, ExecutionExecuting, ExecutionFailed, ExecutionCanceled},
		WorkflowFinished: {ExecutionCompleted, ExecutionFailed, ExecutionCanceled, ExecutionSkipped},
		WorkflowCanceled: {ExecutionFailed, ExecutionCanceled},
	}
	for state, executions := range newest {
		for _, m := range ExecutionMoves {
			if !slices.Contains(executions, m.To) || m.Outcome == OutcomeReattempted {
				continue
			}
			for _, by := range []PausedBy{PausedByAPI, PausedByAnswer, PausedByFailure} {
				r := situation("executing")
				if m.To == ExecutionScheduled {
					r = situation("scheduled")
				} else if err := r.e.move(m.Event, t0); err != nil && m.To != ExecutionExecuting {
					panic(err)
				}
				r.w.State = state
				switch state {
				case WorkflowPaused:
					r.w.Pause, r.e.Held = &Pause{By: by, At: t0.Add(-time.Minute)}, m.To == ExecutionScheduled
				case WorkflowFinished:
					r.w.FinishedAt, r.w.CurrentStepName = ptr(t0), ""
				case WorkflowCanceled:
					r.w.CanceledAt, r.w.CurrentStepName = ptr(t0), ""
				}
				if m.Event == eventAwait {
					r.e.ClaimedBy = uuid.Nil
				}
				rows = append(rows, r)
			}
		}
	}
	return rows
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "less than 1s", 999 * time.Millisecond: "less than 1s", 1500 * time.Millisecond: "1s", time.Minute: "1m",
		61 * time.Second: "1m1s", 90*time.Minute + time.Second: "1h30m", 10 * time.Hour: "10h", 24 * time.Hour: "1d", 49*time.Hour + time.Minute: "2d1h",
	} {
		expect(t, d.String(), span(d), want)
	}
}
