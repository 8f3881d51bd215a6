package handlers

import (
	"context"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
)

// ExplainWorkflow answers GET /v1/workflows/{id}/explain.
func (h *Handlers) ExplainWorkflow(ctx context.Context, r api.ExplainWorkflowRequestObject) (api.ExplainWorkflowResponseObject, error) {
	x, err := h.engine.Explain(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return api.ExplainWorkflow200JSONResponse(explanationView(x)), nil
}

func explanationView(x domain.Explanation) api.Explanation {
	v := api.Explanation{State: string(x.State), Code: x.Code, Summary: x.Summary,
		Actions: make([]api.ExplainedAction, len(x.Actions)), Error: errorView(x.Error)}
	if n := x.Next; n != nil {
		v.Next = &api.ExplainedNext{StepName: n.StepName, At: api.NewTime(n.At), OverdueSeconds: max(0, n.Overdue.Seconds())}
	}
	for i, a := range x.Actions {
		v.Actions[i] = api.ExplainedAction{Verb: a.Verb, Effect: a.Effect}
	}
	return v
}
