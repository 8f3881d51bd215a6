package persistence

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// Lost is an execution whose claim has ended without a settle.
type Lost struct {
	ExecutionID uuid.UUID
	WorkflowID  uuid.UUID
	Fence       domain.Fence // of the lost claim
}

const lostWidth = 3

func (r *record) lost() Lost {
	return Lost{ExecutionID: r.uuid(), WorkflowID: r.uuid(), Fence: domain.Fence(r.text())}
}

// Orphans gives executing rows whose server is dead.
func (s *Store) Orphans(ctx context.Context, limit int) ([]Lost, error) {
	return collect(ctx, s, s.orphans(limit), lostWidth, (*record).lost)
}

func (s *Store) orphans(limit int) *bun.SelectQuery {
	dead := s.read.NewSelect().ColumnExpr("s.id").TableExpr(serversTable + " AS s").Where("s.dead_at IS NOT NULL")
	return s.selectLost().Where("e.claimed_by IN (?)", dead).Limit(int64(limit))
}

// Expired gives executing rows whose deadline has passed, longest ago first. What each server has claimed, and what
// awaits callbacks, is read through the index by itself, so that it costs nothing to have very many in time.
func (s *Store) Expired(ctx context.Context, limit int) ([]Lost, error) {
	claimants, err := s.claimants(ctx)
	if err != nil {
		return nil, err
	}
	q := s.read.NewSelect().ColumnExpr("e.id, e.workflow_id, e.fence").
		TableExpr("(?) AS e", s.together(s.expired(claimants, limit))).OrderExpr("e.deadline").Limit(int64(limit))
	return collect(ctx, s, q, lostWidth, (*record).lost)
}

// expired are the queries of what is past its deadline: what awaits callbacks, and what each of the servers has.
func (s *Store) expired(claimants []uuid.UUID, limit int) []*bun.SelectQuery {
	passed := func() *bun.SelectQuery {
		return s.selectLost().ColumnExpr("e.deadline").Where("e.deadline < ?", s.clock()).Limit(int64(limit))
	}
	lanes := []*bun.SelectQuery{passed().Where("e.claimed_by IS NULL").OrderExpr(s.dialect.awaitedOrder)}
	for _, server := range claimants {
		lanes = append(lanes, passed().Where("e.claimed_by = ?", server).OrderExpr("e.deadline"))
	}
	return lanes
}

// claimants gives the servers that have claimed anything, whether they are known or not. It walks the index from one to
// the next.
func (s *Store) claimants(ctx context.Context) (servers []uuid.UUID, err error) {
	for last := uuid.Nil; ; {
		next, err := collect(ctx, s, s.claimantAfter(last), 1, (*record).uuid)
		if err != nil || len(next) == 0 {
			return servers, err
		}
		last = next[0]
		servers = append(servers, last)
	}
}

func (s *Store) claimantAfter(last uuid.UUID) *bun.SelectQuery {
	return s.read.NewSelect().ColumnExpr("e.claimed_by").TableExpr(executionsTable+" AS e").
		Where("e.claimed_by > ?", last).OrderExpr("e.claimed_by").Limit(1)
}

func (s *Store) selectLost() *bun.SelectQuery {
	return s.read.NewSelect().ColumnExpr("e.id, e.workflow_id, e.fence").TableExpr(executionsTable + " AS e")
}
