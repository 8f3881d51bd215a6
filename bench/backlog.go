package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// The rows of workflows that sleep for weeks, as a create leaves them, and those of workflows that have ended.
// Their ids are older than those of any run, and their numbers in hexadecimal are the ends of their ids.
const (
	insertWorkflows = `INSERT INTO geneva_drive_workflows (id, type, definition_version, subject_type, subject_id, state, current_step_name,
		current_execution_id, allow_multiple, data, exceptions_in_row, lock_version, created_at, updated_at, finished_at) `
	insertExecutions = `INSERT INTO geneva_drive_step_executions (id, workflow_id, seq, step_name, state, outcome, scheduled_for, completed_at,
		held, attempt, queue, priority, created_at) `

	sleepingWorkflows = `SELECT {workflow}, 'Sleeper', 1, 'User', 'sleeper-' || n, 'ready', 'one',
		{execution}, {no}, '{"plan":"pro","seats":3}', 0, 1, {now}, {now}, {never} FROM numbers`
	sleepingExecutions = `SELECT {execution}, {workflow}, 1, 'one', 'scheduled', {none}, {due}, {never}, {no}, 0, 'default', 5, {now} FROM numbers`

	endedWorkflows = `SELECT {workflow}, 'Single', 1, 'User', 'ended-' || n, 'finished', {none},
		{nobody}, {no}, '{"plan":"pro","seats":3}', 0, 3, {now}, {now}, {now} FROM numbers`
	endedExecutions = `SELECT {execution}, {workflow}, 1, 'one', 'completed', 'completed', {now}, {now}, {no}, 1, 'default', 5, {now} FROM numbers`
)

// numbered completes an insert for a database: rows of the numbers from one to another.
func numbered(kind, insert, query string, from, to int) string {
	numbers := fmt.Sprintf("WITH numbers AS (SELECT generate_series(%d, %d) AS n) ", from, to)
	words := []string{
		"{workflow}", "('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid", "{execution}", "('018f0000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid",
		"{no}", "false", "{none}", "NULL", "{nobody}", "NULL::uuid", "{never}", "NULL::timestamptz", "{now}", "now()",
		"{due}", "now() + interval '20 days' + n * interval '1 second'",
	}
	if kind == "sqlite" {
		numbers = fmt.Sprintf("WITH RECURSIVE numbers(n) AS (SELECT %d UNION ALL SELECT n + 1 FROM numbers WHERE n < %d) ", from, to)
		words = []string{
			"{workflow}", "printf('018f0000-0000-7000-8000-%012x', n)", "{execution}", "printf('018f0000-0000-7000-9000-%012x', n)",
			"{no}", "0", "{none}", "NULL", "{nobody}", "NULL", "{never}", "NULL", "{now}", "unixepoch() * 1000000",
			"{due}", "(unixepoch() + 20 * 86400 + n) * 1000000",
		}
	}
	return insert + numbers + strings.NewReplacer(words...).Replace(query)
}

// loadSleeping puts sleeping workflows into the database of a system by SQL.
func (s *system) loadSleeping(n int) error {
	return s.loadRows(numbered(s.kind, insertWorkflows, sleepingWorkflows, 1, n), numbered(s.kind, insertExecutions, sleepingExecutions, 1, n))
}

// loadEnded puts ended workflows into it.
func (s *system) loadEnded(from, to int) error {
	return s.loadRows(numbered(s.kind, insertWorkflows, endedWorkflows, from, to), numbered(s.kind, insertExecutions, endedExecutions, from, to))
}

// loadRows runs statements while the servers are stopped.
func (s *system) loadRows(statements ...string) (err error) {
	if err := s.stop(); err != nil {
		return err
	}
	if s.kind == "sqlite" {
		err = execSQLite(s.bench.ctx, strings.TrimPrefix(s.url, "sqlite:"), append(statements, "PRAGMA wal_checkpoint(TRUNCATE)")...)
	} else {
		// What autovacuum would do in its own time.
		err = execPostgres(s.bench.ctx, s.url, append(statements, "VACUUM (ANALYZE) geneva_drive_workflows", "VACUUM (ANALYZE) geneva_drive_step_executions", "CHECKPOINT")...)
	}
	if err != nil {
		return err
	}
	return s.start(concurrency)
}

func execSQLite(ctx context.Context, path string, statements ...string) error {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return errors.Join(err, db.Close())
		}
	}
	return db.Close()
}

