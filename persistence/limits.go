package persistence

import (
	"context"
	"database/sql"
	"net"
	"time"

	"github.com/uptrace/bun"
)

// A connection whose other end has vanished says nothing for many minutes, so whatever waits for a database has a limit,
// behind which it is unavailable and the connection is closed. Only migrations have none.
const (
	readWithin  = 15 * time.Second
	writeWithin = 30 * time.Second // of a transaction, with its waits for locks
	leaseWithin = 2 * time.Second  // of the way to the lease's own connection, see leasePool
)

type limits struct{ read, write, lease time.Duration }

// dialer connects to servers. On a connection that is silent it asks whether the other end is still there, and finds out
// within half a minute.
var dialer = net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}

// execute runs one of Bun's queries that write, outside of a transaction.
func (s *Store) execute(ctx context.Context, q interface {
	Exec(ctx context.Context, dest ...any) (sql.Result, error)
}) (sql.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.write)
	defer cancel()
	return q.Exec(ctx)
}

// inTx runs some of Bun's queries in one transaction.
func (s *Store) inTx(ctx context.Context, run func(ctx context.Context, tx bun.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.write)
	defer cancel()
	return s.db.RunInTx(ctx, nil, run)
}
