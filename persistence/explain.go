package persistence

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// Servers gives the servers that have not been declared dead, and the named one in any case, with the
// database's time.
func (s *Store) Servers(ctx context.Context, named uuid.UUID) ([]domain.ServerFact, time.Time, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, now, err
	}
	q := s.read.NewSelect().ColumnExpr("s.id, s.name, s.role, s.queues, s.heartbeat_at, s.dead_at").
		TableExpr(serversTable+" AS s").Where("s.dead_at IS NULL OR s.id = ?", named).OrderExpr("s.name, s.id")
	list, err := collect(ctx, s, q, 6, func(r *record) domain.ServerFact {
		return domain.ServerFact{ID: r.uuid(), Name: r.text(), Role: r.text(), Queues: strings.Split(r.text(), ","),
			HeartbeatAt: r.time(), Dead: r.timePtr() != nil}
	})
	return list, now, err
}

// Ahead counts the due executions that come before one in its queue: those of a higher rank, and those of the
// same that are due earlier. It walks the index of due rows, each lane at most domain.MaxAhead far.
func (s *Store) Ahead(ctx context.Context, e *domain.Execution, now time.Time) (int, error) {
	var all *bun.SelectQuery
	for priority := range e.Priority + 1 {
		until := now
		if priority == e.Priority {
			until = e.ScheduledFor.Add(-time.Microsecond)
		}
		lane := s.read.NewSelect().ColumnExpr("1 AS step").TableExpr(executionsTable+" AS e").
			Where("e.state = 'scheduled'").Where("NOT e.held").
			Where("e.queue = ?", e.Queue).Where("e.priority = ?", priority).
			Where(s.dialect.dueColumn+" <= ?", until).
			OrderExpr(s.dialect.dueColumn).Limit(domain.MaxAhead)
		lane = s.read.NewSelect().ColumnExpr("lane.step").TableExpr("(?) AS lane", lane)
		if all == nil {
			all = lane
		} else {
			all = all.UnionAll(lane)
		}
	}
	q := s.read.NewSelect().ColumnExpr("count(*)").TableExpr("(?) AS due", all)
	counted, err := collect(ctx, s, q, 1, (*record).int)
	if err != nil {
		return 0, err
	}
	return min(counted[0], domain.MaxAhead), nil
}
