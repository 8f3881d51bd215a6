package persistence

import (
	"context"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

func TestCensus(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		counts, err := s.CountOpen(ctx)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the count of nothing", counts, map[domain.WorkflowState]int64{"ready": 0, "performing": 0, "paused": 0})

		claimed, paused, ended := create(t, s, def).Workflow, create(t, s, def).Workflow, create(t, s, def).Workflow
		create(t, s, def)
		create(t, s, def)
		must := func(r Result) {
			t.Helper()
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		must(s.Apply(ctx, claimOp(claimed, "f")))
		verb := func(w domain.Workflow, v domain.Verb) {
			t.Helper()
			must(s.Apply(ctx, Op{WorkflowID: w.ID, Decide: func(now time.Time, row Row) (domain.Change, error) {
				return domain.Control(def, row.Workflow, row.Execution, domain.Command{Verb: v, NextID: newID(), Fence: "g"}, now)
			}}))
		}
		verb(paused, domain.VerbPause)
		verb(ended, domain.VerbCancel)

		counts, err = s.CountOpen(ctx)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the open workflows", counts, map[domain.WorkflowState]int64{"ready": 2, "performing": 1, "paused": 1})

		backlogs, err := s.Backlogs(ctx, []string{"default", "low"})
		if err != nil {
			t.Fatal(err)
		}
		if b := backlogs["default"]; b.Due != 2 || b.Age <= 0 || b.Age > time.Hour {
			t.Errorf("the backlog of default is %+v, want 2 steps due a moment ago", b)
		}
		same(t, "the backlog of low", backlogs["low"], Backlog{})
	})
}
