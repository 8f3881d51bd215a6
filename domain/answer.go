package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// Action is what an answer asks for.
type Action string

// The actions (DESIGN section 5).
const (
	ActionComplete  Action = "complete"
	ActionSkip      Action = "skip"
	ActionReattempt Action = "reattempt"
	ActionPause     Action = "pause"
	ActionCancel    Action = "cancel"
	ActionFinish    Action = "finish"
	ActionFail      Action = "fail"
)

var actions = []string{"complete", "skip", "reattempt", "pause", "cancel", "finish", "fail"}

// What is kept of the texts of an answer, in bytes; longer ones are cut.
const (
	maxReason    = 2 << 10
	maxMessage   = 4 << 10
	maxBacktrace = 64 << 10
)

// Answer is what a receiver says about a step execution (DESIGN section 5).
type Answer struct {
	Action    Action
	Wait      *time.Duration // reattempt
	At        *time.Time     // reattempt
	Reason    string
	Data      json.RawMessage // a JSON merge patch on the workflow's data; nil: none
	Next      *NextOptions    // complete, skip
	Message   string          // fail
	Backtrace string          // fail
	Retryable bool            // fail
}

// NextOptions override the settings of the step that follows.
type NextOptions struct {
	Wait     *time.Duration
	At       *time.Time
	Queue    string // "": the step's own
	Priority *int
}

type answerBody struct {
	Action    *string         `json:"action"`
	Wait      *Duration       `json:"wait"`
	At        *atValue        `json:"at"`
	Reason    string          `json:"reason"`
	Data      json.RawMessage `json:"data"`
	Next      *nextBody       `json:"next"`
	Error     *errorBody      `json:"error"`
	Retryable *bool           `json:"retryable"`
}

type nextBody struct {
	Wait     *Duration `json:"wait"`
	At       *atValue  `json:"at"`
	Queue    *string   `json:"queue"`
	Priority *int      `json:"priority"`
}

type errorBody struct {
	Message   *string `json:"message"`
	Backtrace string  `json:"backtrace"`
}

type atValue time.Time

func (v *atValue) UnmarshalText(text []byte) error {
	t, err := ParseTime(string(text))
	*v = atValue(t)
	return err
}

func (v *atValue) time() *time.Time { return (*time.Time)(v) }

// rfc3339 is the exact form; the time package also takes one-digit hours, a decimal comma, and offsets to +24:60.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$`)

