package persistence

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// The tables.
const (
	definitionsTable = "geneva_drive_definitions"
	workflowsTable   = "geneva_drive_workflows"
	executionsTable  = "geneva_drive_step_executions"
	attemptsTable    = "geneva_drive_attempts"
	serversTable     = "geneva_drive_servers"
	keysTable        = "geneva_drive_idempotency_keys"
	subjectsTable    = "geneva_drive_subjects"
	erasuresTable    = "geneva_drive_erasures"
	endpointsTable   = "geneva_drive_endpoints"
)

// The columns of a row in the order in which record reads and the write path writes them, with the aliases
// that every query uses: w for workflows, e for step executions, a for attempts.
const (
	workflowColumns = "w.id, w.type, w.definition_version, w.subject_type, w.subject_id, w.state, " +
		"w.current_step_name, w.current_execution_id, w.allow_multiple, w.data, w.exceptions_in_row, " +
		"w.paused_by, w.pause_reason, w.paused_at, w.traceparent, w.lock_version, " +
		"w.started_at, w.finished_at, w.canceled_at, w.created_at, w.updated_at"
	executionColumns = "e.id, e.workflow_id, e.seq, e.step_name, e.state, e.outcome, e.scheduled_for, e.held, " +
		"e.attempt, e.failures, e.interruptions, e.fence, e.claimed_by, e.deadline, e.queue, e.priority, e.reason, " +
		"e.error_code, e.error_message, e.error_backtrace, e.error_status, e.job_id, e.status, e.duration_ms, e.answer_hash, " +
		"e.started_at, e.completed_at, e.failed_at, e.canceled_at, e.skipped_at, e.created_at"
	attemptColumns = "a.execution_id, a.attempt, a.started_at, a.duration_ms, a.status, " +
		"a.error_code, a.error_message, a.error_backtrace, a.error_status, a.response_excerpt"

	workflowWidth  = 21
	executionWidth = 31
	attemptWidth   = 10
)

// record reads the columns of a row one after another, whatever the driver makes of them. The first column
// that is not what was expected sets err, which the caller asks for once at the end.
type record struct {
	values []any
	dest   []any
	at     int
	err    error
}

func newRecord(width int) *record {
	r := &record{values: make([]any, width), dest: make([]any, width)}
	for i := range r.values {
		r.dest[i] = &r.values[i]
	}
	return r
}

// scanner is the current row of a query: *sql.Rows or *sql.Row.
type scanner interface{ Scan(dest ...any) error }

// scan takes the values of the current row.
func (r *record) scan(row scanner) error {
	r.at, r.err = 0, nil
	return row.Scan(r.dest...)
}

// take takes the values of the current row of a driver.
func (r *record) take(values []driver.Value) {
	r.at, r.err = 0, nil
	for i, v := range values {
		r.values[i] = v
	}
}

func (r *record) next() any {
	v := r.values[r.at]
	r.at++
	return v
}

func (r *record) fail(v any, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("column %d of the row is %T where %s belongs", r.at, v, want)
	}
}

// text gives "" for NULL.
func (r *record) text() string {
	switch v := r.next().(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	default:
		r.fail(v, "text")
		return ""
	}
}

func (r *record) json() json.RawMessage {
	switch v := r.next().(type) {
	case string:
		return json.RawMessage(v)
	case []byte:
		return v
	default:
		r.fail(v, "JSON text")
		return nil
	}
}

// int64 gives 0 for NULL.
func (r *record) int64() int64 {
	switch v := r.next().(type) {
	case nil:
		return 0
	case int64:
		return v
	case int32:
		return int64(v)
	case []byte:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil {
			r.fail(v, "a number")
		}
		return n
	default:
		r.fail(v, "a number")
		return 0
	}
}

func (r *record) int() int { return int(r.int64()) }

func (r *record) bool() bool {
	if v, ok := r.values[r.at].(bool); ok {
		r.at++
		return v
	}
	return r.int64() != 0
}

// uuid gives uuid.Nil for NULL.
func (r *record) uuid() uuid.UUID {
	var id uuid.UUID
	var err error
	switch v := r.next().(type) {
	case nil:
	case [16]byte:
		id = v
	case string:
		id, err = uuid.Parse(v)
	case []byte:
		id, err = uuid.ParseBytes(v)
	default:
		r.fail(v, "a UUID")
	}
	if err != nil {
		r.fail(id, "a UUID")
	}
	return id
}

func (r *record) time() time.Time {
	switch v := r.next().(type) {
	case time.Time:
		return v.UTC()
	case int64:
		return time.UnixMicro(v).UTC()
	default:
		r.fail(v, "a time")
		return time.Time{}
	}
}

// timePtr gives nil for NULL.
func (r *record) timePtr() *time.Time {
	if r.values[r.at] == nil {
		r.at++
		return nil
	}
	t := r.time()
	return &t
}

// workflow reads workflowColumns.
func (r *record) workflow() domain.Workflow {
	w := domain.Workflow{
		ID: r.uuid(), Type: r.text(), DefinitionVersion: r.int(), SubjectType: r.text(), SubjectID: r.text(),
		State: domain.WorkflowState(r.text()), CurrentStepName: r.text(), CurrentExecutionID: r.uuid(),
		AllowMultiple: r.bool(), Data: r.json(), ExceptionsInRow: r.int(),
	}
	by, reason, at := r.text(), r.text(), r.timePtr()
	if at != nil {
		w.Pause = &domain.Pause{By: domain.PausedBy(by), Reason: reason, At: *at}
	}
	w.Traceparent, w.LockVersion = r.text(), r.int64()
	w.StartedAt, w.FinishedAt, w.CanceledAt = r.timePtr(), r.timePtr(), r.timePtr()
	w.CreatedAt, w.UpdatedAt = r.time(), r.time()
	return w
}

// execution reads executionColumns.
func (r *record) execution() domain.Execution {
	e := domain.Execution{
		ID: r.uuid(), WorkflowID: r.uuid(), Seq: r.int(), StepName: r.text(),
		State: domain.ExecutionState(r.text()), Outcome: domain.Outcome(r.text()),
		ScheduledFor: r.time(), Held: r.bool(), Attempt: r.int(), Failures: r.int(), Interruptions: r.int(),
		Fence: domain.Fence(r.text()), ClaimedBy: r.uuid(), Deadline: r.timePtr(),
		Queue: r.text(), Priority: r.int(), Reason: r.text(),
	}
	fault := domain.ExecutionError{
		Code: domain.ErrorCode(r.text()), Message: r.text(), Backtrace: r.text(), Status: r.int(),
	}
	if fault.Code != "" {
		e.Error = &fault
	}
	e.JobID, e.Status, e.DurationMS, e.AnswerHash = r.text(), r.int(), r.int64(), r.text()
	e.StartedAt, e.CompletedAt, e.FailedAt = r.timePtr(), r.timePtr(), r.timePtr()
	e.CanceledAt, e.SkippedAt, e.CreatedAt = r.timePtr(), r.timePtr(), r.time()
	return e
}

// attempt reads attemptColumns.
func (r *record) attempt() domain.Attempt {
	return domain.Attempt{
		ExecutionID: r.uuid(), Attempt: r.int(), StartedAt: r.time(), DurationMS: r.int64(), Status: r.int(),
		Error: domain.ExecutionError{
			Code: domain.ErrorCode(r.text()), Message: r.text(), Backtrace: r.text(), Status: r.int(),
		},
		Excerpt: r.text(),
	}
}
