package handlers

import (
	"context"
	"encoding/json"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// CreateWorkflows answers POST /v1/workflows/batch. Members that cannot be read never reach the engine; the
// others are made in one call.
func (h *Handlers) CreateWorkflows(ctx context.Context, r api.CreateWorkflowsRequestObject) (api.CreateWorkflowsResponseObject, error) {
	key, err := idempotencyKey(ctx, r.Params.IdempotencyKey, "/v1/workflows/batch")
	if err != nil {
		return nil, err
	}
	items := make([]api.CreatedWorkflow, len(r.Body.Workflows))
	var requests []engine.CreateRequest
	var places []int
	for i, text := range r.Body.Workflows {
		request, err := memberRequest(ctx, i, text)
		if err != nil {
			items[i] = failedMember(ctx, err)
			continue
		}
		request.Key = key.Member(i)
		requests, places = append(requests, request), append(places, i)
	}
	written, faults, err := h.engine.CreateBatch(ctx, key, requests)
	if err != nil {
		return nil, err
	}
	replayed := false
	for at, i := range places {
		if faults[at] != nil {
			items[i] = failedMember(ctx, faults[at])
			continue
		}
		out := written[at]
		view := workflowView(out.Workflow)
		items[i] = api.CreatedWorkflow{Status: out.Status, Workflow: &view, Replayed: orNull(out.Replayed)}
		replayed = replayed || out.Replayed
	}
	return api.CreateWorkflows200JSONResponse{Body: api.CreatedWorkflows{Items: items},
		Headers: api.CreateWorkflows200ResponseHeaders{IdempotentReplayed: orNull(replayed)}}, nil
}

// memberRequest reads one member of a batch; validate has found its faults.
func memberRequest(ctx context.Context, i int, text json.RawMessage) (engine.CreateRequest, error) {
	if members := infoOf(ctx).members; members != nil && len(members[i]) > 0 {
		return engine.CreateRequest{}, domain.WithProblems(domain.CodeInvalidRequest, members[i])
	}
	var body api.CreateWorkflow
	if err := json.Unmarshal(text, &body); err != nil {
		return engine.CreateRequest{}, undecodable(err)
	}
	return createRequest(ctx, &body)
}

func failedMember(ctx context.Context, err error) api.CreatedWorkflow {
	problem := infoOf(ctx).problems.ofMember(ctx, err)
	return api.CreatedWorkflow{Status: problem.Status, Problem: problem}
}
