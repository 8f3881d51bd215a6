package handlers

import (
	"context"
	"io"
	"time"

	"github.com/genevadrive/genevadrive/api"
)

// answered is what the operations below do: note the request, and give the answer that the test has set.
func answered[R any](ctx context.Context, f *fakeAPI, name string, asked any) (r R, err error) {
	f.asked = asked
	if err := f.called(ctx, name); err != nil {
		return r, err
	}
	r, _ = f.answer.(R)
	return r, nil
}

func (f *fakeAPI) BulkWorkflows(ctx context.Context, r api.BulkWorkflowsRequestObject) (api.BulkWorkflowsResponseObject, error) {
	return answered[api.BulkWorkflowsResponseObject](ctx, f, "bulk", r)
}

func (f *fakeAPI) CreateWorkflows(ctx context.Context, r api.CreateWorkflowsRequestObject) (api.CreateWorkflowsResponseObject, error) {
	return answered[api.CreateWorkflowsResponseObject](ctx, f, "create many", r)
}

func (f *fakeAPI) ExplainWorkflow(ctx context.Context, r api.ExplainWorkflowRequestObject) (api.ExplainWorkflowResponseObject, error) {
	return answered[api.ExplainWorkflowResponseObject](ctx, f, "explain", r)
}

func (f *fakeAPI) SpeedrunWorkflow(ctx context.Context, r api.SpeedrunWorkflowRequestObject) (api.SpeedrunWorkflowResponseObject, error) {
	return answered[api.SpeedrunWorkflowResponseObject](ctx, f, "speedrun", r)
}

func (f *fakeAPI) CompleteStepExecution(ctx context.Context, r api.CompleteStepExecutionRequestObject) (api.CompleteStepExecutionResponseObject, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return answered[api.CompleteStepExecutionResponseObject](ctx, f, "complete", r.ID.String()+" "+infoOf(ctx).callbackToken+" "+string(body))
}

func (f *fakeAPI) ListEndpoints(ctx context.Context, r api.ListEndpointsRequestObject) (api.ListEndpointsResponseObject, error) {
	return answered[api.ListEndpointsResponseObject](ctx, f, "list endpoints", r)
}

func (f *fakeAPI) GetEndpoint(ctx context.Context, r api.GetEndpointRequestObject) (api.GetEndpointResponseObject, error) {
	return answered[api.GetEndpointResponseObject](ctx, f, "get endpoint", r)
}

func (f *fakeAPI) PutEndpoint(ctx context.Context, r api.PutEndpointRequestObject) (api.PutEndpointResponseObject, error) {
	return answered[api.PutEndpointResponseObject](ctx, f, "put endpoint", r)
}

func (f *fakeAPI) DeleteEndpoint(ctx context.Context, r api.DeleteEndpointRequestObject) (api.DeleteEndpointResponseObject, error) {
	return answered[api.DeleteEndpointResponseObject](ctx, f, "delete endpoint", r)
}

func (f *fakeAPI) RotateEndpoint(ctx context.Context, r api.RotateEndpointRequestObject) (api.RotateEndpointResponseObject, error) {
	return answered[api.RotateEndpointResponseObject](ctx, f, "rotate endpoint", r)
}

func (f *fakeAPI) GetSubject(ctx context.Context, r api.GetSubjectRequestObject) (api.GetSubjectResponseObject, error) {
	return answered[api.GetSubjectResponseObject](ctx, f, "get subject", r)
}

func (f *fakeAPI) PutSubject(ctx context.Context, r api.PutSubjectRequestObject) (api.PutSubjectResponseObject, error) {
	return answered[api.PutSubjectResponseObject](ctx, f, "put subject", r)
}

func (f *fakeAPI) DeleteSubject(ctx context.Context, r api.DeleteSubjectRequestObject) (api.DeleteSubjectResponseObject, error) {
	return answered[api.DeleteSubjectResponseObject](ctx, f, "delete subject", r)
}

func (f *fakeAPI) GetPresence(ctx context.Context, r api.GetPresenceRequestObject) (api.GetPresenceResponseObject, error) {
	return answered[api.GetPresenceResponseObject](ctx, f, "get presence", r)
}

func (f *fakeAPI) QueryPresence(ctx context.Context, r api.QueryPresenceRequestObject) (api.QueryPresenceResponseObject, error) {
	return answered[api.QueryPresenceResponseObject](ctx, f, "query presence", r)
}

// someTime is a time that every test may use.
var someTime = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
