// Package persistence keeps the service's rows in PostgreSQL, MySQL/MariaDB or SQLite. Above all it is the one
// write path (Apply, ApplyBatch, Create): lock, read, ask a pure decision of the domain, save what it says.
//
// It decides nothing: which state follows which is the domain's, when to write and what to ring is the
// engine's. What differs by SQL dialect is in dialect.go. It never calls the network but for the database.
package persistence

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// Config says where the database is and what the store is given to work with.
type Config struct {
	URL      string           // sqlite:path, postgres://…, mysql://…
	MaxConns int              // of the main pool; 0: 20. SQLite always has one writer
	Now      func() time.Time // the clock where the database is SQLite; nil: time.Now
	Logger   *slog.Logger     // nil: slog.Default

	SealingKey []byte // of 32 bytes, for the secrets of endpoints; nil: there can be none

	limits limits // none: those of the constants

	Wrap func(driver.Connector) driver.Connector // stands between the store and the driver of SQLite or MySQL; nil: nothing does
}

// Store is the service's database. Its methods may be called from any goroutine.
type Store struct {
	dialect dialect
	db      *bun.DB // writes, and reads where the database has no pool of its own for them
	read    *bun.DB // reads outside of write transactions
	lease   *bun.DB // the server lease: one connection, so that a heartbeat never waits for the main pool; see leasePool
	limits  limits
	sealer  *sealer
	now     func() time.Time
	log     *slog.Logger

	searches chan struct{} // has one for each list that is being read; see beginSearch
	shared   atomic.Int64  // until when the lease makes do with the main pool, in Unix nanoseconds
	expected expectation
	batches  sync.Mutex // SQLite: held by the one CreateBatch that is at work
}

// Dialect names the SQL dialect: postgres, mysql or sqlite.
func (s *Store) Dialect() string { return s.dialect.name }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.read.PingContext(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

// Stats are those of the main pool.
func (s *Store) Stats() sql.DBStats { return s.db.Stats() }

// DB is the main pool, for what goes past the store: tests and tools.
func (s *Store) DB() *bun.DB { return s.db }

// Close closes every connection.
func (s *Store) Close() error {
	errs := []error{s.db.Close()}
	if s.read != s.db {
		errs = append(errs, s.read.Close())
	}
	if s.lease != s.db {
		errs = append(errs, s.lease.Close())
	}
	return errors.Join(errs...)
}

// clock is the time of the statement it stands in, by the database's clock, as an argument of a Bun query.
// Unlike the clock of the write path it is constant within the statement, so that an index can use it.
func (s *Store) clock() schema.QueryAppender {
	if s.dialect.statementClock == "" {
		return bun.SafeQuery("?", s.clockNow())
	}
	return bun.SafeQuery(s.dialect.statementClock)
}

// clockNow is the injected clock at the precision of a row.
func (s *Store) clockNow() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// Now is the database's time.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if s.dialect.statementClock == "" {
		return s.clockNow(), nil
	}
	before := s.now()
	now, err := collect(ctx, s, s.read.NewSelect().ColumnExpr("?", s.clock()), 1, (*record).time)
	if err != nil {
		return time.Time{}, err
	}
	s.expected.clock.read(now[0], before, s.now())
	return now[0], nil
}
