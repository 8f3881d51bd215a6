package handlers

import (
	"context"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/engine"
)

// PutSubject answers PUT /v1/subjects.
func (h *Handlers) PutSubject(ctx context.Context, r api.PutSubjectRequestObject) (api.PutSubjectResponseObject, error) {
	s, created, err := h.engine.PutSubject(ctx, r.Params.Type, r.Params.ID, r.Body.Attributes)
	if err != nil {
		return nil, err
	}
	if created {
		return api.PutSubject201JSONResponse(subjectView(s)), nil
	}
	return api.PutSubject200JSONResponse(subjectView(s)), nil
}

// GetSubject answers GET /v1/subjects.
func (h *Handlers) GetSubject(ctx context.Context, r api.GetSubjectRequestObject) (api.GetSubjectResponseObject, error) {
	s, err := h.engine.Subject(ctx, r.Params.Type, r.Params.ID)
	if err != nil {
		return nil, err
	}
	return api.GetSubject200JSONResponse(subjectView(s)), nil
}

// DeleteSubject answers DELETE /v1/subjects.
func (h *Handlers) DeleteSubject(ctx context.Context, r api.DeleteSubjectRequestObject) (api.DeleteSubjectResponseObject, error) {
	if err := h.engine.DeleteSubject(ctx, r.Params.Type, r.Params.ID); err != nil {
		return nil, err
	}
	return api.DeleteSubject204Response{}, nil
}

func subjectView(s engine.Subject) api.StoredSubject {
	return api.StoredSubject{Type: s.Type, ID: s.ID, Attributes: s.Attributes,
		CreatedAt: api.NewTime(s.CreatedAt), UpdatedAt: api.NewTime(s.UpdatedAt)}
}
