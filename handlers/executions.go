package handlers

import (
	"context"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// ListWorkflowStepExecutions answers GET /v1/workflows/{id}/step-executions.
func (h *Handlers) ListWorkflowStepExecutions(ctx context.Context, r api.ListWorkflowStepExecutionsRequestObject) (api.ListWorkflowStepExecutionsResponseObject, error) {
	list, next, err := h.engine.History(ctx, r.ID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return api.ListWorkflowStepExecutions200JSONResponse{StepExecutionPageJSONResponse: executionPage(list, next)}, nil
}

// ListStepExecutions answers GET /v1/step-executions.
func (h *Handlers) ListStepExecutions(ctx context.Context, r api.ListStepExecutionsRequestObject) (api.ListStepExecutionsResponseObject, error) {
	p := r.Params
	list, next, err := h.engine.Executions(ctx, engine.ExecutionFilter{
		States: words[api.StepExecutionState, domain.ExecutionState](p.State), StepNames: p.StepName, WorkflowIDs: p.WorkflowID,
		DueAfter: timeOf(p.DueAfter), DueBefore: timeOf(p.DueBefore),
	}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return api.ListStepExecutions200JSONResponse{StepExecutionPageJSONResponse: executionPage(list, next)}, nil
}

// GetStepExecution answers GET /v1/step-executions/{id}.
func (h *Handlers) GetStepExecution(ctx context.Context, r api.GetStepExecutionRequestObject) (api.GetStepExecutionResponseObject, error) {
	x, attempts, err := h.engine.Execution(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	v := executionView(x)
	v.Attempts = make([]api.Attempt, len(attempts))
	for i, a := range attempts {
		v.Attempts[i] = attemptView(a)
	}
	return api.GetStepExecution200JSONResponse(v), nil
}

func executionPage(list []domain.Execution, next string) api.StepExecutionPageJSONResponse {
	items := make([]api.StepExecution, len(list))
	for i, x := range list {
		items[i] = executionView(x)
	}
	return api.StepExecutionPageJSONResponse{Items: items, NextCursor: orNull(next)}
}

func executionView(x domain.Execution) api.StepExecution {
	return api.StepExecution{
		ID: x.ID, WorkflowID: x.WorkflowID, Seq: x.Seq, StepName: x.StepName,
		State: string(x.State), Outcome: orNull(string(x.Outcome)), Attempt: x.Attempt,
		ScheduledFor: api.NewTime(x.ScheduledFor), StartedAt: api.NewTimePtr(x.StartedAt), CompletedAt: api.NewTimePtr(x.CompletedAt),
		FailedAt: api.NewTimePtr(x.FailedAt), CanceledAt: api.NewTimePtr(x.CanceledAt), SkippedAt: api.NewTimePtr(x.SkippedAt),
		Error: errorView(x.Error), Reason: orNull(x.Reason), Queue: x.Queue, Priority: x.Priority,
		JobID: orNull(x.JobID), CreatedAt: api.NewTime(x.CreatedAt),
	}
}

func errorView(e *domain.ExecutionError) *api.StepError {
	if e == nil {
		return nil
	}
	return &api.StepError{Code: string(e.Code), Message: e.Message, Backtrace: orNull(e.Backtrace), Status: orNull(e.Status)}
}

func attemptView(a engine.Attempt) api.Attempt {
	return api.Attempt{Attempt: a.Attempt, StartedAt: api.NewTime(a.StartedAt), DurationMs: a.DurationMS,
		Status: orNull(a.Status), Error: errorView(a.Error), ResponseExcerpt: orNull(a.Excerpt)}
}
