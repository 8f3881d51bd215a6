package handlers

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/domain/strictjson"
	"github.com/genevadrive/genevadrive/engine"
)

// PutEndpoint answers PUT /v1/endpoints/{name}.
func (h *Handlers) PutEndpoint(ctx context.Context, r api.PutEndpointRequestObject) (api.PutEndpointResponseObject, error) {
	b := r.Body
	if faults := headerProblems(b.Headers); len(faults) > 0 {
		return nil, domain.WithProblems(domain.CodeInvalidRequest, faults)
	}
	settings := engine.EndpointSettings{URL: b.URL, Secret: value(b.Secret), Headers: lowerCase(b.Headers), MaxInFlight: value(b.MaxInFlight)}
	if b.Timeout != nil {
		timeout, err := domain.ParseDuration(*b.Timeout)
		if err != nil {
			return nil, domain.WithProblems(domain.CodeInvalidRequest, []domain.Problem{{Pointer: "#/timeout", Detail: err.Error()}})
		}
		settings.Timeout = timeout
	}
	ep, secret, created, err := h.engine.PutEndpoint(ctx, r.Name, settings)
	if err != nil {
		return nil, err
	}
	body := endpointView(ep, secret)
	if !created {
		return api.PutEndpoint200JSONResponse(body), nil
	}
	location := "/v1/endpoints/" + ep.Name
	return api.PutEndpoint201JSONResponse{Body: body, Headers: api.PutEndpoint201ResponseHeaders{Location: &location}}, nil
}

// GetEndpoint answers GET /v1/endpoints/{name}.
func (h *Handlers) GetEndpoint(ctx context.Context, r api.GetEndpointRequestObject) (api.GetEndpointResponseObject, error) {
	ep, err := h.engine.Endpoint(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	return api.GetEndpoint200JSONResponse(endpointView(ep, "")), nil
}

// ListEndpoints answers GET /v1/endpoints.
func (h *Handlers) ListEndpoints(ctx context.Context, r api.ListEndpointsRequestObject) (api.ListEndpointsResponseObject, error) {
	list, next, err := h.engine.Endpoints(ctx, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	items := make([]api.Endpoint, len(list))
	for i, ep := range list {
		items[i] = endpointView(ep, "")
	}
	return api.ListEndpoints200JSONResponse{Items: items, NextCursor: orNull(next)}, nil
}

// DeleteEndpoint answers DELETE /v1/endpoints/{name}.
func (h *Handlers) DeleteEndpoint(ctx context.Context, r api.DeleteEndpointRequestObject) (api.DeleteEndpointResponseObject, error) {
	if err := h.engine.DeleteEndpoint(ctx, r.Name); err != nil {
		return nil, err
	}
	return api.DeleteEndpoint204Response{}, nil
}

// RotateEndpoint answers POST /v1/endpoints/{name}/rotate.
func (h *Handlers) RotateEndpoint(ctx context.Context, r api.RotateEndpointRequestObject) (api.RotateEndpointResponseObject, error) {
	ep, secret, err := h.engine.RotateEndpoint(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	return api.RotateEndpoint200JSONResponse(endpointView(ep, secret)), nil
}

// endpointView shows an endpoint; secret is "" unless this answer may show it.
func endpointView(ep engine.Endpoint, secret string) api.Endpoint {
	v := api.Endpoint{Name: ep.Name, URL: ep.URL, Secret: orNull(secret), Headers: map[string]string{},
		Timeout: durationView(ep.Timeout), MaxInFlight: orNull(ep.MaxInFlight), RotatedAt: api.NewTimePtr(ep.RotatedAt),
		CreatedAt: api.NewTime(ep.CreatedAt), UpdatedAt: api.NewTime(ep.UpdatedAt)}
	maps.Copy(v.Headers, ep.Headers)
	return v
}

// headerProblems lists what is wrong with the headers of an endpoint, which has the rules of a definition's.
func headerProblems(headers map[string]string) []domain.Problem {
	var found []domain.Problem
	bytes, seen := 0, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		bytes += len(name) + len(headers[name])
		lower := strings.ToLower(name)
		err := domain.CheckHeader(name, headers[name])
		if err == nil && seen[lower] {
			err = fmt.Errorf("the header %s stands twice; names compare without case", lower)
		}
		if err != nil {
			found = append(found, domain.Problem{Pointer: "#/headers/" + strictjson.PointerToken(name), Detail: err.Error()})
		}
		seen[lower] = true
	}
	if len(headers) > domain.MaxHeaders || bytes > domain.MaxHeaderBytes {
		found = append(found, domain.Problem{Pointer: "#/headers",
			Detail: fmt.Sprintf("at most %d headers of %d bytes together are allowed", domain.MaxHeaders, domain.MaxHeaderBytes)})
	}
	return found[:min(len(found), mostProblems)]
}

func lowerCase(headers map[string]string) map[string]string {
	lower := make(map[string]string, len(headers))
	for name, value := range headers {
		lower[strings.ToLower(name)] = value
	}
	return lower
}

// checkSecret reports whether text is a Standard Webhooks secret. The error repeats nothing of it.
func checkSecret(text string) error {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	if !ok {
		return errors.New("a webhook secret begins with whsec_")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return errors.New("what follows whsec_ must be padded standard base64")
	}
	if len(raw) < 24 || len(raw) > 64 {
		return fmt.Errorf("a webhook secret holds 24 to 64 bytes, this one %d", len(raw))
	}
	return nil
}

// checkTimeout reports whether text is a duration that an attempt may take.
func checkTimeout(text string) error {
	d, err := domain.ParseDuration(text)
	if err == nil && (d < domain.MinWebhookTimeout || d > domain.MaxWebhookTimeout) {
		err = fmt.Errorf("a timeout is from %s to %s", domain.FormatDuration(domain.MinWebhookTimeout), domain.FormatDuration(domain.MaxWebhookTimeout))
	}
	return err
}
