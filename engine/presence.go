package engine

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// MaxPresence is how many subjects one question of presence may name.
const MaxPresence = 1000

// Presence tells of one subject whether a workflow of the type asked for is open, and which are.
type Presence struct {
	SubjectID   string
	Present     bool
	WorkflowIDs []uuid.UUID // oldest first; empty, not nil, if there are none
}

// Presence answers for each subject in the order asked, as often as asked. Errors: invalid_request, with
// pointers into {type, subject_type, subject_ids}.
func (e *Engine) Presence(ctx context.Context, typ, subjectType string, subjectIDs []string) ([]Presence, error) {
	if err := checkPresence(typ, subjectType, subjectIDs); err != nil {
		return nil, err
	}
	open, err := e.Store.OpenWorkflows(ctx, typ, subjectType, subjectIDs)
	if err != nil {
		return nil, err
	}
	list := make([]Presence, len(subjectIDs))
	for i, id := range subjectIDs {
		ids := open[id]
		if ids == nil {
			ids = []uuid.UUID{}
		}
		list[i] = Presence{SubjectID: id, Present: len(ids) > 0, WorkflowIDs: ids}
	}
	return list, nil
}

func checkPresence(typ, subjectType string, subjectIDs []string) error {
	var problems []domain.Problem
	add := func(pointer string, err error) {
		if err != nil && len(problems) < 100 {
			problems = append(problems, domain.Problem{Pointer: pointer, Detail: err.Error()})
		}
	}
	add("#/type", domain.CheckName(typ))
	add("#/subject_type", domain.CheckSubjectType(subjectType))
	if len(subjectIDs) > MaxPresence {
		add("#/subject_ids", fmt.Errorf("at most %d subjects can be asked about at once, not %d", MaxPresence, len(subjectIDs)))
		subjectIDs = nil
	}
	for i, id := range subjectIDs {
		add(fmt.Sprintf("#/subject_ids/%d", i), domain.CheckSubjectID(id))
	}
	if len(problems) > 0 {
		return domain.WithProblems(domain.CodeInvalidRequest, problems)
	}
	return nil
}
