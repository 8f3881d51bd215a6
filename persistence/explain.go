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
	var lanes []*bun.SelectQuery
	for priority := range e.Priority + 1 {
		until := now
		if priority == e.Priority {
			until = e.ScheduledFor.Add(-time.Microsecond)
		}
		lanes = append(lanes, s.lane("1 AS step", Lane{e.Queue, priority}, until, domain.MaxAhead))
	}
	q := s.read.NewSelect().ColumnExpr("count(*)").TableExpr("(?) AS due", s.together(lanes))
	counted, err := collect(ctx, s, q, 1, (*record).int)
	if err != nil {
		return 0, err
	}
	return min(counted[0], domain.MaxAhead), nil
}
