package app

import (
	"context"
	"net/http"
	"os"

	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/telemetry"
)

// openTelemetry makes the metrics, and the tracer that the standard OTEL_* variables ask for (nil: none). The
// last spans are sent at Close.
func (a *App) openTelemetry(ctx context.Context) (engine.Tracer, error) {
	a.metrics = telemetry.New()
	a.onClose(func() error { a.metrics.Close(); return nil })
	traces, err := telemetry.NewTraces(ctx, os.Getenv, a.version, a.log)
	if err != nil || traces == nil {
		return nil, err
	}
	a.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := traces.Close(ctx); err != nil {
			a.log.Warn("the last spans were not sent", "error", err)
		}
		return nil
	})
	return traces, nil
}

// scrapes gives what /metrics answers.
func (a *App) scrapes() http.Handler {
	a.metrics.Watch(telemetry.Sources{Version: a.version, Role: a.cfg.Role, Queues: queueNames(a.cfg.Queues),
		Engine: a.engine, Store: a.store, Ready: a.ready, Doorbell: a.doorbell})
	return a.metrics.Handler()
}
