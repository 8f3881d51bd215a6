package persistence

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// MaxTransactionBytes bounds what the decisions of one transaction bring with them, unless a single one brings more
// (DESIGN section 4).
const MaxTransactionBytes = 4 << 20

// Together is how many of the decisions, from the first on and at most as many, fit one transaction by what each brings
// with it: one always does.
func Together[T any](decisions []T, most int, bytes func(T) int) (n int) {
	sum := 0
	for _, d := range decisions[:min(len(decisions), most)] {
		if sum += bytes(d); sum > MaxTransactionBytes && n > 0 {
			break
		}
		n++
	}
	return n
}

// maxStatementBytes bounds the values of one statement of several rows. MariaDB refuses a packet of 16 MiB.
const maxStatementBytes = 1 << 20

var updateWorkflow = &update{
	table: workflowsTable,
	set: []column{
		{name: "state", kind: kindText}, {name: "current_step_name", kind: kindText},
		{name: "current_execution_id", kind: kindUUID}, {name: "data", kind: kindText, keep: true},
		{name: "exceptions_in_row", kind: kindInt}, {name: "paused_by", kind: kindText},
		{name: "pause_reason", kind: kindText}, {name: "paused_at", kind: kindTime},
		{name: "started_at", kind: kindTime}, {name: "finished_at", kind: kindTime},
		{name: "canceled_at", kind: kindTime}, {name: "updated_at", kind: kindTime},
	},
	extra: "lock_version = t.lock_version + 1",
	seen:  []column{{name: "lock_version", kind: kindInt}},
}

// moveWorkflow is for a workflow that stays in its state. It sets nothing that an index is over: SQLite writes anew
// each index over a column that is set, to whatever.
var moveWorkflow = updateWorkflow.part("current_step_name", "current_execution_id", "data", "exceptions_in_row", "started_at", "updated_at")

var updateExecution = &update{
	table: executionsTable,
	set: []column{
		{name: "state", kind: kindText}, {name: "outcome", kind: kindText}, {name: "scheduled_for", kind: kindTime},
		{name: "held", kind: kindBool}, {name: "attempt", kind: kindInt}, {name: "failures", kind: kindInt},
		{name: "interruptions", kind: kindInt}, {name: "fence", kind: kindText}, {name: "claimed_by", kind: kindUUID},
		{name: "deadline", kind: kindTime}, {name: "reason", kind: kindText},
		{name: "error_code", kind: kindText}, {name: "error_message", kind: kindText},
		{name: "error_backtrace", kind: kindText}, {name: "error_status", kind: kindInt},
		{name: "job_id", kind: kindText}, {name: "status", kind: kindInt}, {name: "duration_ms", kind: kindInt},
		{name: "answer_hash", kind: kindText},
		{name: "started_at", kind: kindTime}, {name: "completed_at", kind: kindTime},
		{name: "failed_at", kind: kindTime}, {name: "canceled_at", kind: kindTime}, {name: "skipped_at", kind: kindTime},
	},
	seen: []column{{name: "state", kind: kindText, state: true}, {name: "fence", kind: kindText}},
}

// endExecution is for an execution that ends without an error.
var endExecution = updateExecution.part("state", "outcome", "claimed_by", "deadline", "reason", "status", "duration_ms", "completed_at")

var insertWorkflow = &insert{
	table: workflowsTable,
	columns: []column{
		{name: "id", kind: kindUUID}, {name: "type", kind: kindText}, {name: "definition_version", kind: kindInt},
		{name: "subject_type", kind: kindText}, {name: "subject_id", kind: kindText}, {name: "state", kind: kindText},
		{name: "current_step_name", kind: kindText}, {name: "current_execution_id", kind: kindUUID},
		{name: "allow_multiple", kind: kindBool}, {name: "data", kind: kindText},
		{name: "traceparent", kind: kindText}, {name: "lock_version", kind: kindInt}, {name: "started_at", kind: kindTime},
		{name: "finished_at", kind: kindTime}, {name: "created_at", kind: kindTime}, {name: "updated_at", kind: kindTime},
	},
}

var insertExecution = &insert{
	table: executionsTable,
	columns: []column{
		{name: "id", kind: kindUUID}, {name: "workflow_id", kind: kindUUID}, {name: "seq", kind: kindInt},
		{name: "step_name", kind: kindText}, {name: "state", kind: kindText}, {name: "scheduled_for", kind: kindTime},
		{name: "held", kind: kindBool}, {name: "attempt", kind: kindInt}, {name: "fence", kind: kindText},
		{name: "claimed_by", kind: kindUUID}, {name: "deadline", kind: kindTime}, {name: "queue", kind: kindText},
		{name: "priority", kind: kindInt}, {name: "job_id", kind: kindText}, {name: "started_at", kind: kindTime},
		{name: "created_at", kind: kindTime},
	},
}

