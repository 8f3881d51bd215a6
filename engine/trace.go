package engine

import (
	"context"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// Tracer makes spans: one for the creation of a workflow, whose context is stored with it, and one for each
// attempt beneath that, whose context goes out with its deliveries (DESIGN section 5). Without one the context
// of the request that created the workflow goes out as it came.
type Tracer interface {
	// Start begins a span beneath a W3C traceparent; "" begins a trace.
	Start(traceparent string, op Operation) Span
}

// Operation is what a span is about.
type Operation struct {
	Attempt           int // 0: the creation of a workflow
	WorkflowID        uuid.UUID
	WorkflowType      string
	SubjectType       string
	ExecutionID       uuid.UUID // uuid.Nil at creation, as Step is ""
	Step              string
	DefinitionVersion int
}

// Span is what a Tracer began.
type Span interface {
	// Traceparent is the context for what happens beneath the span; "": none.
	Traceparent() string
	// End ends it. It is called once.
	End(Ending)
}

// Ending says how an operation ended.
type Ending struct {
	Status    int    // HTTP, of the receiver; 0: none
	Action    string // of the answer; "": there is none
	ErrorCode string // "": it did not fail
	Error     string
}

// untraced is the Tracer of an engine that has none, and its span.
type untraced string

func (untraced) Start(traceparent string, _ Operation) Span { return untraced(traceparent) }
func (t untraced) Traceparent() string                      { return string(t) }
func (untraced) End(Ending)                                 {}

// attempt is run within a span, and measured.
func (e *Engine) attempt(ctx context.Context, c *claimed) (result domain.Result, aborted bool) {
	span := e.Tracer.Start(c.workflow.Traceparent, Operation{Attempt: c.execution.Attempt, WorkflowID: c.workflow.ID,
		WorkflowType: c.workflow.Type, SubjectType: c.workflow.SubjectType, DefinitionVersion: c.workflow.DefinitionVersion,
		ExecutionID: c.execution.ID, Step: c.execution.StepName})
	c.traceparent = span.Traceparent()
	started := e.Now()
	result, aborted = e.run(ctx, c)
	c.took = e.Now().Sub(started)
	ending := Ending{Status: result.Status}
	switch {
	case aborted:
		ending.ErrorCode, ending.Error = "aborted", "The claim was taken away, or the server is stopping."
	case result.Failure != nil:
		ending.ErrorCode, ending.Error = string(result.Failure.Code), result.Failure.ForLog()
	case result.Answer != nil:
		ending.Action = string(result.Answer.Action)
	}
	span.End(ending)
	return result, aborted
}

// created is how the creation of a workflow ended.
func created(err error) Ending {
	if err == nil {
		return Ending{}
	}
	return Ending{ErrorCode: string(domain.CodeOf(err)), Error: err.Error()}
}