// backlogRows compares the system with one beside it in which a million workflows sleep.
func (s *system) backlogRows() error {
	full, err := s.beside()
	defer full.close()
	if err != nil {
		return err
	}
	n, report := s.bench.sleeping, s.bench.report
	began := time.Now()
	if err := full.loadSleeping(n); err != nil {
		return err
	}
	report.note("%s: %d sleeping workflows were loaded by SQL in %.0f s.", s.title(), n, time.Since(began).Seconds())
	time.Sleep(s.bench.size.idle / 2)
	memory := atMost(200)
	if s.database != nil {
		memory = atMost(50)
	}
	cpu := cpuOf(full.servers[0].cmd.Process.Pid)
	time.Sleep(s.bench.size.idle)
	used := 100 * (cpuOf(full.servers[0].cmd.Process.Pid) - cpu).Seconds() / s.bench.size.idle.Seconds()
	asleep := fmt.Sprintf("%d sleeping: ", n)
	report.limit(asleep+"memory of the service above idle", s, "%.0f MiB", rssOf(full.servers[0].cmd.Process.Pid)-s.idleRSS, memory)
	report.add(row{name: asleep + "CPU of the idle service", system: s, product: fmt.Sprintf("%.1f %% of a core", used)})
	if err := s.besideRounds(full, asleep); err != nil {
		return err
	}
	if s.redis != nil {
		s.bench.phase(s.kind+": Redis", func() error { return full.redisRow() })
	}
	s.bench.phase(s.kind+": reads", func() error { return full.readRows(asleep) })
	return nil
}

// besideRounds measures throughput and latency without and with the backlog, in turn, in rounds of half the
// usual size.
func (s *system) besideRounds(full *system, asleep string) error {
	var rates [2][]float64
	var waits [2][]latency
	for round := range s.bench.rounds + 1 {
		both := []*system{s, full}
		for n := range 4 { // twice in turn
			speed, err := both[n%2].throughput(load{workflows: s.bench.workflows / 2})
			if err != nil {
				return err
			}
			if round > 0 {
				rates[n%2] = append(rates[n%2], speed.rate)
			}
		}
		for i, which := range both {
			wait, err := which.latency()
			if err != nil {
				return err
			}
			if round > 0 {
				waits[i] = append(waits[i], wait)
			}
		}
	}
	report := s.bench.report
	report.compare(asleep+"throughput ÷ without (in place of the floor)", s, "%.0f steps/s", median(rates[0]), median(rates[1]), atLeast(0.9))
	report.compare(asleep+"create → first POST, p50 ÷ without", s, "%.2f ms", medianOf(waits[0], firstOf), medianOf(waits[1], firstOf), atMost(1.2))
	report.compare(asleep+"answer → next POST, p50 ÷ without", s, "%.2f ms", medianOf(waits[0], nextOf), medianOf(waits[1], nextOf), atMost(1.2))
	return nil
}

// redisRow creates sleeping workflows over the API and measures what Redis holds for each.
func (s *system) redisRow() error {
	n := s.bench.size.creates * s.bench.rounds / batchSize * batchSize
	options, err := redis.ParseURL(s.redisURL)
	if err != nil {
		return err
	}
	client := redis.NewClient(options)
	defer client.Close()
	const scheduled = "asynq:{default}:scheduled"
	before, err := usedMemory(s.bench.ctx, client)
	if err != nil {
		return err
	}
	held := client.ZCard(s.bench.ctx, scheduled).Val()
	for range n / batchSize {
		if err := s.createBatches("Sleeper", "", batchSize); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond) // ringing is in the background and drops what is too much
	}
	time.Sleep(time.Second)
	after, err := usedMemory(s.bench.ctx, client)
	if err != nil {
		return err
	}
	jobs := client.ZCard(s.bench.ctx, scheduled).Val() - held
	if jobs == 0 {
		return errors.New("no job reached Redis")
	}
	s.bench.report.limit("memory of Redis for each sleeping job", s, "%.0f B", float64(after-before)/float64(jobs), atMost(600))
	s.bench.report.note("PostgreSQL + Redis: Redis held %d jobs of %d sleeping workflows that were created over the API; those loaded by SQL have none.", jobs, n)
	return nil
}

// usedMemory is what Redis holds, in bytes.
func usedMemory(ctx context.Context, client *redis.Client) (int64, error) {
	text, err := client.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	var used int64
	_, rest, _ := strings.Cut(text, "used_memory:")
	_, err = fmt.Sscan(rest, &used)
	return used, err
}
