package handlers

import (
	"context"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
)

// PauseWorkflow answers POST /v1/workflows/{id}/pause.
func (h *Handlers) PauseWorkflow(ctx context.Context, r api.PauseWorkflowRequestObject) (api.PauseWorkflowResponseObject, error) {
	moved, err := h.control(ctx, r.ID, command(domain.VerbPause, r.Body), r.Params.IdempotencyKey)
	return api.PauseWorkflow200JSONResponse{WorkflowMovedJSONResponse: moved}, err
}

// ResumeWorkflow answers POST /v1/workflows/{id}/resume.
func (h *Handlers) ResumeWorkflow(ctx context.Context, r api.ResumeWorkflowRequestObject) (api.ResumeWorkflowResponseObject, error) {
	cmd := domain.Command{Verb: domain.VerbResume}
	if b := r.Body; b != nil {
		cmd.Reason, cmd.StepExecutionID, cmd.Step = value(b.Reason), b.StepExecutionID, value(b.Step)
	}
	moved, err := h.control(ctx, r.ID, cmd, r.Params.IdempotencyKey)
	return api.ResumeWorkflow200JSONResponse{WorkflowMovedJSONResponse: moved}, err
}

// SkipWorkflowStep answers POST /v1/workflows/{id}/skip.
func (h *Handlers) SkipWorkflowStep(ctx context.Context, r api.SkipWorkflowStepRequestObject) (api.SkipWorkflowStepResponseObject, error) {
	moved, err := h.control(ctx, r.ID, command(domain.VerbSkip, r.Body), r.Params.IdempotencyKey)
	return api.SkipWorkflowStep200JSONResponse{WorkflowMovedJSONResponse: moved}, err
}

// ReattemptWorkflowStep answers POST /v1/workflows/{id}/reattempt.
func (h *Handlers) ReattemptWorkflowStep(ctx context.Context, r api.ReattemptWorkflowStepRequestObject) (api.ReattemptWorkflowStepResponseObject, error) {
	cmd := domain.Command{Verb: domain.VerbReattempt}
	if b := r.Body; b != nil {
		wait, err := waitOrAt(b.Wait, b.At)
		if err != nil {
			return nil, err
		}
		cmd.Reason, cmd.StepExecutionID, cmd.Wait, cmd.At = value(b.Reason), b.StepExecutionID, wait, timeOf(b.At)
	}
	moved, err := h.control(ctx, r.ID, cmd, r.Params.IdempotencyKey)
	return api.ReattemptWorkflowStep200JSONResponse{WorkflowMovedJSONResponse: moved}, err
}

// CancelWorkflow answers POST /v1/workflows/{id}/cancel.
func (h *Handlers) CancelWorkflow(ctx context.Context, r api.CancelWorkflowRequestObject) (api.CancelWorkflowResponseObject, error) {
	moved, err := h.control(ctx, r.ID, command(domain.VerbCancel, r.Body), r.Params.IdempotencyKey)
	return api.CancelWorkflow200JSONResponse{WorkflowMovedJSONResponse: moved}, err
}

// FinishWorkflow answers POST /v1/workflows/{id}/finish.
func (h *Handlers) FinishWorkflow(ctx context.Context, r api.FinishWorkflowRequestObject) (api.FinishWorkflowResponseObject, error) {
	moved, err := h.control(ctx, r.ID, command(domain.VerbFinish, r.Body), r.Params.IdempotencyKey)
	return api.FinishWorkflow200JSONResponse{WorkflowMovedJSONResponse: moved}, err
}

func command(verb domain.Verb, b *api.ControlWorkflow) domain.Command {
	cmd := domain.Command{Verb: verb}
	if b != nil {
		cmd.Reason, cmd.StepExecutionID = value(b.Reason), b.StepExecutionID
	}
	return cmd
}

// control performs the command.
func (h *Handlers) control(ctx context.Context, id uuid.UUID, cmd domain.Command, idempotency *string) (api.WorkflowMovedJSONResponse, error) {
	key, err := idempotencyKey(ctx, idempotency, "/v1/workflows/"+id.String()+"/"+string(cmd.Verb))
	if err != nil {
		return api.WorkflowMovedJSONResponse{}, err
	}
	out, err := h.engine.Control(ctx, id, cmd, key)
	if err != nil {
		return api.WorkflowMovedJSONResponse{}, err
	}
	return api.WorkflowMovedJSONResponse{Body: workflowView(out.Workflow),
		Headers: api.WorkflowMovedResponseHeaders{IdempotentReplayed: orNull(out.Replayed)}}, nil
}
