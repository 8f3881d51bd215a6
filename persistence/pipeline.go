package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// planAge is how old a plan may get. One that was made for a table of a few rows can be a walk through all of
// an index; nothing but the table's growth tells so.
const planAge = time.Second

// plannedAt is where a connection keeps when its plans were last thrown away.
const plannedAt = "genevadrive.planned_at"

// pipeline is a transaction of PostgreSQL in two round trips: BEGIN travels with the first query, COMMIT with
// the last statements. That the server commits only if each statement affected its rows is therefore part of
// the statements' text (see updateOne). The fixed texts of the write path are prepared once for a connection,
// unless its session is lent; Bun's share the connection in the simple protocol.
type pipeline struct {
	conn  *pgx.Conn
	fixed map[string]bool
	begun bool
	stale bool // a prepared statement no longer fits the schema, or is gone
}

func (t *pipeline) query(ctx context.Context, questions ...question) error {
	asked := make([]statement, len(questions))
	for i, q := range questions {
		asked[i] = statement{query: q.query, args: q.args}
	}
	return t.send(ctx, asked, false, func(i int, reader *pgconn.ResultReader) error { return t.read(questions[i], reader) })
}

// read hands on the rows of an answer.
func (t *pipeline) read(q question, reader *pgconn.ResultReader) error {
	rows := pgx.RowsFromResultReader(t.conn.TypeMap(), reader)
	defer rows.Close()
	for rows.Next() {
		if err := q.r.scan(rows); err != nil {
			return err
		}
		if err := q.read(q.r); err != nil {
			return err
		}
	}
	rows.Close()
	return rows.Err()
}

func (t *pipeline) exec(ctx context.Context, statements ...statement) error {
	if err := savable(statements); err != nil {
		return err
	}
	return t.send(ctx, statements, false, affects(statements))
}

func (t *pipeline) commit(ctx context.Context, statements ...statement) error {
	if err := savable(statements); err != nil {
		return err
	}
	err := t.send(ctx, statements, true, affects(statements))
	if err == nil {
		t.begun = false
		return nil
	}
	if unacknowledged(err) {
		return &commitError{err}
	}
	return err
}

// affects reads the answers to statements that change rows.
func affects(statements []statement) func(int, *pgconn.ResultReader) error {
	return func(i int, reader *pgconn.ResultReader) error {
		tag, err := reader.Close()
		if err == nil && tag.RowsAffected() != statements[i].rows {
			err = errGuard
		}
		return err
	}
}

// send sends everything in one message and reads the answers; the first error is the one that counts, since
// the server skips what follows it.
func (t *pipeline) send(ctx context.Context, statements []statement, commit bool, read func(i int, reader *pgconn.ResultReader) error) error {
	described := make([]*pgconn.StatementDescription, len(statements))
	encoded := make([]pgx.ExtendedQueryBuilder, len(statements))
	for i, st := range statements {
		var err error
		if t.fixed[st.query] {
			if described[i], err = t.conn.Prepare(ctx, st.query, st.query); err != nil {
				return err
			}
		}
		if err = encoded[i].Build(t.conn.TypeMap(), described[i], withoutArrays(st.args)); err != nil {
			return err
		}
		encodeArrays(&encoded[i], st.args)
	}

	begin := !t.begun
	t.begun = true
	p := t.conn.PgConn().StartPipeline(ctx)
	replan := begin && t.fixed != nil && t.plansAreOld()
	if replan {
		p.SendQueryParams("DISCARD PLANS", nil, nil, nil, nil)
	}
	if begin {
		p.SendQueryParams("BEGIN", nil, nil, nil, nil)
	}
	for i, st := range statements {
		e := &encoded[i]
		if described[i] != nil {
			p.SendQueryStatement(described[i], e.ParamValues, e.ParamFormats, e.ResultFormats)
		} else {
			p.SendQueryParams(st.query, e.ParamValues, nil, e.ParamFormats, e.ResultFormats)
		}
	}
	if commit {
		p.SendQueryParams("COMMIT", nil, nil, nil, nil)
	}
	err := p.Sync()
	if err == nil && replan {
		err = next(p, concluded)
	}
	if err == nil && begin {
		err = next(p, concluded)
	}
	for i := range statements {
		if err == nil {
			err = next(p, func(reader *pgconn.ResultReader) error { return read(i, reader) })
		}
	}
	if err == nil && commit {
		err = next(p, concluded)
	}
	if closed := p.Close(); err == nil {
		err = closed
	}
	return t.recognise(err)
}

// plansAreOld tells, once every planAge, that the connection is to plan its statements again.
func (t *pipeline) plansAreOld() bool {
	data, now := t.conn.PgConn().CustomData(), time.Now()
	last, planned := data[plannedAt].(time.Time)
	if planned && now.Sub(last) < planAge {
		return false
	}
	data[plannedAt] = now
	return planned
}

// concluded reads the answer to a statement that is about the transaction or the session.
func concluded(reader *pgconn.ResultReader) error {
	_, err := reader.Close()
	return err
}

// next reads the next answer of a pipeline.
func next(p *pgconn.Pipeline, read func(*pgconn.ResultReader) error) error {
	answer, err := p.GetResults()
	if err != nil {
		return err
	}
	reader, ok := answer.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("PostgreSQL answers a statement with %T", answer)
	}
	return read(reader)
}

// recognise finds the errors that the texts and the preparation of statements bring with them: a guarded
// statement whose count is wrong divides by zero.
func (t *pipeline) recognise(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "22012":
			return errGuard
		case "0A000", "26000":
			t.stale = true
		}
	}
	return err
}

func (t *pipeline) rollback() {
	if !t.begun || t.conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil || t.stale {
		_ = t.conn.Close(ctx)
	}
	t.begun = false
}
