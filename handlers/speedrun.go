package handlers

import (
	"context"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/engine"
)

// SpeedrunWorkflow answers POST /v1/workflows/{id}/speedrun.
func (h *Handlers) SpeedrunWorkflow(ctx context.Context, r api.SpeedrunWorkflowRequestObject) (api.SpeedrunWorkflowResponseObject, error) {
	var asked engine.SpeedrunRequest
	if b := r.Body; b != nil {
		asked.MaxSteps, asked.Answers = value(b.MaxSteps), value(b.Answers)
	}
	result, err := h.engine.Speedrun(ctx, r.ID, asked)
	if err != nil {
		return nil, err
	}
	return api.SpeedrunWorkflow200JSONResponse(speedrunView(result)), nil
}

func speedrunView(r engine.SpeedrunResult) api.SpeedrunResult {
	v := api.SpeedrunResult{Workflow: workflowView(r.Workflow), StoppedBy: r.StoppedBy,
		StepExecutions: make([]api.StepExecution, len(r.Executions))}
	for i, x := range r.Executions {
		v.StepExecutions[i] = executionView(x)
	}
	return v
}
