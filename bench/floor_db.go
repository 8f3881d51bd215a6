package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite"
)

// floorSchema is what a hand-written loop would have at the least: a row for each workflow and for each step,
// the step numbers unique, what is due by index.
var floorSchema = []string{
	`CREATE TABLE IF NOT EXISTS floor_workflows (id TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL, step INTEGER NOT NULL, data TEXT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS floor_steps (id TEXT NOT NULL PRIMARY KEY, workflow_id TEXT NOT NULL, seq INTEGER NOT NULL, state TEXT NOT NULL, due_at BIGINT NOT NULL)`,
	`CREATE UNIQUE INDEX IF NOT EXISTS floor_steps_seq ON floor_steps (workflow_id, seq)`,
	`CREATE INDEX IF NOT EXISTS floor_steps_due ON floor_steps (due_at) WHERE state = 'scheduled'`,
}

const (
	floorInsertWorkflow = `INSERT INTO floor_workflows (id, state, step, data) VALUES ($1, 'ready', 1, '{"plan":"pro","seats":3}')`
	floorInsertStep     = `INSERT INTO floor_steps (id, workflow_id, seq, state, due_at) VALUES ($1, $2, $3, 'scheduled', 0)`
	floorEndStep        = `UPDATE floor_steps SET state = 'completed' WHERE id = $1 AND state = 'scheduled'`
	floorMove           = `UPDATE floor_workflows SET step = step + 1 WHERE id = $1`
)

type floorPostgres struct{ pool *pgxpool.Pool }

func openFloorPostgres(ctx context.Context, url string) (*floorPostgres, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(ctx, config)
	return &floorPostgres{pool}, err
}

func (f *floorPostgres) setUp(ctx context.Context) error {
	for _, statement := range floorSchema {
		if _, err := f.pool.Exec(ctx, strings.ReplaceAll(statement, "id TEXT", "id UUID")); err != nil {
			return err
		}
	}
	return nil
}

func (f *floorPostgres) create(ctx context.Context, workflow, step uuid.UUID) error {
	return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		_, err1 := tx.Exec(ctx, floorInsertWorkflow, workflow.String())
		_, err2 := tx.Exec(ctx, floorInsertStep, step.String(), workflow.String(), 1)
		return errors.Join(err1, err2)
	})
}

func (f *floorPostgres) settle(ctx context.Context, workflow, step, next uuid.UUID, seq int) error {
	return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		_, err1 := tx.Exec(ctx, floorEndStep, step.String())
		_, err2 := tx.Exec(ctx, floorInsertStep, next.String(), workflow.String(), seq+1)
		_, err3 := tx.Exec(ctx, floorMove, workflow.String())
		return errors.Join(err1, err2, err3)
	})
}

// floorSQLite has one connection, which every worker waits for: SQLite has one writer.
type floorSQLite struct {
	db                                        *sql.DB
	insertWorkflow, insertStep, endStep, move *sql.Stmt
}

func openFloorSQLite(path string) (*floorSQLite, error) {
	options := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+path+"?"+options.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &floorSQLite{db: db}, nil
}

func (f *floorSQLite) setUp(ctx context.Context) error {
	for _, statement := range floorSchema {
		if _, err := f.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	for text, statement := range map[string]**sql.Stmt{
		floorInsertWorkflow: &f.insertWorkflow, floorInsertStep: &f.insertStep, floorEndStep: &f.endStep, floorMove: &f.move,
	} {
		var err error
		if *statement, err = f.db.PrepareContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func (f *floorSQLite) create(ctx context.Context, workflow, step uuid.UUID) error {
	return f.transaction(ctx, func(tx *sql.Tx) error {
		_, err1 := tx.StmtContext(ctx, f.insertWorkflow).ExecContext(ctx, workflow.String())
		_, err2 := tx.StmtContext(ctx, f.insertStep).ExecContext(ctx, step.String(), workflow.String(), 1)
		return errors.Join(err1, err2)
	})
}

func (f *floorSQLite) settle(ctx context.Context, workflow, step, next uuid.UUID, seq int) error {
	return f.transaction(ctx, func(tx *sql.Tx) error {
		_, err1 := tx.StmtContext(ctx, f.endStep).ExecContext(ctx, step.String())
		_, err2 := tx.StmtContext(ctx, f.insertStep).ExecContext(ctx, next.String(), workflow.String(), seq+1)
		_, err3 := tx.StmtContext(ctx, f.move).ExecContext(ctx, workflow.String())
		return errors.Join(err1, err2, err3)
	})
}

func (f *floorSQLite) transaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