var insertAttempt = &insert{
	table: attemptsTable,
	columns: []column{
		{name: "execution_id", kind: kindUUID}, {name: "attempt", kind: kindInt}, {name: "started_at", kind: kindTime},
		{name: "duration_ms", kind: kindInt}, {name: "status", kind: kindInt}, {name: "error_code", kind: kindText},
		{name: "error_message", kind: kindText}, {name: "error_backtrace", kind: kindText},
		{name: "error_status", kind: kindInt}, {name: "response_excerpt", kind: kindText},
	},
}

var insertKeyRow = &insert{
	table: keysTable,
	columns: []column{
		{name: "scope", kind: kindText}, {name: "idempotency_key", kind: kindText}, {name: "fingerprint", kind: kindText},
		{name: "workflow_id", kind: kindUUID}, {name: "status", kind: kindInt}, {name: "created_at", kind: kindTime},
	},
}

// saving gathers the rows of the changes of one transaction.
type saving struct {
	workflows, executions                             []rewrite
	newWorkflows, newExecutions, newAttempts, newKeys [][]any
}

// rewrite is a row of an update: its values as they were read, and as they become.
type rewrite struct{ before, after []any }

// add takes the change of a row that was read under its lock.
func (s *saving) add(seen Row, c *domain.Change) {
	s.workflows = append(s.workflows, rewrite{workflowUpdate(&seen.Workflow, &seen.Workflow), workflowUpdate(&seen.Workflow, &c.Workflow)})
	if c.Execution != nil {
		s.executions = append(s.executions, rewrite{executionUpdate(seen.Execution, seen.Execution), executionUpdate(seen.Execution, c.Execution)})
	}
	s.addNew(c)
}

// addNew takes the rows that the change adds beside the workflow.
func (s *saving) addNew(c *domain.Change) {
	if c.Next != nil {
		s.newExecutions = append(s.newExecutions, executionInsert(c.Next))
	}
	if c.Attempt != nil {
		s.newAttempts = append(s.newAttempts, attemptInsert(c.Attempt))
	}
}

// statements gives what is to be run. Executions end before their successors begin, since a workflow has one
// open execution at a time.
func (s *saving) statements(d *dialect) []statement {
	var all []statement
	all = d.updates(all, updateWorkflow, s.workflows)
	all = d.updates(all, updateExecution, s.executions)
	all = d.inserts(all, insertWorkflow, s.newWorkflows)
	all = d.inserts(all, insertExecution, s.newExecutions)
	all = d.inserts(all, insertAttempt, s.newAttempts)
	return d.inserts(all, insertKeyRow, s.newKeys)
}

// updates appends the statements that write the rows: one for all, as far as they are not too large, or one
// for each where that is cheaper.
func (d *dialect) updates(all []statement, u *update, rows []rewrite) []statement {
	groups := [][]rewrite{rows}
	if d.narrows {
		groups = alike(rows)
	}
	for _, rows := range groups {
		for len(rows) > 0 {
			n := d.chunk(len(rows), func(i int) []any { return rows[i].after })
			if d.narrows {
				n = min(n, rowsTogether)
				all = append(all, d.narrow(u, rows[:n]))
			} else {
				all = append(all, d.fixed(u.narrowest(rows[:n]), rows[:n]))
			}
			rows = rows[n:]
		}
	}
	return all
}

// fixed is an update by one of the texts that are the same each time.
func (d *dialect) fixed(u *update, rows []rewrite) statement {
	if len(rows) == 1 {
		return statement{query: d.text.updateOne[u], args: u.values(rows[0]), rows: 1}
	}
	values := make([][]any, len(rows))
	for i, row := range rows {
		values[i] = u.values(row)
	}
	return statement{query: d.text.updateMany[u], args: arrays(u.columns(), values), rows: 1}
}

// insertedTogether is how many rows SQLite inserts by one text, while there are so many: it opens an index once for
// all of them.
const insertedTogether = 50

func (d *dialect) inserts(all []statement, in *insert, rows [][]any) []statement {
	for len(rows) > 0 {
		n := d.chunk(len(rows), func(i int) []any { return rows[i] })
		if d.oneFile && len(rows) >= insertedTogether {
			n = insertedTogether
		}
		st := statement{rows: int64(n)}
		switch {
		case n == 1:
			st.query, st.args = d.text.insertOne[in], rows[0]
		case d.oneFile:
			st.query, st.args = d.text.insertMany[in], slices.Concat(rows[:n]...)
		case d.counted:
			st.query, st.args = d.text.insertMany[in], arrays(in.columns, rows[:n])
		default:
			st.query, st.args = d.insertMany(in, n), slices.Concat(rows[:n]...)
		}
		if d.narrows {
			st.rows = 0 // it fails unless all are there, and a guard is a statement more
		}
		all, rows = append(all, st), rows[n:]
	}
	return all
}

