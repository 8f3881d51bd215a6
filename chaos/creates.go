package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// creates sends many creates of one subject at once, round after round.
func creates(s *system, rounds, at int) error {
	if err := s.measureBaseline(); err != nil {
		return err
	}
	if err := s.define("Single", []step{{"name": "sleeps", "wait": "P1D"}}, manner{}); err != nil {
		return err
	}
	var made, refused int
	var errs []error
	for round := range rounds {
		answers := make([]answer, at)
		together := make(chan struct{})
		var wg sync.WaitGroup
		for i := range at {
			wg.Go(func() {
				<-together
				answers[i], _ = s.request(s.servers[i%len(s.servers)], "POST", "/v1/workflows", "",
					map[string]any{"type": "Single", "subject": map[string]any{"type": "Round", "id": fmt.Sprint(round)}})
			})
		}
		close(together)
		wg.Wait()
		ok, no, err := judgeRound(answers)
		made, refused = made+ok, refused+no
		if err != nil {
			errs = append(errs, fmt.Errorf("round %d: %w", round, err))
		}
	}
	rows, err := s.rows("SELECT subject_id, count(*) FROM geneva_drive_workflows WHERE type = 'Single' AND state IN ('ready', 'performing', 'paused') GROUP BY subject_id")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if number(r[1]) != 1 {
			errs = append(errs, fmt.Errorf("subject %s has %d open workflows", text(r[0]), number(r[1])))
		}
	}
	s.note("%d subjects with one open workflow each, %d creates answered 201, %d answered 409 with its id, %d answered 5xx", len(rows), made, refused, s.failures())
	if len(rows) != rounds {
		errs = append(errs, fmt.Errorf("%d of %d subjects have an open workflow", len(rows), rounds))
	}
	return errors.Join(errs[:min(3, len(errs))]...)
}

// judgeRound holds that one create was answered 201 and all others 409 with the id of its workflow.
func judgeRound(answers []answer) (made, refused int, err error) {
	type body struct {
		ID         string `json:"id"`
		Code       string `json:"code"`
		WorkflowID string `json:"workflow_id"`
	}
	id := ""
	named := map[string]bool{}
	for _, a := range answers {
		var b body
		if err := json.Unmarshal(a.body, &b); err != nil {
			return made, refused, fmt.Errorf("the answer %d %.200q: %w", a.status, a.body, err)
		}
		switch {
		case a.status == 201:
			made++
			id = b.ID
		case a.status == 409 && b.Code == "workflow_exists":
			refused++
			named[b.WorkflowID] = true
		default:
			return made, refused, fmt.Errorf("a create was answered %d %.300s", a.status, a.body)
		}
	}
	delete(named, id)
	if made != 1 || len(named) > 0 {
		return made, refused, fmt.Errorf("%d creates were answered 201, and 409s name %d workflows beside it", made, len(named))
	}
	return made, refused, nil
}
