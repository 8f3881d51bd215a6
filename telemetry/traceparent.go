package telemetry

import "go.opentelemetry.io/otel/trace"

// parseTraceparent reads the W3C form version-trace-span-flags. What is no valid context gives one that is not
// valid either, so that a span beneath it begins a trace.
func parseTraceparent(s string) trace.SpanContext {
	const length = 2 + 1 + 32 + 1 + 16 + 1 + 2
	if len(s) < length || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" || (s[:2] == "00" && len(s) != length) {
		return trace.SpanContext{}
	}
	traceID, err1 := trace.TraceIDFromHex(s[3:35])
	spanID, err2 := trace.SpanIDFromHex(s[36:52])
	high, ok1 := nibble(s[53])
	low, ok2 := nibble(s[54])
	if err1 != nil || err2 != nil || !ok1 || !ok2 {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID,
		TraceFlags: trace.TraceFlags(high<<4 | low), Remote: true})
}

func nibble(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// formatTraceparent is "" for a context that is not valid.
func formatTraceparent(c trace.SpanContext) string {
	if !c.IsValid() {
		return ""
	}
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String()
}
