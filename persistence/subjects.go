package persistence

import (
	"context"
	"encoding/json"
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

// Subject is what was pushed about one subject: the attributes that conditions see.
type Subject struct {
	Type       string
	ID         string
	Attributes json.RawMessage // a JSON object
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// SubjectAttributes gives the attributes of a subject, nil when none were pushed.
func (s *Store) SubjectAttributes(ctx context.Context, typ, id string) (json.RawMessage, error) {
	q := s.read.NewSelect().ColumnExpr("s.attributes").TableExpr(subjectsTable+" AS s").
		Where("s.subject_type = ?", typ).Where("s.subject_id = ?", id)
	found, err := collect(ctx, s, q, 1, (*record).json)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// Subject gives a subject. Errors: subject_not_found.
func (s *Store) Subject(ctx context.Context, typ, id string) (Subject, error) {
	q := s.read.NewSelect().ColumnExpr("s.attributes, s.created_at, s.updated_at").TableExpr(subjectsTable+" AS s").
		Where("s.subject_type = ?", typ).Where("s.subject_id = ?", id)
	found, err := collect(ctx, s, q, 3, func(r *record) Subject {
		return Subject{Type: typ, ID: id, Attributes: r.json(), CreatedAt: r.time(), UpdatedAt: r.time()}
	})
	if err != nil {
		return Subject{}, err
	}
	if len(found) == 0 {
		return Subject{}, domain.Errorf(domain.CodeSubjectNotFound, "Nothing was pushed for the subject %q of the type %q.", id, typ)
	}
	return found[0], nil
}

// PutSubject sets the attributes of a subject, in place of those it had. created tells that it had none.
func (s *Store) PutSubject(ctx context.Context, typ, id string, attributes json.RawMessage) (subject Subject, created bool, err error) {
	err = s.again(ctx, func() error {
		if created, err = s.putSubject(ctx, typ, id, attributes); err != nil {
			return err
		}
		if subject, err = s.Subject(ctx, typ, id); domain.CodeOf(err) == domain.CodeSubjectNotFound {
			return errGuard // it has just been deleted
		}
		return err
	})
	return subject, created, err
}

func (s *Store) putSubject(ctx context.Context, typ, id string, attributes json.RawMessage) (created bool, err error) {
	now, err := s.Now(ctx)
	if err != nil {
		return false, err
	}
	replaced, err := s.execute(ctx, s.db.NewUpdate().TableExpr(subjectsTable).Set("attributes = ?", string(attributes)).Set("updated_at = ?", now).
		Where("subject_type = ?", typ).Where("subject_id = ?", id))
	if err != nil {
		return false, err
	}
	if n, err := replaced.RowsAffected(); err != nil || n == 1 {
		return false, err
	}
	_, err = s.execute(ctx, s.db.NewInsert().TableExpr(subjectsTable).Model(&map[string]any{
		"subject_type": typ, "subject_id": id, "attributes": string(attributes), "created_at": now, "updated_at": now,
	}))
	return true, err
}
