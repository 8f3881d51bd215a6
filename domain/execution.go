package domain

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Fence is the random token of one claim, 128 bits in hexadecimal; "" while never claimed. Whoever takes a
// claim away sets another one, so an answer under an old fence changes nothing (DESIGN section 1).
type Fence string

// MaxInterruptions is how many an execution may have: with the last of them it has failed for good (DESIGN section 3).
const MaxInterruptions = 5

// Execution is one scheduled run of one step: the idempotency key of its webhook and the unit of history.
type Execution struct {
	ID            uuid.UUID
	WorkflowID    uuid.UUID
	Seq           int // position in the history of the workflow, from 1
	StepName      string
	State         ExecutionState
	Outcome       Outcome
	ScheduledFor  time.Time
	Held          bool // scheduled, but its workflow is paused: not claimable
	Attempt       int  // claims so far; rises at claim, nowhere else
	Failures      int  // failed attempts; what max_attempts limits
	Interruptions int
	Fence         Fence
	ClaimedBy     uuid.UUID  // the server that executes it; uuid.Nil when none does
	Deadline      *time.Time // while executing: when the claim ends, or the wait for a callback
	Queue         string
	Priority      int
	Reason        string
	Error         *ExecutionError // of the last failed attempt; kept on every outcome
	JobID         string          // the doorbell's id, for debugging
	Status        int             // HTTP status of the delivery that was applied; 0: none
	DurationMS    int64           // and how long that took
	AnswerHash    string          // of the answer that ended it, on steps with callback_timeout: see Callback
	StartedAt     *time.Time      // last claim
	CompletedAt   *time.Time
	FailedAt      *time.Time
	CanceledAt    *time.Time
	SkippedAt     *time.Time
	CreatedAt     time.Time
}

// ErrorCode is an error.code of an execution or attempt (DESIGN section 5).
type ErrorCode string

// The error codes.
const (
	ErrHTTPStatus        ErrorCode = "http_status"
	ErrTimeout           ErrorCode = "timeout"
	ErrConnection        ErrorCode = "connection"
	ErrTLS               ErrorCode = "tls"
	ErrDNS               ErrorCode = "dns"
	ErrAddressRefused    ErrorCode = "address_refused"
	ErrRedirect          ErrorCode = "redirect"
	ErrInvalidAnswer     ErrorCode = "invalid_answer"
	ErrAnswerTooLarge    ErrorCode = "answer_too_large"
	ErrUnsavableAnswer   ErrorCode = "unsavable_answer"
	ErrDataTooLarge      ErrorCode = "data_too_large"
	ErrCondition         ErrorCode = "condition_error"
	ErrHookFailed        ErrorCode = "hook_failed"
	ErrReceiverFailed    ErrorCode = "receiver_failed"
	ErrInterrupted       ErrorCode = "interrupted"
	ErrCallbackTimeout   ErrorCode = "callback_timeout"
	ErrUnexpected202     ErrorCode = "unexpected_202"
	ErrStepMissing       ErrorCode = "step_missing"
	ErrEndpointMissing   ErrorCode = "endpoint_missing"
	ErrTooManyExecutions ErrorCode = "too_many_executions"
	ErrSuperseded        ErrorCode = "superseded" // only on attempts: the claim was taken away while in flight
)

// ExecutionError is what went wrong with an attempt.
type ExecutionError struct {
	Code      ErrorCode
	Message   string
	Backtrace string
	Status    int // HTTP status, 0: none
}

// ForLog gives the message without what it quotes of a workflow's data or of an answer, which neither the log nor a span may
// hold (docs/operations.md). It goes by the text, since an error that is read back from its row has nothing else.
func (e *ExecutionError) ForLog() string {
	var mark string // before what is quoted
	switch e.Code {
	case ErrHTTPStatus, ErrTimeout, ErrTLS, ErrDNS, ErrAddressRefused, ErrRedirect, ErrAnswerTooLarge, ErrDataTooLarge,
		ErrInterrupted, ErrCallbackTimeout, ErrUnexpected202, ErrStepMissing, ErrEndpointMissing, ErrTooManyExecutions, ErrSuperseded:
		return e.Message
	case ErrConnection:
		mark = " could not be read: "
		if _, cause, quotes := strings.Cut(e.Message, mark); !quotes || strings.HasPrefix(cause, "dial ") {
			return e.Message
		}
	case ErrCondition:
		mark = " failed: " // an expression that holds it is cut there
	case ErrHookFailed:
		mark = "): "
	case ErrUnsavableAnswer:
		mark = " this answer: "
	default: // the receiver's words, or those of a newer server
		return "The step execution says why."
	}
	own, _, found := strings.Cut(e.Message, mark)
	if !found {
		return "The step execution says why."
	}
	return own + strings.TrimSuffix(mark, ": ") + "; the step execution says why."
}

// Attempt records a delivery that failed, was interrupted or superseded. The one that succeeded is recorded
// on its execution (DESIGN section 7).
type Attempt struct {
	ExecutionID uuid.UUID
	Attempt     int
	StartedAt   time.Time
	DurationMS  int64
	Status      int
	Error       ExecutionError
	Excerpt     string // first 2 KiB of the response
}

// AwaitsCallback tells whether the execution waits for a late answer: executing, but no server's.
func (e *Execution) AwaitsCallback() bool {
	return e.State == ExecutionExecuting && e.ClaimedBy == uuid.Nil
}

func (e *Execution) move(event string, now time.Time) error {
	m, err := executionMove(event, e.State)
	if err != nil {
		return err
	}
	e.State, e.Outcome = m.To, m.Outcome
	if m.To != ExecutionExecuting {
		e.ClaimedBy, e.Deadline = uuid.Nil, nil
	}
	if m.To != ExecutionScheduled {
		e.Held = false
	}
	switch m.To {
	case ExecutionExecuting:
		if event == eventClaim {
			e.StartedAt = &now
		}
	case ExecutionCompleted:
		e.CompletedAt = &now
	case ExecutionFailed:
		e.FailedAt = &now
	case ExecutionCanceled:
		e.CanceledAt = &now
	case ExecutionSkipped:
		e.SkippedAt = &now
	}
	return nil
}

// cutShort records the delivery in flight as one that will have no effect, and replaces the fence, so that
// its late answer is refused. It gives nil for an execution that is not executing.
func (e *Execution) cutShort(fence Fence, code ErrorCode, message string, now time.Time) *Attempt {
	inFlight := e.State == ExecutionExecuting
	e.Fence = fence
	if !inFlight {
		return nil
	}
	return &Attempt{
		ExecutionID: e.ID, Attempt: e.Attempt, StartedAt: *e.StartedAt,
		DurationMS: now.Sub(*e.StartedAt).Milliseconds(),
		Error:      ExecutionError{Code: code, Message: message},
	}
}
