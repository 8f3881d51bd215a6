// Package telemetry tells people and their tools what the service does: Prometheus metrics, and
// OpenTelemetry traces when the standard OTEL_* variables ask for them.
//
// It watches and never steers: it implements what the engine calls an Observer and a Tracer, and reads
// figures of the other parts when it is scraped. Nobody knows it but app, so that no other package sees
// Prometheus or OpenTelemetry.
package telemetry
