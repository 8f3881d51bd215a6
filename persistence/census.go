package persistence

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// CountOpen counts the open workflows by state, states without any included. It walks that part of an index:
// with a million of them it takes a fraction of a second, so it is not for every scrape.
func (s *Store) CountOpen(ctx context.Context) (map[domain.WorkflowState]int64, error) {
	type count struct {
		state domain.WorkflowState
		n     int64
	}
	q := s.read.NewSelect().ColumnExpr("w.state, count(*)").TableExpr(workflowsTable+" AS w").
		Where("w.state IN (?)", bun.List(domain.OpenWorkflowStates)).GroupExpr("w.state")
	found, err := collect(ctx, s, q, 2, func(r *record) count { return count{domain.WorkflowState(r.text()), r.int64()} })
	if err != nil {
		return nil, err
	}
	counts := make(map[domain.WorkflowState]int64, len(domain.OpenWorkflowStates))
	for _, state := range domain.OpenWorkflowStates {
		counts[state] = 0
	}
	for _, c := range found {
		counts[c.state] = c.n
	}
	return counts, nil
}

// Backlog is what of a queue is due and not started.
type Backlog struct {
	Due int           // at most maxBacklog of each priority are counted
	Age time.Duration // since the oldest became due; 0 without any
}

const maxBacklog = 10_000

// Backlogs gives the backlog of each queue. It reads the lanes that the sweep reads, and stops in each at
// maxBacklog, so that it costs little when the backlog is large too.
func (s *Store) Backlogs(ctx context.Context, queues []string) (map[string]Backlog, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	backlogs := make(map[string]Backlog, len(queues))
	for _, queue := range queues {
		var counts []*bun.SelectQuery
		for priority := range domain.MaxPriority + 1 {
			lane := s.lane(s.dialect.dueColumn+" AS due", Lane{queue, priority}, now, maxBacklog)
			counts = append(counts, s.read.NewSelect().ColumnExpr("count(*) AS n, min(lane.due) AS oldest").TableExpr("(?) AS lane", lane))
		}
		lanes, err := collect(ctx, s, s.together(counts), 2, func(r *record) Backlog {
			b := Backlog{Due: r.int()}
			if oldest := r.timePtr(); oldest != nil {
				b.Age = now.Sub(*oldest)
			}
			return b
		})
		if err != nil {
			return nil, err
		}
		var total Backlog
		for _, lane := range lanes {
			total.Due += lane.Due
			total.Age = max(total.Age, lane.Age)
		}
		backlogs[queue] = total
	}
	return backlogs, nil
}
