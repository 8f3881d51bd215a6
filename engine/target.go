package engine

import (
	"context"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/webhook"
)

// target is where a webhook goes and how it is signed, looked up for each delivery.
type target struct {
	url     string
	headers map[string]string
	secrets []webhook.Secret
}

// target resolves a webhook of a step or hook. The error is endpoint_missing.
func (e *Engine) target(_ context.Context, w *domain.Webhook) (target, *domain.ExecutionError) {
	return target{url: w.URL, headers: w.Headers, secrets: e.Secrets}, nil
}
