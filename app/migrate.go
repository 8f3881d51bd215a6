package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/genevadrive/genevadrive/persistence"
)

// openForMigration opens the database of the settings, and nothing else of them is looked at. An SQLite file
// that is to be changed is locked, so that no server runs on it meanwhile.
func openForMigration(ctx context.Context, s Settings, change bool) (store *persistence.Store, done func(), err error) {
	var bad faults
	url := bad.databaseURL(s.withDefaults().DatabaseURL)
	if err := bad.err(); err != nil {
		return nil, nil, err
	}
	release := func() {}
	if path, ok := sqlitePath(url); ok && change {
		lock, err := lockDatabase(path)
		if err != nil {
			return nil, nil, err
		}
		release = func() { _ = lock.release() }
	}
	store, err = persistence.Open(ctx, persistence.Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		release()
		return nil, nil, err
	}
	return store, func() { _ = store.Close(); release() }, nil
}

// MigrateUp brings the schema up to date and writes what it did.
func MigrateUp(ctx context.Context, s Settings, out io.Writer) error {
	store, done, err := openForMigration(ctx, s, true)
	if err != nil {
		return err
	}
	defer done()
	applied, err := store.Migrate(ctx)
	for _, name := range applied {
		fmt.Fprintln(out, "applied", name)
	}
	if err == nil && len(applied) == 0 {
		fmt.Fprintln(out, "The schema is up to date.")
	}
	return err
}

// MigrateStatus writes one line for each migration.
func MigrateStatus(ctx context.Context, s Settings, out io.Writer) error {
	store, done, err := openForMigration(ctx, s, false)
	if err != nil {
		return err
	}
	defer done()
	all, err := store.SchemaStatus(ctx)
	for _, m := range all {
		state := "not applied"
		if m.AppliedAt != nil {
			state = "applied " + m.AppliedAt.Format(time.RFC3339)
		}
		if m.Unknown {
			state += " by a newer release"
		}
		fmt.Fprintf(out, "%-32s %s\n", m.Name, state)
	}
	return err
}
