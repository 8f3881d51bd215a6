package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/genevadrive/genevadrive/persistence"
)

// workflow, execution and attempt are the rows of the tables of these names, as far as they are judged.
type workflow struct {
	id, state, data string
	history         []*execution // by seq
}

type execution struct {
	id, workflow, step, state, outcome string
	seq, attempt, interruptions        int
	started                            time.Time // of the last claim; zero: never claimed
	ended                              time.Time // zero: open
	attempts                           []attempt // those that came to nothing, by number
}

type attempt struct {
	number  int
	code    string
	started time.Time
	took    time.Duration
}

func (s *system) openStore() {
	store, err := persistence.Open(context.Background(), persistence.Config{URL: s.url, MaxConns: 4})
	if err != nil {
		s.program.Fatalf("open the database to judge by: %v", err)
	}
	s.store = store
	s.program.Cleanup(func() { _ = store.Close() })
}

// await waits until n workflows of a type have one of the states, or for patience.
func (s *system) await(typ string, n int, patience time.Duration, states ...string) error {
	deadline := time.Now().Add(patience)
	var last error
	for {
		got := 0
		rows, err := s.rows("SELECT state, count(*) FROM geneva_drive_workflows WHERE type = '" + typ + "' GROUP BY state")
		if err == nil {
			for _, r := range rows {
				if slices.Contains(states, text(r[0])) {
					got += int(number(r[1]))
				}
			}
			if got >= n {
				return nil
			}
			last = fmt.Errorf("after %s only %d of %d workflows are %v", patience, got, n, states)
		} else {
			last = err
		}
		if time.Now().After(deadline) {
			return last
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// histories reads every workflow of a type with its history.
func (s *system) histories(typ string) (map[string]*workflow, error) {
	all := map[string]*workflow{}
	rows, err := s.rows("SELECT id, state, data FROM geneva_drive_workflows WHERE type = '" + typ + "'")
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		all[text(r[0])] = &workflow{id: text(r[0]), state: text(r[1]), data: text(r[2])}
	}
	rows, err = s.rows("SELECT id, workflow_id, step_name, state, outcome, seq, attempt, interruptions, started_at, " +
		"coalesce(completed_at, failed_at, canceled_at, skipped_at) FROM geneva_drive_step_executions ORDER BY workflow_id, seq")
	if err != nil {
		return nil, err
	}
	byID := map[string]*execution{}
	for _, r := range rows {
		x := &execution{id: text(r[0]), workflow: text(r[1]), step: text(r[2]), state: text(r[3]), outcome: text(r[4]), seq: int(number(r[5])),
			attempt: int(number(r[6])), interruptions: int(number(r[7])), started: moment(r[8]), ended: moment(r[9])}
		if w := all[x.workflow]; w != nil {
			w.history = append(w.history, x)
			byID[x.id] = x
		}
	}
	rows, err = s.rows("SELECT execution_id, attempt, error_code, started_at, duration_ms FROM geneva_drive_attempts ORDER BY execution_id, attempt")
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if x := byID[text(r[0])]; x != nil {
			x.attempts = append(x.attempts, attempt{number: int(number(r[1])), code: text(r[2]), started: moment(r[3]),
				took: time.Duration(number(r[4])) * time.Millisecond})
		}
	}
	return all, nil
}

// rows runs a query and gives its values as the driver has them.
func (s *system) rows(query string, args ...any) ([][]any, error) {
	rows, err := s.store.DB().DB.QueryContext(context.Background(), query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return scanAll(rows)
}

func scanAll(rows *sql.Rows) ([][]any, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]any
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		all = append(all, values)
	}
	return all, rows.Err()
}

// text is a value as text, "" for NULL.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

// number is a value as a number, 0 for NULL.
func number(v any) int64 {
	n, err := strconv.ParseInt(text(v), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// moment is a value as a time, the zero time for NULL. SQLite has microseconds.
func moment(v any) time.Time {
	switch v := v.(type) {
	case time.Time:
		return v.UTC()
	case nil:
		return time.Time{}
	}
	return time.UnixMicro(number(v)).UTC()
}
