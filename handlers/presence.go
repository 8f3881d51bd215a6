package handlers

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/engine"
)

// GetPresence answers GET /v1/presence.
func (h *Handlers) GetPresence(ctx context.Context, r api.GetPresenceRequestObject) (api.GetPresenceResponseObject, error) {
	list, err := h.engine.Presence(ctx, r.Params.Type, r.Params.SubjectType, []string{r.Params.SubjectID})
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("the presence of one subject has %d items", len(list))
	}
	return api.GetPresence200JSONResponse(presenceView(list[0])), nil
}

// QueryPresence answers POST /v1/presence.
func (h *Handlers) QueryPresence(ctx context.Context, r api.QueryPresenceRequestObject) (api.QueryPresenceResponseObject, error) {
	list, err := h.engine.Presence(ctx, r.Body.Type, r.Body.SubjectType, r.Body.SubjectIds)
	if err != nil {
		return nil, err
	}
	items := make([]api.Presence, len(list))
	for i, p := range list {
		items[i] = presenceView(p)
	}
	return api.QueryPresence200JSONResponse{Items: items}, nil
}

func presenceView(p engine.Presence) api.Presence {
	return api.Presence{SubjectID: p.SubjectID, Present: p.Present, WorkflowIds: append([]uuid.UUID{}, p.WorkflowIDs...)}
}
