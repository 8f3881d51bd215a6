package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/genevadrive/genevadrive/engine"
)

// Traces makes the engine's spans and sends them over OTLP. It is the engine's Tracer.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// NewTraces gives nil unless the OTEL_* variables ask for traces. Where they go is in getenv; sampling,
// batching and the resource the SDK reads from the process's own environment. A receiver that is not there is
// no error: spans are lost then, and the log says so.
func NewTraces(ctx context.Context, getenv func(string) string, version string, log *slog.Logger) (*Traces, error) {
	settings, wanted, err := readOTLP(getenv)
	if err != nil || !wanted {
		return nil, err
	}
	client, err := newOTLPClient(settings)
	if err != nil {
		return nil, err
	}
	return newTraces(ctx, &forgiving{SpanExporter: otlptrace.NewUnstarted(client), log: log}, version)
}

func newTraces(ctx context.Context, exporter sdktrace.SpanExporter, version string) (*Traces, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "genevadrive"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return &Traces{provider: provider, tracer: provider.Tracer("github.com/genevadrive/genevadrive", trace.WithInstrumentationVersion(version))}, nil
}

// Close sends what is left, within the context.
func (t *Traces) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Start implements engine.Tracer. A creation is what a client waits for, an attempt calls a receiver: tools
// draw their maps of services from that.
func (t *Traces) Start(traceparent string, op engine.Operation) engine.Span {
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), parseTraceparent(traceparent))
	kind, name := trace.SpanKindClient, "perform "+op.Step
	if op.Attempt == 0 {
		kind, name = trace.SpanKindServer, "create "+op.WorkflowType
	}
	_, s := t.tracer.Start(ctx, name, trace.WithSpanKind(kind))
	if s.IsRecording() {
		s.SetAttributes(attributes(op)...)
	}
	return span{s}
}

func attributes(op engine.Operation) []attribute.KeyValue {
	list := append(make([]attribute.KeyValue, 0, 8),
		attribute.String("genevadrive.workflow.id", op.WorkflowID.String()),
		attribute.String("genevadrive.workflow.type", op.WorkflowType),
		attribute.Int("genevadrive.definition.version", op.DefinitionVersion),
		attribute.String("genevadrive.subject.type", op.SubjectType))
	if op.Attempt == 0 {
		return list
	}
	return append(list,
		attribute.String("genevadrive.step_execution.id", op.ExecutionID.String()),
		attribute.String("genevadrive.step", op.Step),
		attribute.Int("genevadrive.attempt", op.Attempt),
		attribute.String("http.request.method", "POST"))
}

// span is a span as the engine knows it.
type span struct{ trace.Span }

// Traceparent implements engine.Span.
func (s span) Traceparent() string { return formatTraceparent(s.SpanContext()) }

// End implements engine.Span.
func (s span) End(e engine.Ending) {
	if s.IsRecording() {
		if e.Status != 0 {
			s.SetAttributes(attribute.Int("http.response.status_code", e.Status))
		}
		if e.Action != "" {
			s.SetAttributes(attribute.String("genevadrive.action", e.Action))
		}
		if e.ErrorCode != "" {
			s.SetAttributes(attribute.String("error.type", e.ErrorCode))
			s.SetStatus(codes.Error, e.Error)
		}
	}
	s.Span.End()
}

// forgiving logs what cannot be sent, at most once a minute, in place of an error that nobody would see.
type forgiving struct {
	sdktrace.SpanExporter
	log    *slog.Logger
	logged atomic.Int64 // unix seconds
}

// ExportSpans implements sdktrace.SpanExporter.
func (f *forgiving) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := f.SpanExporter.ExportSpans(ctx, spans)
	now, last := time.Now().Unix(), f.logged.Load()
	if err != nil && now-last >= 60 && f.logged.CompareAndSwap(last, now) {
		f.log.Warn("spans were lost: they could not be sent", "spans", len(spans), "error", err)
	}
	return nil
}
