package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// takesCallbacks tells whether a 202 of this step can be followed by a late answer.
func (e *Engine) takesCallbacks(step *domain.Step) bool {
	return step.CallbackTimeout > 0 && e.PublicURL != "" && len(e.CallbackKey) > 0
}

func (e *Engine) whyNoCallback(step *domain.Step) string {
	if step.CallbackTimeout <= 0 {
		return "this step has no callback_timeout"
	}
	return "the server that delivered it has no GENEVADRIVE_PUBLIC_URL or no GENEVADRIVE_SECRET_KEY"
}

// callbackFor is what a delivery says about late answers; nil for a step that takes none. The time is the
// earliest at which the wait can end: it begins when a 202 has been read.
func (e *Engine) callbackFor(c *claimed) *envelopeCallback {
	if !e.takesCallbacks(c.step) {
		return nil
	}
	return &envelopeCallback{
		URL:       e.PublicURL + "/v1/step-executions/" + c.execution.ID.String() + "/complete",
		Token:     e.callbackToken(c.execution.ID),
		ExpiresAt: wireTime(c.execution.StartedAt.Add(c.step.CallbackTimeout)),
	}
}

// callbackToken is the same for every attempt of an execution.
func (e *Engine) callbackToken(execution uuid.UUID) string {
	mac := hmac.New(sha256.New, e.CallbackKey)
	mac.Write(execution[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CheckCallbackToken is nil for the token of an execution, whether or not that is there. Errors: unauthorized.
func (e *Engine) CheckCallbackToken(execution uuid.UUID, token string) error {
	if len(e.CallbackKey) == 0 || !hmac.Equal([]byte(token), []byte(e.callbackToken(execution))) {
		return domain.Errorf(domain.CodeUnauthorized, "The token is not the one of the callback of this step execution.")
	}
	return nil
}

// Complete applies a late answer to a step execution, and gives the execution as it is after that; the same
// answer again changes nothing. Errors: unauthorized, unreadable_body, invalid_answer, data_too_large,
// step_execution_not_found, already_completed, execution_superseded, callback_expired.
func (e *Engine) Complete(ctx context.Context, execution uuid.UUID, token string, body []byte) (domain.Execution, error) {
	if err := e.CheckCallbackToken(execution, token); err != nil {
		return domain.Execution{}, err
	}
	answer, err := domain.ParseAnswer(body, e.Queues)
	if err != nil {
		return domain.Execution{}, err
	}
	x, _, err := e.Store.Execution(ctx, execution)
	if err != nil {
		return domain.Execution{}, err
	}
	params := domain.CallbackParams{NextID: e.NewID(), Fence: e.NewFence(), Jitter: e.Jitter()}
	var p *plan
	result := e.apply(ctx, persistence.Op{WorkflowID: x.WorkflowID, ExecutionID: execution, Once: e.NewID(),
		Decide: func(now time.Time, row persistence.Row) (domain.Change, error) {
			var err error
			if p, err = e.plans.of(&row.Workflow); err != nil {
				return domain.Change{}, err
			}
			x = *row.Execution
			change, err := domain.Callback(p.Definition, row.Workflow, x, answer, params, now)
			return e.stamp(change, now), err
		}})
	switch {
	case errors.Is(result.Err, persistence.ErrUnsavable):
		e.Logger.Warn("the database cannot hold a callback's answer", "step_execution_id", execution, "error", result.Err)
		return domain.Execution{}, domain.Errorf(domain.CodeInvalidAnswer, "The database cannot hold this answer.")
	case domain.CodeOf(result.Err) == domain.CodeCallbackExpired && x.AwaitsCallback():
		// What the error says has happened shall have happened, even if the sweep is not that far.
		e.interrupt(context.WithoutCancel(ctx), persistence.Lost{ExecutionID: execution, WorkflowID: x.WorkflowID, Fence: x.Fence}, RescueDeadline)
		return domain.Execution{}, result.Err
	case result.Err != nil:
		return domain.Execution{}, result.Err
	}
	change := result.Change
	if !change.Unchanged {
		e.inFlight.abort(execution, x.Fence) // its own answer would be refused anyway
		if change.Execution.State != domain.ExecutionScheduled {
			e.Ready.Drop(execution)
		}
		e.announce(p, result)
		e.moved(slog.LevelInfo, "callback", result, slog.String("action", string(answer.Action)))
	}
	return *change.Execution, nil
}
