package domain

import (
	"fmt"
	"strings"
)

// paused explains a workflow that goes on only when somebody says so.
func (x explainer) paused() Explanation {
	switch x.e.State {
	case ExecutionExecuting:
		return x.pausing()
	case ExecutionScheduled:
		pause := x.w.Pause
		if x.e.CreatedAt.After(pause.At) {
			return said("held_at_next_step", "The workflow was paused %s at %s and has come to %s, which is held until it is resumed",
				pausedBy(pause.By), stamp(pause.At), x.step())
		}
		return said("paused", "The workflow was paused %s at %s%s; %s, due %s, is held until it is resumed",
			pausedBy(pause.By), stamp(pause.At), because(pause.Reason), x.step(), x.at(x.e.ScheduledFor))
	case ExecutionFailed:
		return x.failed()
	}
	if x.e.Error != nil && x.e.Error.Code == ErrTooManyExecutions {
		row := errorRow(x.e.Error)
		return said(row.Situation, "The workflow was paused at %s after %s, since it has had %d step executions, the most one workflow may have; %s",
			stamp(x.w.Pause.At), x.step(), MaxExecutions, row.Advice)
	}
	return said("paused_by_answer", "The answer to %s was pause%s; the step runs again when the workflow is resumed",
		x.step(), because(x.e.Reason))
}

func (x explainer) pausing() Explanation {
	pause := x.w.Pause
	what := fmt.Sprintf("while %s was being performed", x.step())
	if x.e.AwaitsCallback() {
		what = fmt.Sprintf("while the callback of %s was awaited", x.step())
	}
	out := said("pausing", "The workflow was paused %s at %s%s %s: that result still counts, until %s, and whatever comes after it is held",
		pausedBy(pause.By), stamp(pause.At), because(pause.Reason), what, x.moment(*x.e.Deadline))
	out.Next = x.next(*x.e.Deadline)
	return out
}

func pausedBy(by PausedBy) string {
	switch by {
	case PausedByAnswer:
		return "by an answer"
	case PausedByFailure:
		return "after a failure"
	}
	return "by a call"
}

// failed explains a workflow whose step has failed for good, with what its error code advises.
func (x explainer) failed() Explanation {
	row := errorRow(x.e.Error)
	usedUp := ""
	if policy := x.policy(); policy.Action == OnExceptionReattempt && x.w.ExceptionsInRow > policy.MaxReattempts {
		usedUp = " and " + x.onException("its", policy.Then)
	}
	return said(row.Situation, "%s has failed for good%s with %s%s; %s", x.step(), x.after(), x.cause(), usedUp, row.Advice)
}

// policy is the on_exception of the step, empty when that cannot be read.
func (x explainer) policy() OnException {
	if x.def == nil {
		return OnException{}
	}
	step, _, ok := x.def.Step(x.e.StepName)
	if !ok {
		return OnException{}
	}
	return step.OnException
}

// onException tells why a failure led to an action: on_exception is that word, or then is, after its reattempts.
func (x explainer) onException(whose string, action ExceptionAction) string {
	if policy := x.policy(); policy.Action == OnExceptionReattempt {
		return fmt.Sprintf("%s reattempts (max_reattempts: %d) are used up, with then: %s", whose, policy.MaxReattempts, action)
	}
	return fmt.Sprintf("%s on_exception is %s", whose, action)
}

// after tells how often the step was attempted, if it was.
func (x explainer) after() string {
	if x.e.Attempt == 0 {
		return ""
	}
	return " after " + count(x.e.Attempt, "attempt")
}

// ErrorAdvice is a row of the table of what the errors of steps lead to and what to do about each.
type ErrorAdvice struct {
	Code      ErrorCode
	Situation string // of a workflow paused by it
	Advice    string // the end of a sentence
}

