package handlers

import (
	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/engine"
)

// Handlers implement the operations of the contract: each decodes what the contract's types leave to it,
// calls the engine and encodes the answer. Errors go up to the one adapter (problem.go).
type Handlers struct{ engine *engine.Engine }

// New makes the handlers of an engine.
func New(e *engine.Engine) *Handlers { return &Handlers{engine: e} }

var _ api.StrictServerInterface = (*Handlers)(nil)

// page reads limit and cursor; 50 items if nothing is said.
func page(limit *api.Limit, cursor *api.Cursor) engine.Page {
	p := engine.Page{Limit: 50}
	if limit != nil {
		p.Limit = *limit
	}
	if cursor != nil {
		p.Cursor = *cursor
	}
	return p
}

// words turns the enum values of a filter into their plain text.
func words[T ~string, R ~string](values []T) []R {
	list := make([]R, len(values))
	for i, v := range values {
		list[i] = R(v)
	}
	return list
}

// orNull is nil for the zero value: what the contract shows as null.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
