package persistence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"github.com/genevadrive/genevadrive/migrations"
)

const (
	migrationsTable     = "geneva_drive_migrations"
	migrationLocksTable = "geneva_drive_migration_locks" // bun/migrate makes it; a crash would leave its lock behind
)

// MigrationStatus is one migration of the schema.
type MigrationStatus struct {
	Name      string     // number and subject, "0002_workflows"
	AppliedAt *time.Time // nil: not applied
	Unknown   bool       // applied by a newer release than this one
}

// Migrate brings the schema up to date and gives the names of the migrations it applied. Servers that start
// at once take turns; one that dies in the middle leaves nothing that the next cannot complete.
func (s *Store) Migrate(ctx context.Context) ([]string, error) {
	pool := s.db.DB
	if s.dialect.migrationLock != "" {
		// A pool of its own: the lock lives as long as its session, which waits longer than others.
		pool = sql.OpenDB(s.dialect.migrator)
		defer pool.Close()
		conn, err := pool.Conn(ctx)
		if err != nil {
			return nil, explain(err)
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, s.dialect.migrationLock); err != nil {
			return nil, fmt.Errorf("waiting for another server to migrate the schema: %w", explain(err))
		}
	}
	migrator, err := s.migrator(bun.NewDB(pool, s.dialect.bun))
	if err != nil {
		return nil, err
	}
	if err := migrator.Init(ctx); err != nil {
		return nil, fmt.Errorf("preparing the schema for migrations: %w", explain(err))
	}
	group, err := migrator.Migrate(ctx)
	var names []string
	if err == nil && group != nil {
		for _, m := range group.Migrations {
			names = append(names, m.String())
		}
	}
	if isLockTimeout(err) {
		return nil, fmt.Errorf("migrating the schema: something else, such as a backup of the database, holds a lock that it needs (%w); "+
			"nothing is lost, run it again once that has ended", err)
	}
	if err != nil {
		return nil, fmt.Errorf("migrating the schema: %w", explain(err))
	}
	return names, nil
}

// SchemaStatus lists every migration this release has, and after them those that only a newer one knows.
func (s *Store) SchemaStatus(ctx context.Context) ([]MigrationStatus, error) {
	migrator, err := s.migrator(s.db)
	if err != nil {
		return nil, err
	}
	known, err := s.knownMigrations()
	if err != nil {
		return nil, err
	}
	applied, err := s.appliedMigrations(ctx, migrator)
	if err != nil {
		return nil, err
	}
	var all []MigrationStatus
	for _, m := range known {
		status := MigrationStatus{Name: m.String()}
		if at, ok := applied[m.Name]; ok {
			status.AppliedAt = &at
			delete(applied, m.Name)
		}
		all = append(all, status)
	}
	for name, at := range applied {
		all = append(all, MigrationStatus{Name: name, AppliedAt: &at, Unknown: true})
	}
	slices.SortStableFunc(all[len(known):], func(a, b MigrationStatus) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// CheckSchema refuses a schema that lacks a migration of this release, and says what to do. A newer schema is
// welcome: migrations add, and drop nothing but indexes, so that old and new servers can run side by side.
func (s *Store) CheckSchema(ctx context.Context) error {
	all, err := s.SchemaStatus(ctx)
	if err != nil {
		return err
	}
	var missing []string
	for _, m := range all {
		if m.AppliedAt == nil {
			missing = append(missing, m.Name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the schema of the database %s is older than this server (missing: %s); run: genevadrive migrate up",
			s.dialect.address, strings.Join(missing, ", "))
	}
	return nil
}

func (s *Store) knownMigrations() (migrate.MigrationSlice, error) {
	files, err := migrations.For(s.dialect.name)
	if err != nil {
		return nil, err
	}
	all := migrate.NewMigrations()
	if err := all.Discover(files); err != nil {
		return nil, err
	}
	return all.Sorted(), nil
}

func (s *Store) migrator(db *bun.DB) (*migrate.Migrator, error) {
	known, err := s.knownMigrations()
	if err != nil {
		return nil, err
	}
	all := migrate.NewMigrations()
	for _, m := range known {
		up := m.Up
		m.Up = func(ctx context.Context, migrator *migrate.Migrator, migration *migrate.Migration) error {
			if err := up(ctx, migrator, migration); !alreadyThere(err) {
				return err
			}
			return nil // run before, by a server that died or one that is doing the same now
		}
		all.Add(m)
	}
	return migrate.NewMigrator(db, all,
		migrate.WithTableName(migrationsTable), migrate.WithLocksTableName(migrationLocksTable),
		migrate.WithMarkAppliedOnSuccess(true),
		// Processes that open one SQLite file at once have no lock to wait for: their marks must not pile up.
		migrate.WithUpsert(s.dialect.oneFile)), nil
}

// appliedMigrations gives when each was applied, by number; none on a database that has never been migrated.
func (s *Store) appliedMigrations(ctx context.Context, migrator *migrate.Migrator) (map[string]time.Time, error) {
	var one int
	err := s.db.NewRaw(s.dialect.tableExists, migrationsTable).Scan(ctx, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return map[string]time.Time{}, nil
	}
	if err != nil {
		return nil, explain(err)
	}
	rows, err := migrator.AppliedMigrations(ctx)
	if err != nil {
		return nil, explain(err)
	}
	applied := make(map[string]time.Time, len(rows))
	for _, m := range rows {
		applied[m.Name] = m.MigratedAt.UTC()
	}
	return applied, nil
}