// ErrorAdvices lists every error code.
var ErrorAdvices = []ErrorAdvice{
	{ErrHTTPStatus, "delivery_failed", "see what the receiver logged under the webhook-id, then resume"},
	{ErrTimeout, "delivery_failed", "let the receiver answer sooner, or with 202 where the step has a callback_timeout, then resume; new workflows can have a longer webhook timeout"},
	{ErrConnection, "delivery_failed", "see that the receiver is up and can be reached from this server, then resume"},
	{ErrTLS, "delivery_failed", "correct the receiver's certificate, or its URL in the endpoint or in a new version if it speaks no TLS there, then resume"},
	{ErrDNS, "delivery_failed", "see that the host name of the receiver's URL is right and resolves on this server, then resume"},
	{ErrAddressRefused, "delivery_failed", "if deliveries may go to that address, list its network in GENEVADRIVE_WEBHOOK_ALLOW_NETS, then resume"},
	{ErrRedirect, "delivery_failed", "redirects are never followed: let the receiver answer at its own URL, or name the final URL in the endpoint or in a new version, then resume"},
	{ErrInvalidAnswer, "answer_unusable", "correct what the receiver answers, then skip the step if its work was done, or resume"},
	{ErrAnswerTooLarge, "answer_unusable", "let the receiver answer with at most 256 KiB, then resume"},
	{ErrUnsavableAnswer, "answer_unusable", "let the receiver leave out what the database cannot hold, then resume"},
	{ErrDataTooLarge, "answer_unusable", "let the receiver keep large values itself and put references into data, or make room with PATCH on the workflow's data, then resume"},
	{ErrUnexpected202, "answer_unusable", "let the receiver answer this step with 200 or 204, then resume; new workflows can have a callback_timeout, on a server with a public URL"},
	{ErrCondition, "condition_failed", "push the missing attribute (PUT /v1/subjects) or patch the data, then resume; new workflows can guard the expression with has()"},
	{ErrHookFailed, "hook_failed", "see what the hook's receiver logged, then resume"},
	{ErrReceiverFailed, "receiver_failed", "the receiver said so itself; resume once the cause is gone"},
	{ErrInterrupted, "interrupted", "see what ends the servers, keeps this step beyond its deadline, or is said of it in their log, then resume"},
	{ErrCallbackTimeout, "callback_timed_out", "see why the receiver did not call back, then resume; new workflows can have a longer callback_timeout"},
	{ErrStepMissing, "step_missing", `resume with {"step": …} at a step that the version has`},
	{ErrEndpointMissing, "endpoint_missing", "create the endpoint (PUT /v1/endpoints/{name}), then resume"},
	{ErrTooManyExecutions, "too_many_executions", "see what makes it go round, and cancel or finish it"},
	{ErrSuperseded, "delivery_failed", "a call decided in its place"},
}

// statusAdvice is better than what goes for every status.
var statusAdvice = map[int]string{
	400: "the receiver found the request wrong; see what it logged under the webhook-id, then resume",
	401: "let the receiver verify with the secret that this server signs with, then resume",
	403: "let the receiver admit deliveries, by its secret and its firewall, then resume",
	404: "see that the path of the receiver's URL is right, then resume",
	405: "let the receiver take POST at that URL, then resume",
	410: "the receiver says that this URL is gone for good; let it answer there again, or skip the step",
	413: "let the receiver take larger bodies, or make the workflow's data smaller, then resume",
	422: "the receiver refused the contents; correct the workflow's data or the receiver, then resume",
	429: "let the receiver admit more deliveries, or lower max_in_flight, then resume",
}

func errorRow(e *ExecutionError) ErrorAdvice {
	if e == nil {
		return ErrorAdvice{Situation: "delivery_failed", Advice: "resume to run it again"}
	}
	found := ErrorAdvice{Situation: "delivery_failed", Advice: "see the error, then resume"}
	for _, row := range ErrorAdvices {
		if row.Code == e.Code {
			found = row
		}
	}
	if better, ok := statusAdvice[e.Status]; ok && e.Code == ErrHTTPStatus {
		found.Advice = better
	}
	return found
}

// ended explains a workflow to which nothing can happen anymore.
func (x explainer) ended() Explanation {
	if x.w.State == WorkflowCanceled {
		return x.canceled("at " + stamp(*x.w.CanceledAt))
	}
	at := "at " + stamp(*x.w.FinishedAt)
	if x.e == nil {
		return said("finished_empty", "The workflow finished %s, since its definition has no steps", at)
	}
	switch x.e.Outcome {
	case OutcomeCompleted:
		return said("finished", "The workflow finished %s with its last step, %s", at, x.e.StepName)
	case OutcomeSkipped:
		how := "was left out"
		if x.e.State == ExecutionFailed {
			how = "failed and " + x.onException("whose", OnExceptionSkip)
		}
		return said("finished", "The workflow finished %s with its last step, %s, which %s%s", at, x.e.StepName, how, because(x.e.Reason))
	case OutcomeFinished:
		return said("finished_by_answer", "The answer to %s finished the workflow %s%s", x.step(), at, because(x.e.Reason))
	}
	return said("finished_by_call", "A call finished the workflow %s at %s%s", at, x.step(), because(x.e.Reason))
}

func (x explainer) canceled(at string) Explanation {
	e := x.e
	switch {
	case e.State == ExecutionFailed && e.Outcome == OutcomeCanceled:
		return said("canceled_after_failure", "The workflow was canceled %s since %s failed for good with %s and %s", at, x.step(), x.cause(), x.onException("its", OnExceptionCancel))
	case e.Reason == ReasonReplaced:
		return said("canceled_for_successor", "The workflow was canceled %s at %s because a new one took its place (on_conflict: cancel_existing)", at, x.step())
	case e.Outcome != OutcomeCanceled:
		return said("canceled_by_call", "A call canceled the workflow %s at %s%s", at, x.step(), because(e.Reason))
	case e.AnswerHash != "" || e.Status >= 200 && e.Status < 300 && e.Status != 202:
		return said("canceled_by_answer", "The answer to %s canceled the workflow %s%s", x.step(), at, because(e.Reason))
	case e.Attempt > 0 && strings.HasPrefix(e.Reason, cancelReason):
		return said("canceled_by_condition", "The workflow was canceled %s before %s, since this holds: %s", at, x.step(), strings.TrimPrefix(e.Reason, cancelReason+" "))
	}
	return said("canceled_by_call", "A call canceled the workflow %s at %s%s", at, x.step(), because(e.Reason))
}
