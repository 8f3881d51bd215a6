package handlers

import (
	"context"
	"time"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// CreateWorkflow answers POST /v1/workflows.
func (h *Handlers) CreateWorkflow(ctx context.Context, r api.CreateWorkflowRequestObject) (api.CreateWorkflowResponseObject, error) {
	request, err := createRequest(ctx, r.Body)
	if err != nil {
		return nil, err
	}
	if request.Key, err = idempotencyKey(ctx, r.Params.IdempotencyKey, "/v1/workflows"); err != nil {
		return nil, err
	}
	out, err := h.engine.Create(ctx, request)
	if err != nil {
		return nil, err
	}
	body := workflowView(out.Workflow)
	if out.Status == 200 {
		return api.CreateWorkflow200JSONResponse{Body: body,
			Headers: api.CreateWorkflow200ResponseHeaders{IdempotentReplayed: orNull(out.Replayed)}}, nil
	}
	location := "/v1/workflows/" + body.ID.String()
	return api.CreateWorkflow201JSONResponse{Body: body,
		Headers: api.CreateWorkflow201ResponseHeaders{IdempotentReplayed: orNull(out.Replayed), Location: &location}}, nil
}

// createRequest reads the body of a create.
func createRequest(ctx context.Context, body *api.CreateWorkflow) (engine.CreateRequest, error) {
	wait, err := waitOrAt(body.Wait, body.At)
	if err != nil {
		return engine.CreateRequest{}, err
	}
	conflict := domain.ConflictReject
	if body.OnConflict != nil {
		conflict = domain.OnConflict(*body.OnConflict)
	}
	return engine.CreateRequest{
		Type: body.Type, DefinitionVersion: value(body.DefinitionVersion),
		SubjectType: body.Subject.Type, SubjectID: body.Subject.ID,
		Data: body.Data, AllowMultiple: body.AllowMultiple, OnConflict: conflict,
		Wait: wait, At: timeOf(body.At), Traceparent: infoOf(ctx).traceparent,
	}, nil
}

// GetWorkflow answers GET /v1/workflows/{id}.
func (h *Handlers) GetWorkflow(ctx context.Context, r api.GetWorkflowRequestObject) (api.GetWorkflowResponseObject, error) {
	w, err := h.engine.Workflow(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return api.GetWorkflow200JSONResponse{WorkflowReadJSONResponse: api.WorkflowReadJSONResponse(workflowView(w))}, nil
}

// ListWorkflows answers GET /v1/workflows.
func (h *Handlers) ListWorkflows(ctx context.Context, r api.ListWorkflowsRequestObject) (api.ListWorkflowsResponseObject, error) {
	p := r.Params
	list, next, err := h.engine.Workflows(ctx, engine.WorkflowFilter{
		Types: p.Type, States: words[api.WorkflowState, domain.WorkflowState](p.State), StepNames: p.StepName,
		SubjectTypes: p.SubjectType, SubjectIDs: p.SubjectID,
		Outcomes: words[api.Outcome, domain.Outcome](p.Outcome), ErrorCodes: words[api.ErrorCode, domain.ErrorCode](p.ErrorCode),
		CreatedAfter: timeOf(p.CreatedAfter), CreatedBefore: timeOf(p.CreatedBefore),
	}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	items := make([]api.Workflow, len(list))
	for i, w := range list {
		items[i] = workflowView(w)
	}
	return api.ListWorkflows200JSONResponse{Items: items, NextCursor: orNull(next)}, nil
}

// PatchWorkflowData answers PATCH /v1/workflows/{id}/data.
func (h *Handlers) PatchWorkflowData(ctx context.Context, r api.PatchWorkflowDataRequestObject) (api.PatchWorkflowDataResponseObject, error) {
	w, err := h.engine.PatchData(ctx, r.ID, *r.Body)
	if err != nil {
		return nil, err
	}
	return api.PatchWorkflowData200JSONResponse{WorkflowReadJSONResponse: api.WorkflowReadJSONResponse(workflowView(w))}, nil
}

func workflowView(w engine.Workflow) api.Workflow {
	v := api.Workflow{
		ID: w.ID, Type: w.Type, DefinitionVersion: w.DefinitionVersion,
		Subject: api.Subject{Type: w.SubjectType, ID: w.SubjectID}, State: string(w.State),
		CurrentStepName: orNull(w.CurrentStepName), AllowMultiple: w.AllowMultiple, Data: w.Data,
		StartedAt: api.NewTimePtr(w.StartedAt), FinishedAt: api.NewTimePtr(w.FinishedAt), CanceledAt: api.NewTimePtr(w.CanceledAt),
		CreatedAt: api.NewTime(w.CreatedAt), UpdatedAt: api.NewTime(w.UpdatedAt),
	}
	if w.Current != nil {
		current := executionView(*w.Current)
		v.CurrentExecution = &current
	}
	if p := w.Pause; p != nil {
		v.Pause = &api.Pause{By: string(p.By), Reason: orNull(p.Reason), At: api.NewTime(p.At)}
		v.PausedAt = &v.Pause.At
	}
	return v
}

func timeOf(t *api.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := t.Time
	return &at
}

// waitOrAt reads the pair wait/at of a body, of which at most one may be given.
func waitOrAt(wait *api.Duration, at *api.Time) (*time.Duration, error) {
	if wait != nil && at != nil {
		return nil, &domain.Error{Code: domain.CodeInvalidRequest, Detail: "The request names two times.",
			Problems: []domain.Problem{{Pointer: "#/at", Detail: "Give wait or at, not both."}}}
	}
	return waitOf(wait)
}

// waitOf reads a duration of a request body.
func waitOf(text *api.Duration) (*time.Duration, error) {
	if text == nil {
		return nil, nil
	}
	d, err := domain.ParseDuration(*text)
	if err != nil {
		return nil, &domain.Error{Code: domain.CodeInvalidRequest, Detail: "The wait cannot be read.",
			Problems: []domain.Problem{{Pointer: "#/wait", Detail: err.Error()}}}
	}
	return &d, nil
}
