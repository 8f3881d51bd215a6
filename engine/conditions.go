package engine

import (
	"context"
	"errors"

	"github.com/genevadrive/genevadrive/domain"
)

// guard asks the conditions before the step of a claim. nil: the step is to run. A condition that gives no
// answer is a failed attempt, which may come right with the next push of attributes.
func (e *Engine) guard(ctx context.Context, c *claimed) (decided *domain.Result, aborted bool) {
	if !c.plan.Guarded(c.step) {
		return nil, false
	}
	answer, err := e.askConditions(ctx, c)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return nil, true
	case err != nil:
		return &domain.Result{Failure: &domain.Failure{Retryable: true,
			ExecutionError: domain.ExecutionError{Code: domain.ErrCondition, Message: err.Error()}}}, false
	case answer != nil:
		return &domain.Result{Answer: answer, Instead: true}, false
	}
	return nil, false
}

var errNoAttributes = errors.New("no condition could be asked, since the subject's attributes could not be read")

func (e *Engine) askConditions(ctx context.Context, c *claimed) (*domain.Answer, error) {
	w, x := &c.workflow, &c.execution
	a := domain.Activation{
		SubjectType: w.SubjectType, SubjectID: w.SubjectID, Data: w.Data,
		WorkflowID: w.ID.String(), WorkflowType: w.Type, DefinitionVersion: w.DefinitionVersion, CreatedAt: w.CreatedAt,
		StepName: c.step.Name, Params: c.step.Params, Attempt: x.Attempt, ScheduledFor: x.ScheduledFor,
		Now: *x.StartedAt, // of the database's clock, as everything that is due
	}
	if c.plan.ReadsSubject(c.step) {
		var err error
		if a.Attributes, err = e.Store.SubjectAttributes(ctx, w.SubjectType, w.SubjectID); err != nil {
			e.Logger.Warn("conditions not asked: the subject's attributes cannot be read", "workflow_id", w.ID, "error", err)
			return nil, errNoAttributes
		}
	}
	return c.plan.Guard(ctx, c.step, &a)
}
