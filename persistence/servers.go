package persistence

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
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

// sharedFor is how long the lease makes do with the main pool before it asks for its own connection again.
const sharedFor = 30 * time.Second

// leasePool is where the lease finds a connection: its own or, where none can be had in time, the main pool. A database, or
// a pooler before it, that has all the connections it takes keeps back the one that is asked for last, and a server that
// cannot renew its lease performs nothing.
func (s *Store) leasePool(ctx context.Context) *bun.DB {
	if s.lease == s.db || s.now().UnixNano() < s.shared.Load() {
		return s.db
	}
	err := reach(ctx, s.lease, s.limits.lease)
	if err == nil {
		s.shared.Store(0)
		return s.lease
	}
	if reach(ctx, s.db, s.limits.lease) != nil {
		return s.lease
	}
	if s.shared.Swap(s.now().Add(sharedFor).UnixNano()) != 0 { // more than the end of an outage
		s.log.Warn("the lease gets no connection of its own and shares the others; the database, and a pooler before it, should take "+
			"more of them from each server", "connections", s.db.Stats().MaxOpenConnections+1, "error", err)
	}
	return s.db
}

// reach makes sure that a pool has a connection.
func reach(ctx context.Context, pool *bun.DB, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	conn, err := pool.DB.Conn(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// deadServersKept is how long the row of a dead server stays, so that a claim it committed late is still
// found by its name.
const deadServersKept = 24 * time.Hour

// RegisterServer adds the row of a server, alive as of now.
func (s *Store) RegisterServer(ctx context.Context, server Server) error {
	now := s.clock()
	_, err := s.execute(ctx, s.leasePool(ctx).NewInsert().TableExpr(serversTable).Model(&map[string]any{
		"id": server.ID, "name": server.Name, "role": server.Role, "queues": strings.Join(server.Queues, ","),
		"version": server.Version, "started_at": now, "heartbeat_at": now,
	}))
	return explain(err)
}

// Heartbeat renews the lease of a server; alive is false when it has been declared dead.
func (s *Store) Heartbeat(ctx context.Context, id uuid.UUID) (alive bool, err error) {
	n, err := affected(s.execute(ctx, s.leasePool(ctx).NewUpdate().TableExpr(serversTable).Set("heartbeat_at = ?", s.clock()).
		Where("id = ?", id).Where("dead_at IS NULL")))
	return n == 1, err
}

// ReleaseServer declares a server dead that says so itself.
func (s *Store) ReleaseServer(ctx context.Context, id uuid.UUID) error {
	_, err := s.execute(ctx, s.leasePool(ctx).NewUpdate().TableExpr(serversTable).Set("dead_at = ?", s.clock()).
		Where("id = ?", id).Where("dead_at IS NULL"))
	return explain(err)
}

// longestSilence is how long nobody may have written to the servers' table for the database to count as
// having been there all the time: a heartbeat and a little. An outage that is shorter keeps no living server
// from renewing its lease.
const longestSilence = 7 * time.Second

// BurySilentServers declares dead the servers, other than the one that asks, whose last heartbeat is longer
// ago than ttl by the database's clock; each only if that is still its last one. It gives those it buried:
// nobody, when the database may have been away in that time, since everyone looks dead then. reached is for
// how long the one that asks has had it without a gap.
func (s *Store) BurySilentServers(ctx context.Context, asking uuid.UUID, ttl, reached time.Duration) ([]Server, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	if there, err := s.thereSince(ctx, now.Add(-ttl), now.Add(-reached)); err != nil || !there {
		return nil, err
	}
	q := s.leasePool(ctx).NewSelect().ColumnExpr("s.id, s.name, s.role, s.queues, s.version, s.heartbeat_at").
		TableExpr(serversTable+" AS s").Where("s.dead_at IS NULL").Where("s.id <> ?", asking).
		Where("s.heartbeat_at <= ?", now.Add(-ttl))
	silent, err := collect(ctx, s, q, 6, func(r *record) Server {
		return Server{ID: r.uuid(), Name: r.text(), Role: r.text(), Queues: strings.Split(r.text(), ","),
			Version: r.text(), HeartbeatAt: r.time()}
	})
	if err != nil {
		return nil, err
	}
	var buried []Server
	for _, server := range silent {
		n, err := affected(s.execute(ctx, s.leasePool(ctx).NewUpdate().TableExpr(serversTable).Set("dead_at = ?", s.clock()).
			Where("id = ?", server.ID).Where("dead_at IS NULL").Where("heartbeat_at = ?", server.HeartbeatAt)))
		if err != nil {
			return buried, err
		}
		if n == 1 {
			buried = append(buried, server)
		}
	}
	return buried, nil
}

// BuryOtherServers declares every server dead but the one that asks, even if its heartbeat seems to lie ahead because the
// clock was put back. Only for a database that admits one process.
func (s *Store) BuryOtherServers(ctx context.Context, asking uuid.UUID) error {
	_, err := s.execute(ctx, s.leasePool(ctx).NewUpdate().TableExpr(serversTable).Set("dead_at = ?", s.clock()).
		Where("id <> ?", asking).Where("dead_at IS NULL"))
	return explain(err)
}

// thereSince tells whether servers, dead ones included, wrote to their table again and again from one moment
// to another. Where servers are killed and restarted all the time none of them lives long enough to know.
func (s *Store) thereSince(ctx context.Context, from, to time.Time) (bool, error) {
	if !from.Before(to) {
		return true, nil
	}
	q := s.leasePool(ctx).NewSelect().ColumnExpr("s.started_at, s.heartbeat_at").TableExpr(serversTable+" AS s").
		Where("s.heartbeat_at > ?", from.Add(-longestSilence))
	rows, err := collect(ctx, s, q, 2, func(r *record) [2]time.Time { return [2]time.Time{r.time(), r.time()} })
	if err != nil {
		return false, err
	}
	written := make([]time.Time, 0, 2*len(rows))
	for _, times := range rows {
		written = append(written, times[:]...)
	}
	slices.SortFunc(written, time.Time.Compare)
	for _, at := range slices.Backward(written) {
		if to.Sub(at) > longestSilence {
			return false, nil
		}
		if at.Before(to) {
			to = at
		}
		if !to.After(from) {
			return true, nil
		}
	}
	return false, nil
}

// DeleteDeadServers removes servers that died long ago.
func (s *Store) DeleteDeadServers(ctx context.Context) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	_, err = s.execute(ctx, s.leasePool(ctx).NewDelete().TableExpr(serversTable).Where("dead_at < ?", now.Add(-deadServersKept)))
	return explain(err)
}
