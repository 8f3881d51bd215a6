package engine

import (
	"context"
	"errors"
	"log/slog"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// logAttempt writes the one wide event of an attempt.
func (e *Engine) logAttempt(c *claimed, result domain.Result, saved persistence.Result) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("workflow_id", c.workflow.ID.String()),
		slog.String("workflow_type", c.workflow.Type),
		slog.Int("definition_version", c.workflow.DefinitionVersion),
		slog.String("step_execution_id", c.execution.ID.String()),
		slog.String("step", c.execution.StepName),
		slog.Int("attempt", c.execution.Attempt),
		slog.Int64("duration_ms", result.DurationMS),
		slog.Int("status", result.Status),
		slog.Duration("late", c.execution.StartedAt.Sub(c.execution.ScheduledFor)),
	}
	if result.Answer != nil {
		attrs = append(attrs, slog.String("action", string(result.Answer.Action)))
	}
	if f := result.Failure; f != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error_code", string(f.Code)), slog.String("error", f.Message), slog.Bool("retryable", f.Retryable))
	}
	switch {
	case saved.Err == nil:
		x := saved.Change.Execution
		attrs = append(attrs, slog.String("execution_state", string(x.State)), slog.String("outcome", string(x.Outcome)),
			slog.String("workflow_state", string(saved.Change.Workflow.State)))
	case errors.Is(saved.Err, domain.ErrFenced), errors.Is(saved.Err, domain.ErrSettled):
		attrs = append(attrs, slog.String("discarded", saved.Err.Error()))
	default:
		level = slog.LevelError
		attrs = append(attrs, slog.String("not_saved", saved.Err.Error()))
	}
	e.Logger.LogAttrs(context.Background(), level, "attempt", attrs...)
}

// logMoves writes the event of a change that no attempt and no request stands behind.
func (e *Engine) logMoves(change domain.Change) {
	attrs := []slog.Attr{
		slog.String("workflow_id", change.Workflow.ID.String()),
		slog.String("workflow_type", change.Workflow.Type),
		slog.String("workflow_state", string(change.Workflow.State)),
	}
	if x := change.Execution; x != nil {
		attrs = append(attrs, slog.String("step_execution_id", x.ID.String()), slog.String("step", x.StepName),
			slog.Int("attempt", x.Attempt), slog.String("execution_state", string(x.State)), slog.String("outcome", string(x.Outcome)))
		if x.Error != nil {
			attrs = append(attrs, slog.String("error_code", string(x.Error.Code)), slog.String("error", x.Error.Message))
		}
	}
	e.Logger.LogAttrs(context.Background(), slog.LevelWarn, "step taken over", attrs...)
}
