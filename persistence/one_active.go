package persistence

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// oneActive is what an open workflow without allow_multiple has to itself.
type oneActive struct{ typ, subjectType, subjectID string }

func oneActiveOf(w *domain.Workflow) oneActive { return oneActive{w.Type, w.SubjectType, w.SubjectID} }

func (op *CreateOp) oneActive() oneActive { return oneActive{op.Type, op.SubjectType, op.SubjectID} }

func (a oneActive) compare(b oneActive) int {
	return cmp.Or(cmp.Compare(a.typ, b.typ), cmp.Compare(a.subjectType, b.subjectType), cmp.Compare(a.subjectID, b.subjectID))
}

// openOf are the questions after the open workflows of subjects, which are sorted; found takes the answers.
func (s *Store) openOf(subjects []oneActive, found map[oneActive]uuid.UUID) (questions []question) {
	read := func(r *record) error {
		subject := oneActive{r.text(), r.text(), r.text()}
		found[subject] = r.uuid()
		return r.err
	}
	for len(subjects) > 0 {
		n := s.alike(subjects)
		query, args := s.openOfAlike(subjects[:n])
		questions = append(questions, question{query, args, newRecord(4), read})
		subjects = subjects[n:]
	}
	return questions
}

// alike is how many of the subjects one query asks for: all on PostgreSQL, else those of the first one's types.
func (s *Store) alike(subjects []oneActive) (n int) {
	if s.dialect.counted {
		return len(subjects)
	}
	first := subjects[0]
	for n < len(subjects) && subjects[n].typ == first.typ && subjects[n].subjectType == first.subjectType {
		n++
	}
	return n
}

func (s *Store) openOfAlike(subjects []oneActive) (query string, args []any) {
	if s.dialect.counted {
		var types, subjectTypes, ids []string
		for _, subject := range subjects {
			types, subjectTypes, ids = append(types, subject.typ), append(subjectTypes, subject.subjectType), append(ids, subject.subjectID)
		}
		return s.dialect.text.openMany, []any{types, subjectTypes, ids}
	}
	args = []any{subjects[0].typ, subjects[0].subjectType}
	for i := range subjects {
		args = append(args, subjects[i].subjectID)
	}
	return s.dialect.openOf("IN (" + marks(len(subjects)) + ")"), args
}

// readExisting reads the workflows that return_existing has found.
func (s *Store) readExisting(ctx context.Context, results []CreateResult) {
	for i := range results {
		if r := &results[i]; r.Existing != nil && r.Existing.Workflow.CreatedAt.IsZero() {
			row, err := s.Workflow(ctx, r.Existing.Workflow.ID)
			if err != nil {
				*r = CreateResult{Result: Result{Err: err}}
				continue
			}
			r.Existing = &row
		}
	}
}
