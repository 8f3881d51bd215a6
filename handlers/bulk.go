package handlers

import (
	"context"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// BulkWorkflows answers POST /v1/workflows/bulk.
func (h *Handlers) BulkWorkflows(ctx context.Context, r api.BulkWorkflowsRequestObject) (api.BulkWorkflowsResponseObject, error) {
	f := r.Body.Filter
	result, err := h.engine.Bulk(ctx, engine.BulkRequest{
		Verb: domain.Verb(r.Body.Verb), Reason: value(r.Body.Reason), DryRun: value(r.Body.DryRun), Limit: value(r.Body.Limit),
		Filter: engine.WorkflowFilter{
			Types: f.Type, States: words[api.WorkflowState, domain.WorkflowState](f.State), StepNames: f.StepName,
			SubjectTypes: f.SubjectType, SubjectIDs: f.SubjectID,
			Outcomes: words[api.Outcome, domain.Outcome](f.Outcome), ErrorCodes: words[api.ErrorCode, domain.ErrorCode](f.ErrorCode),
			CreatedAfter: timeOf(f.CreatedAfter), CreatedBefore: timeOf(f.CreatedBefore),
		},
	})
	if err != nil {
		return nil, err
	}
	return api.BulkWorkflows200JSONResponse(bulkView(result)), nil
}

func bulkView(r engine.BulkResult) api.BulkResult {
	v := api.BulkResult{Matched: r.Matched, Changed: r.Changed, Errors: make([]api.BulkError, len(r.Errors))}
	for i, e := range r.Errors {
		v.Errors[i] = api.BulkError{WorkflowID: e.WorkflowID, Code: string(e.Code), Detail: e.Detail}
	}
	return v
}