// chunk is how many of n rows go into the next statement.
func (d *dialect) chunk(n int, row func(i int) []any) int {
	if d.oneFile { // no round trips to save, and one text to prepare
		return 1
	}
	if d.counted {
		n = min(n, rowsTogether)
	}
	bytes := 0
	for i := range n {
		if bytes += size(row(i)); bytes > maxStatementBytes && i > 0 {
			return i
		}
	}
	return n
}

// size is about how long a row of values is.
func size(row []any) int {
	n := 32 * len(row)
	for _, v := range row {
		if text, ok := v.(string); ok {
			n += len(text)
		}
	}
	return n
}

func workflowUpdate(seen, w *domain.Workflow) []any {
	var data any
	if string(w.Data) != string(seen.Data) {
		data = string(w.Data)
	}
	by, reason, at := pauseValues(w.Pause)
	return []any{
		string(w.State), orNull(w.CurrentStepName), idOrNull(w.CurrentExecutionID), data,
		int64(w.ExceptionsInRow), by, reason, at,
		timeOrNull(w.StartedAt), timeOrNull(w.FinishedAt), timeOrNull(w.CanceledAt), w.UpdatedAt,
		w.ID, seen.LockVersion,
	}
}

func executionUpdate(seen, e *domain.Execution) []any {
	code, message, backtrace, status := errorValues(e.Error)
	return []any{
		string(e.State), orNull(string(e.Outcome)), e.ScheduledFor, e.Held, int64(e.Attempt), int64(e.Failures),
		int64(e.Interruptions), string(e.Fence), idOrNull(e.ClaimedBy), timeOrNull(e.Deadline), orNull(e.Reason),
		code, message, backtrace, status, orNull(e.JobID), numberOrNull(e.Status), e.DurationMS, orNull(e.AnswerHash),
		timeOrNull(e.StartedAt), timeOrNull(e.CompletedAt), timeOrNull(e.FailedAt), timeOrNull(e.CanceledAt), timeOrNull(e.SkippedAt),
		e.ID, string(seen.State), string(seen.Fence),
	}
}

func workflowInsert(w *domain.Workflow) []any {
	return []any{
		w.ID, w.Type, int64(w.DefinitionVersion), w.SubjectType, w.SubjectID, string(w.State),
		orNull(w.CurrentStepName), idOrNull(w.CurrentExecutionID), w.AllowMultiple, string(w.Data),
		orNull(w.Traceparent), w.LockVersion, timeOrNull(w.StartedAt), timeOrNull(w.FinishedAt), w.CreatedAt, w.UpdatedAt,
	}
}

func executionInsert(e *domain.Execution) []any {
	return []any{
		e.ID, e.WorkflowID, int64(e.Seq), e.StepName, string(e.State), e.ScheduledFor, e.Held, int64(e.Attempt),
		string(e.Fence), idOrNull(e.ClaimedBy), timeOrNull(e.Deadline), e.Queue, int64(e.Priority), orNull(e.JobID),
		timeOrNull(e.StartedAt), e.CreatedAt,
	}
}

func attemptInsert(a *domain.Attempt) []any {
	return []any{
		a.ExecutionID, int64(a.Attempt), a.StartedAt, a.DurationMS, numberOrNull(a.Status), string(a.Error.Code),
		a.Error.Message, orNull(a.Error.Backtrace), numberOrNull(a.Error.Status), orNull(a.Excerpt),
	}
}

func keyInsert(k *IdempotencyKey, now time.Time) []any {
	return []any{k.Scope, k.Key, k.Fingerprint, k.WorkflowID, int64(k.Status), now}
}

func pauseValues(p *domain.Pause) (by, reason, at any) {
	if p == nil {
		return nil, nil, nil
	}
	return string(p.By), orNull(p.Reason), p.At
}

func errorValues(e *domain.ExecutionError) (code, message, backtrace, status any) {
	if e == nil {
		return nil, nil, nil, nil
	}
	return string(e.Code), e.Message, orNull(e.Backtrace), numberOrNull(e.Status)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func numberOrNull(n int) any {
	if n == 0 {
		return nil
	}
	return int64(n)
}

func idOrNull(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id
}

func timeOrNull(t *time.Time) any {
	if t == nil {
		return nil
	}
	return *t
}
