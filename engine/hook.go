package engine

import (
	"context"

	"github.com/genevadrive/genevadrive/domain"
)

// hook calls before_step_starts, if the step has it. nil: the step is to run. What the hook answers beside
// that decides in the step's place; a hook that fails, or cannot be understood, is a failed attempt.
func (e *Engine) hook(ctx context.Context, c *claimed) (decided *domain.Result, aborted bool) {
	to := c.step.Hook
	if to == nil {
		return nil, false
	}
	if to.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, to.Timeout)
		defer cancel()
	}
	result, aborted := e.post(ctx, c, e.prepare(ctx, c, to, hookMessage(c)))
	if aborted {
		return nil, true
	}
	result.Instead = true
	answer := result.Answer
	switch {
	case result.Later:
		return hookFailed(result, domain.ErrUnexpected202, "it answered 202, and the step cannot wait for a later answer of its hook.", false), false
	case result.Failure != nil && result.Failure.Code == domain.ErrEndpointMissing:
		return &result, false
	case result.Failure != nil:
		f := result.Failure
		return hookFailed(result, f.Code, f.Message, f.Retryable), false
	case answer.Action == domain.ActionFail:
		message := answer.Message
		if message == "" {
			message = answer.Reason
		}
		if message == "" {
			message = "it answered that the step must not run."
		}
		return hookFailed(result, domain.ErrReceiverFailed, message, answer.Retryable), false
	case answer.Action != domain.ActionComplete:
		return &result, false
	case answer.Data != nil || answer.Next != nil:
		// The step would come after what was merged, and its retries would merge it again.
		return hookFailed(result, domain.ErrInvalidAnswer, "data and next do not go with the action complete of a hook, which only lets the step run.", false), false
	}
	return nil, false
}

// hookFailed is the failed attempt that a hook's failure makes, with its cause in the message.
func hookFailed(r domain.Result, cause domain.ErrorCode, message string, retryable bool) *domain.Result {
	f := domain.Failure{Retryable: retryable, ExecutionError: domain.ExecutionError{
		Code: domain.ErrHookFailed, Message: "The hook before_step_starts failed (" + string(cause) + "): " + message, Status: r.Status}}
	if r.Failure != nil {
		f.RetryAfter = r.Failure.RetryAfter
	}
	if r.Answer != nil {
		f.Backtrace = r.Answer.Backtrace
	}
	return &domain.Result{Failure: &f, Status: r.Status, DurationMS: r.DurationMS, Excerpt: r.Excerpt}
}
