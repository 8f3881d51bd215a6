package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// PutDefinition answers PUT /v1/definitions/{type}.
func (h *Handlers) PutDefinition(ctx context.Context, r api.PutDefinitionRequestObject) (api.PutDefinitionResponseObject, error) {
	source, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read a definition: %w", err)
	}
	d, created, err := h.engine.RegisterDefinition(ctx, r.Type, source, sourceFormat(ctx))
	if err != nil {
		return nil, err
	}
	body := definitionView(d)
	if !created {
		return api.PutDefinition200JSONResponse(body), nil
	}
	location := fmt.Sprintf("/v1/definitions/%s?version=%d", d.Type, d.Version)
	return api.PutDefinition201JSONResponse{Body: body, Headers: api.PutDefinition201ResponseHeaders{Location: &location}}, nil
}

// GetDefinition answers GET /v1/definitions/{type}.
func (h *Handlers) GetDefinition(ctx context.Context, r api.GetDefinitionRequestObject) (api.GetDefinitionResponseObject, error) {
	d, err := h.engine.DefinitionVersion(ctx, r.Type, value(r.Params.Version))
	if err != nil {
		return nil, err
	}
	return api.GetDefinition200JSONResponse(definitionView(d)), nil
}

// ListDefinitions answers GET /v1/definitions.
func (h *Handlers) ListDefinitions(ctx context.Context, r api.ListDefinitionsRequestObject) (api.ListDefinitionsResponseObject, error) {
	list, next, err := h.engine.Definitions(ctx, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return api.ListDefinitions200JSONResponse(definitionList(list, next)), nil
}

// ListDefinitionVersions answers GET /v1/definitions/{type}/versions.
func (h *Handlers) ListDefinitionVersions(ctx context.Context, r api.ListDefinitionVersionsRequestObject) (api.ListDefinitionVersionsResponseObject, error) {
	list, next, err := h.engine.DefinitionVersions(ctx, r.Type, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return api.ListDefinitionVersions200JSONResponse(definitionList(list, next)), nil
}

func definitionList(list []engine.Definition, next string) api.DefinitionList {
	items := make([]api.DefinitionSummary, len(list))
	for i, d := range list {
		names := make([]string, len(d.Steps))
		for j := range d.Steps {
			names[j] = d.Steps[j].Name
		}
		items[i] = api.DefinitionSummary{Type: d.Type, Version: d.Version, StepNames: names, CreatedAt: api.NewTime(d.CreatedAt)}
	}
	return api.DefinitionList{Items: items, NextCursor: orNull(next)}
}

func definitionView(d engine.Definition) api.RegisteredDefinition {
	steps := make([]api.ResolvedStep, len(d.Steps))
	for i := range d.Steps {
		steps[i] = stepView(&d.Steps[i])
	}
	return api.RegisteredDefinition{Type: d.Type, Version: d.Version, AllowMultiple: d.AllowMultiple,
		Definition: d.Source, Steps: steps, CreatedAt: api.NewTime(d.CreatedAt)}
}

func stepView(s *domain.Step) api.ResolvedStep {
	v := api.ResolvedStep{
		Name: s.Name, Wait: domain.FormatDuration(s.Wait), Params: s.Params, Queue: s.Queue, Priority: s.Priority,
		Webhook: *webhookView(&s.Webhook), Hook: webhookView(s.Hook), SkipIf: conditionView(s.SkipIf), If: conditionView(s.If),
		CallbackTimeout: durationView(s.CallbackTimeout),
		Retry: api.ResolvedRetry{MaxAttempts: s.Retry.MaxAttempts, Initial: domain.FormatDuration(s.Retry.Initial),
			Multiplier: s.Retry.Multiplier, Max: domain.FormatDuration(s.Retry.Max)},
		OnException: api.ResolvedOnException{Action: string(s.OnException.Action),
			MaxReattempts: orNull(s.OnException.MaxReattempts), Then: orNull(string(s.OnException.Then))},
	}
	if len(v.Params) == 0 {
		v.Params = api.JSONObject(`{}`)
	}
	if s.OnException.Wait != nil {
		wait := domain.FormatDuration(*s.OnException.Wait)
		v.OnException.Wait = &wait
	}
	return v
}

func webhookView(w *domain.Webhook) *api.ResolvedWebhook {
	if w == nil {
		return nil
	}
	timeout, maxInFlight := w.Timeout, w.MaxInFlight
	if w.Endpoint == "" { // else what is not given is for the endpoint to say
		timeout, maxInFlight = cmp.Or(timeout, domain.DefaultWebhookTimeout), cmp.Or(maxInFlight, domain.DefaultMaxInFlight)
	}
	v := &api.ResolvedWebhook{URL: orNull(w.URL), Endpoint: orNull(w.Endpoint), Path: orNull(w.Path),
		Headers: map[string]string{}, Timeout: durationView(timeout), MaxInFlight: orNull(maxInFlight)}
	maps.Copy(v.Headers, w.Headers)
	return v
}

func durationView(d time.Duration) *string {
	if d == 0 {
		return nil
	}
	text := domain.FormatDuration(d)
	return &text
}

// conditionView shows a condition as a definition writes it; nil for none.
func conditionView(c *domain.Condition) *api.ResolvedCondition {
	var written any
	switch {
	case c == nil:
		return nil
	case c.Literal != nil:
		written = *c.Literal
	case c.Named != "":
		written = map[string]string{"condition": c.Named}
	default:
		written = c.Expression
	}
	text, err := json.Marshal(written)
	if err != nil {
		return nil
	}
	view := api.ResolvedCondition(text)
	return &view
}

// sourceFormat is how the body of a request is written; the edge has refused any other.
func sourceFormat(ctx context.Context) domain.SourceFormat {
	if infoOf(ctx).mediaType == "application/json" {
		return domain.SourceJSON
	}
	return domain.SourceYAML
}