// ParseTime reads an RFC 3339 time from 1970 to 9000, which every database can keep and compare, whatever its
// zone, and gives it in UTC, in microseconds. Requests and answers may name no others.
func ParseTime(s string) (time.Time, error) {
	upper := strings.ToUpper(s) // t and z may be in lower case
	t, err := time.Parse(time.RFC3339, upper)
	if err != nil || !rfc3339.MatchString(upper) || t.UTC().Year() < 1970 || t.UTC().Year() > 9000 {
		return time.Time{}, fmt.Errorf(`%s is not a time from 1970 to 9000; write RFC 3339, for example "2026-01-02T03:04:05Z"`, quoted(s))
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

// ParseAnswer reads the body of a 2xx response or a callback. An empty body means complete. The error has
// the code unreadable_body when the body is not JSON at all, and invalid_answer, with every problem, when it
// is JSON but no answer. null stands for a member that is not there, but not for the action, which decides. queues
// are the names that next.queue may have.
func ParseAnswer(body []byte, queues []string) (*Answer, error) {
	if len(bytes.Trim(body, " \t\r\n")) == 0 {
		return &Answer{Action: ActionComplete}, nil
	}
	var b answerBody
	if err := strictjson.Decode(body, &b); err != nil {
		return nil, answerError(body, err)
	}
	if nullAction(body) {
		return nil, invalidAnswer([]Problem{{Pointer: "#/action", Detail: "expected a string, not null; the actions are " + strings.Join(actions, ", ") + "."}})
	}
	a := b.answer()
	if problems := b.check(a, queues); len(problems) > 0 {
		return nil, invalidAnswer(problems)
	}
	return a, nil
}

// nullAction tells whether an answer that has been read has null for its action, which the reader of JSON takes for none.
func nullAction(body []byte) bool {
	if !bytes.Contains(body, []byte("null")) {
		return false
	}
	var given map[string]json.RawMessage
	return json.Unmarshal(body, &given) == nil && string(given["action"]) == "null"
}

func answerError(body []byte, err error) error {
	var fields strictjson.FieldErrors
	if errors.As(err, &fields) {
		problems := make([]Problem, len(fields))
		for i, f := range fields {
			problems[i] = Problem{Pointer: f.Pointer, Detail: f.Detail}
		}
		return invalidAnswer(problems)
	}
	if complete(body) {
		return invalidAnswer([]Problem{{Pointer: "#", Detail: err.Error()}})
	}
	return &Error{Code: CodeUnreadableBody, Detail: "The answer is not JSON: " + err.Error()}
}

// complete tells whether the body is one whole JSON document, whatever it says. json.Valid gives up on deep
// nesting, which the token reader does not mind.
func complete(body []byte) bool {
	if json.Valid(body) {
		return true
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	for depth, tokens := 0, 0; ; tokens++ {
		token, err := d.Token()
		switch {
		case err != nil:
			return err == io.EOF && depth == 0 && tokens > 0
		case depth == 0 && tokens > 0:
			return false
		case token == json.Delim('{'), token == json.Delim('['):
			depth++
		case token == json.Delim('}'), token == json.Delim(']'):
			depth--
		}
	}
}

func invalidAnswer(problems []Problem) error {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.Pointer + ": " + p.Detail
	}
	return &Error{Code: CodeInvalidAnswer, Problems: problems, Detail: "The body is JSON but no answer. " + strings.Join(texts, " ")}
}

func (b *answerBody) answer() *Answer {
	a := &Answer{Action: ActionComplete, Wait: (*time.Duration)(b.Wait), At: b.At.time(), Reason: cut(b.Reason, maxReason)}
	if b.Action != nil {
		a.Action = Action(*b.Action)
	}
	if len(b.Data) > 0 && string(b.Data) != "null" {
		a.Data = b.Data
	}
	if b.Next != nil {
		a.Next = &NextOptions{Wait: (*time.Duration)(b.Next.Wait), At: b.Next.At.time(), Priority: b.Next.Priority}
		if b.Next.Queue != nil {
			a.Next.Queue = *b.Next.Queue
		}
	}
	if b.Error != nil {
		a.Backtrace = cut(b.Error.Backtrace, maxBacktrace)
		if b.Error.Message != nil {
			a.Message = cut(*b.Error.Message, maxMessage)
		}
	}
	a.Retryable = b.Retryable != nil && *b.Retryable
	return a
}

func (b *answerBody) check(a *Answer, queues []string) (problems []Problem) {
	add := func(pointer, format string, args ...any) {
		problems = append(problems, Problem{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
	}
	if !slices.Contains(actions, string(a.Action)) {
		add("#/action", "Unknown action %q%s; the actions are %s.", cut(string(a.Action), 100), hint(string(a.Action), actions), strings.Join(actions, ", "))
		return problems
	}
	misplaced := func(given bool, name, place string) {
		if given {
			add("#/"+name, "%s goes with %s, not with the action %s.", name, place, a.Action)
		}
	}
	if a.Action != ActionReattempt {
		misplaced(a.Wait != nil, "wait", "the action reattempt (to delay the step that follows, write next.wait)")
		misplaced(a.At != nil, "at", "the action reattempt (to delay the step that follows, write next.at)")
	}
	if a.Wait != nil && a.At != nil {
		add("#/at", "Give wait or at, not both.")
	}
	if a.Action != ActionFail {
		misplaced(b.Error != nil, "error", "the action fail")
		misplaced(b.Retryable != nil, "retryable", "the action fail")
	} else if b.Error != nil && b.Error.Message == nil {
		add("#/error/message", "An error has a message; leave error out if there is nothing to say.")
	}
	if a.Data != nil && a.Action == ActionFail {
		add("#/data", "data does not go with the action fail: a failed attempt leaves nothing behind.")
	}
	if len(a.Data) > 0 && a.Data[0] != '{' {
		add("#/data", "data is a JSON merge patch on the workflow's data and must be an object.")
	}
	if a.Next == nil {
		return problems
	}
	misplaced(a.Action != ActionComplete && a.Action != ActionSkip, "next", "the actions complete and skip")
	if a.Next.Wait != nil && a.Next.At != nil {
		add("#/next/at", "Give wait or at, not both.")
	}
	if b.Next.Queue != nil && !slices.Contains(queues, a.Next.Queue) {
		add("#/next/queue", "Unknown queue %q%s; the queues are %s.", cut(a.Next.Queue, 100), hint(a.Next.Queue, queues), strings.Join(queues, ", "))
	}
	if p := a.Next.Priority; p != nil && (*p < 0 || *p > MaxPriority) {
		add("#/next/priority", "A priority is 0 (first) to %d.", MaxPriority)
	}
	return problems
}

func hint(word string, known []string) string {
	if near := strictjson.Nearest(word, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// cut shortens a text to at most limit bytes, at a character's edge.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}

func (a *Answer) failure(status int) *Failure {
	message := a.Message
	if message == "" {
		message = a.Reason
	}
	if message == "" {
		message = "The receiver answered that the step has failed."
	}
	return &Failure{Retryable: a.Retryable,
		ExecutionError: ExecutionError{Code: ErrReceiverFailed, Message: message, Backtrace: a.Backtrace, Status: status}}
}

// mergeData gives the workflow's data with a JSON merge patch applied.
func mergeData(data, patch json.RawMessage) (json.RawMessage, *Error) {
	if patch == nil {
		return data, nil
	}
	merged, err := strictjson.MergePatch(data, patch)
	if err != nil {
		return nil, ReadError(err, CodeInvalidRequest)
	}
	if len(merged) > MaxDataBytes {
		return nil, Errorf(CodeDataTooLarge, "With this patch the workflow's data would have %d bytes; %d are allowed.", len(merged), MaxDataBytes)
	}
	return merged, nil
}
