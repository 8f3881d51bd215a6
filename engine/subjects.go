package engine

import (
	"context"
	"encoding/json"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// Subject is what was pushed about one subject. Its attributes are what conditions see as subject.*, beside
// subject.type and subject.id.
type Subject = persistence.Subject

// PutSubject sets the attributes of a subject, a JSON object, in place of those it had. created tells that it
// had none. Conditions that are evaluated from now on see them. Errors: invalid_query for the names,
// unreadable_body, invalid_request (pointers begin at #/attributes), data_too_large.
func (e *Engine) PutSubject(ctx context.Context, typ, id string, attributes json.RawMessage) (s Subject, created bool, err error) {
	if err := domain.CheckSubject(typ, id); err != nil {
		return Subject{}, false, err
	}
	kept, err := domain.ReadAttributes("#/attributes", attributes)
	if err != nil {
		return Subject{}, false, err
	}
	return e.Store.PutSubject(ctx, typ, id, kept)
}

// Subject gives a subject. Errors: invalid_query, subject_not_found.
func (e *Engine) Subject(ctx context.Context, typ, id string) (Subject, error) {
	if err := domain.CheckSubject(typ, id); err != nil {
		return Subject{}, err
	}
	return e.Store.Subject(ctx, typ, id)
}
