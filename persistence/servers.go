package persistence

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Server is a running server process, as its lease row has it.
type Server struct {
	ID          uuid.UUID
	Name        string
	Role        string
	Queues      []string
	Version     string
	HeartbeatAt time.Time
}

// deadServersKept is how long the row of a dead server stays, so that a claim it committed late is still
// found by its name.
const deadServersKept = 24 * time.Hour

// RegisterServer adds the row of a server, alive as of now.
func (s *Store) RegisterServer(ctx context.Context, server Server) error {
	now := s.clock()
	_, err := s.lease.NewInsert().TableExpr(serversTable).Model(&map[string]any{
		"id": server.ID, "name": server.Name, "role": server.Role, "queues": strings.Join(server.Queues, ","),
		"version": server.Version, "started_at": now, "heartbeat_at": now,
	}).Exec(ctx)
	return explain(err)
}

// Heartbeat renews the lease of a server; alive is false when it has been declared dead.
func (s *Store) Heartbeat(ctx context.Context, id uuid.UUID) (alive bool, err error) {
	n, err := affected(s.lease.NewUpdate().TableExpr(serversTable).Set("heartbeat_at = ?", s.clock()).
		Where("id = ?", id).Where("dead_at IS NULL").Exec(ctx))
	return n == 1, err
}

// ReleaseServer declares a server dead that says so itself.
func (s *Store) ReleaseServer(ctx context.Context, id uuid.UUID) error {
	_, err := s.lease.NewUpdate().TableExpr(serversTable).Set("dead_at = ?", s.clock()).
		Where("id = ?", id).Where("dead_at IS NULL").Exec(ctx)
	return explain(err)
}

// BurySilentServers declares dead the servers, other than the one that asks, whose last heartbeat is longer
// ago than ttl by the database's clock; each only if that is still its last one. It gives those it buried.
func (s *Store) BurySilentServers(ctx context.Context, asking uuid.UUID, ttl time.Duration) ([]Server, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	q := s.lease.NewSelect().ColumnExpr("s.id, s.name, s.role, s.queues, s.version, s.heartbeat_at").
		TableExpr(serversTable+" AS s").Where("s.dead_at IS NULL").Where("s.id <> ?", asking).
		Where("s.heartbeat_at <= ?", now.Add(-ttl))
	silent, err := collect(ctx, q, 6, func(r *record) Server {
		return Server{ID: r.uuid(), Name: r.text(), Role: r.text(), Queues: strings.Split(r.text(), ","),
			Version: r.text(), HeartbeatAt: r.time()}
	})
	if err != nil {
		return nil, err
	}
	var buried []Server
	for _, server := range silent {
		n, err := affected(s.lease.NewUpdate().TableExpr(serversTable).Set("dead_at = ?", s.clock()).
			Where("id = ?", server.ID).Where("dead_at IS NULL").Where("heartbeat_at = ?", server.HeartbeatAt).Exec(ctx))
		if err != nil {
			return buried, err
		}
		if n == 1 {
			buried = append(buried, server)
		}
	}
	return buried, nil
}

// DeleteDeadServers removes servers that died long ago.
func (s *Store) DeleteDeadServers(ctx context.Context) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	_, err = s.lease.NewDelete().TableExpr(serversTable).Where("dead_at < ?", now.Add(-deadServersKept)).Exec(ctx)
	return explain(err)
}
