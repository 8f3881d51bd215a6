package persistence

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// defaultMaxConns is enough for single commits to keep two cores of a database busy; grouped ones need less.
const defaultMaxConns = 20

// maxReaders is how many connections read from SQLite beside the one that writes.
const maxReaders = 4

// connectTimeout bounds the first contact with the database.
const connectTimeout = 10 * time.Second

// maxLifetime is how long a connection to a server is used, so that none stays for good where its address has moved on
// from.
const maxLifetime = 10 * time.Minute

// Open connects to the database. It neither makes nor checks the schema: see Migrate and CheckSchema. Errors
// name the server but never the password.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.MaxConns = cmp.Or(cfg.MaxConns, defaultMaxConns)
	cfg.limits = cmp.Or(cfg.limits, limits{readWithin, writeWithin, leaseWithin})
	d, err := dialectOf(cfg.URL, cfg.limits)
	if err != nil {
		return nil, err
	}
	if cfg.Wrap != nil {
		for _, connector := range []*driver.Connector{&d.connector, &d.reader, &d.migrator} {
			if *connector != nil {
				*connector = cfg.Wrap(*connector)
			}
		}
	}
	d.text = d.texts()
	if d.sessions.lent {
		d.text.fixed = nil
	}
	sealer, err := newSealer(cfg.SealingKey)
	if err != nil {
		return nil, err
	}
	s := &Store{dialect: d, limits: cfg.limits, sealer: sealer, now: cfg.Now, log: cfg.Logger}
	if d.oneFile {
		err = s.openSQLite(ctx)
	} else {
		err = s.openServer(ctx, cfg.MaxConns)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// dialectOf reads the scheme of a database URL.
func dialectOf(databaseURL string, within limits) (dialect, error) {
	scheme, _, found := strings.Cut(databaseURL, ":")
	if !found {
		return dialect{}, fmt.Errorf("the database URL has no scheme: use sqlite:path, postgres://… or mysql://…")
	}
	switch scheme {
	case "sqlite":
		return sqlite(databaseURL)
	case "postgres", "postgresql":
		return postgres(databaseURL)
	case "mysql", "mariadb":
		return mariadb(databaseURL, within)
	}
	return dialect{}, fmt.Errorf("the database URL has the unknown scheme %q: use sqlite:path, postgres://… or mysql://…", scheme)
}

func (s *Store) openServer(ctx context.Context, maxConns int) error {
	pool := sql.OpenDB(s.dialect.connector)
	pool.SetMaxOpenConns(maxConns)
	pool.SetMaxIdleConns(maxConns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(maxLifetime)
	if err := s.firstContact(ctx, pool); err != nil {
		return err
	}
	lease := sql.OpenDB(s.dialect.connector)
	lease.SetMaxOpenConns(1)
	lease.SetConnMaxLifetime(maxLifetime)
	s.db = bun.NewDB(pool, s.dialect.bun)
	s.read = s.db
	s.searches = make(chan struct{}, max(1, maxConns/2))
	s.lease = bun.NewDB(lease, s.dialect.bun)
	if err := s.checkSessions(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// openSQLite opens the one writer and, unless the database is in memory and so visible to one connection
// only, a pool of readers.
func (s *Store) openSQLite(ctx context.Context) error {
	writer := sql.OpenDB(writerConnector{s.dialect.connector})
	writer.SetMaxOpenConns(1)
	writer.SetMaxIdleConns(1)
	if err := s.firstContact(ctx, writer); err != nil {
		return err
	}
	s.db = bun.NewDB(writer, s.dialect.bun)
	s.read, s.lease = s.db, s.db
	s.searches = make(chan struct{}, maxReaders/2)
	if s.dialect.reader != nil {
		readers := sql.OpenDB(s.dialect.reader)
		readers.SetMaxOpenConns(maxReaders)
		readers.SetMaxIdleConns(maxReaders)
		s.read = bun.NewDB(readers, s.dialect.bun)
	}
	return nil
}

// firstContact makes sure that the database is there; it closes the pool if not. Of several that open a new SQLite file
// at once, one makes it keep a log, and the others meet it locked, for which SQLite does not wait.
func (s *Store) firstContact(ctx context.Context, pool *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for rerun := 0; ; rerun++ {
		err := pool.PingContext(ctx)
		if err == nil {
			return nil
		}
		if faultOf(err) != faultRerun || !pause(ctx, rerun) {
			_ = pool.Close()
			return fmt.Errorf("the database %s cannot be reached: %w", s.dialect.address, unavailable(err))
		}
	}
}

// Checkpoint moves what SQLite's log holds into the database file, so that the next write can begin the log anew. It
// stands in nobody's way and waits for nobody: what others still read in the log, a backup for instance, it leaves
// there. It does nothing on the other databases.
func (s *Store) Checkpoint(ctx context.Context) error {
	if s.dialect.reader == nil {
		return nil
	}
	_, err := s.read.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	return err
}

// addressOf is a database URL without its secrets.
func addressOf(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }
