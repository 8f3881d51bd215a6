package engine

import (
	"context"
	"errors"
	"log/slog"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// Every event below is one wide line, so that one line answers what happened to which step of which workflow.
// Routine is info, what failed or had to be made good is warn, what needs a person is error.

// attempted reports that an attempt has ended: to the log and the observer.
func (e *Engine) attempted(c *claimed, result domain.Result, saved persistence.Result) {
	discarded := errors.Is(saved.Err, domain.ErrFenced) || errors.Is(saved.Err, domain.ErrSettled)
	figures := AttemptFigures{Late: c.late, Took: c.took, Delivered: result.Status != 0 || result.Failure != nil, Discarded: discarded}
	level := slog.LevelInfo
	if result.Failure != nil {
		level, figures.Error = slog.LevelWarn, result.Failure.Code
	}
	if result.Answer != nil && result.Answer.Action == domain.ActionFail {
		level = slog.LevelWarn
	}
	e.Observer.Attempted(figures)
	if saved.Err == nil {
		e.Observer.Changed(&saved.Change, saved.Now)
	} else if !discarded {
		level = slog.LevelError
	}
	if !e.Logger.Enabled(context.Background(), level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 20), slog.String("workflow_id", c.workflow.ID.String()),
		slog.String("workflow_type", c.workflow.Type),
		slog.Int("definition_version", c.workflow.DefinitionVersion),
		slog.String("step_execution_id", c.execution.ID.String()),
		slog.String("step", c.execution.StepName),
		slog.Int("attempt", c.execution.Attempt),
		slog.Duration("duration", c.took),
		slog.Duration("late", c.late),
		slog.Int("status", result.Status))
	if result.Answer != nil {
		attrs = append(attrs, slog.String("action", string(result.Answer.Action)))
	}
	if result.Instead {
		attrs = append(attrs, slog.String("decided_by", decidedBy(result)))
	}
	if result.Later {
		attrs = append(attrs, slog.Bool("answers_later", true))
	}
	if f := result.Failure; f != nil {
		attrs = append(attrs, slog.String("error_code", string(f.Code)), slog.String("error", f.ForLog()), slog.Bool("retryable", f.Retryable))
	}
	switch {
	case saved.Err == nil:
		x := saved.Change.Execution
		attrs = append(attrs, slog.String("execution_state", string(x.State)), slog.String("outcome", string(x.Outcome)),
			slog.String("workflow_state", string(saved.Change.Workflow.State)))
	case discarded:
		attrs = append(attrs, slog.String("discarded", saved.Err.Error()))
	default:
		attrs = append(attrs, slog.String("not_saved", saved.Err.Error()))
	}
	e.line(level, "attempt", attrs)
}

// line writes a line whose level is enabled. It is a record of its own, since a Logger's method would look for its caller on
// the stack each time, which no handler here writes.
func (e *Engine) line(level slog.Level, what string, attrs []slog.Attr) {
	record := slog.NewRecord(e.Now(), level, what, 0)
	record.AddAttrs(attrs...)
	_ = e.Logger.Handler().Handle(context.Background(), record)
}

// decidedBy names who decided in a step's place: only a hook has been sent something.
func decidedBy(r domain.Result) string {
	if r.Status != 0 {
		return "hook"
	}
	return "condition"
}

// moved reports a committed change that no attempt stands behind: to the log and the observer.
func (e *Engine) moved(level slog.Level, what string, r persistence.Result, more ...slog.Attr) {
	change := &r.Change
	if change.Unchanged {
		return
	}
	e.Observer.Changed(change, r.Now)
	e.tell(level, what, change, more...)
}

// tell is the line of a committed change.
func (e *Engine) tell(level slog.Level, what string, change *domain.Change, more ...slog.Attr) {
	if !e.Logger.Enabled(context.Background(), level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 20), slog.String("workflow_id", change.Workflow.ID.String()),
		slog.String("workflow_type", change.Workflow.Type),
		slog.Int("definition_version", change.Workflow.DefinitionVersion),
		slog.String("workflow_state", string(change.Workflow.State)))
	attrs = append(attrs, more...)
	if x := change.Execution; x != nil {
		attrs = append(attrs, slog.String("step_execution_id", x.ID.String()), slog.String("step", x.StepName),
			slog.Int("attempt", x.Attempt), slog.String("execution_state", string(x.State)), slog.String("outcome", string(x.Outcome)))
		if x.Error != nil {
			attrs = append(attrs, slog.String("error_code", string(x.Error.Code)), slog.String("error", x.Error.ForLog()))
		}
	}
	if next, ok := change.Due(); ok {
		attrs = append(attrs, slog.String("next_step", next.StepName), slog.Time("next_at", next.ScheduledFor))
	}
	e.line(level, what, attrs)
}
