// Package domain holds the rules of the workflow engine: definitions, states, moves, answers, and what each
// answer or control verb does to a workflow. It is pure: it performs no I/O, opens no transaction and never
// asks the time or for randomness; both arrive as arguments. What should change comes back as values.
package domain

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Code is the stable, machine-readable name of a problem. It is the last part of the problem type
// "urn:genevadrive:problem:{code}" (DESIGN section 9) and never changes its meaning.
type Code string

// The codes of problems that a caller of the API can meet.
const (
	CodeInternal              Code = "internal"
	CodeUnavailable           Code = "unavailable"
	CodeUnauthorized          Code = "unauthorized"
	CodeForbidden             Code = "forbidden"
	CodeNotFound              Code = "not_found"
	CodeMethodNotAllowed      Code = "method_not_allowed"
	CodeUnsupportedMediaType  Code = "unsupported_media_type"
	CodeBodyTooLarge          Code = "body_too_large"
	CodeUnreadableBody        Code = "unreadable_body"
	CodeInvalidQuery          Code = "invalid_query"
	CodeInvalidRequest        Code = "invalid_request"
	CodeInvalidDefinition     Code = "invalid_definition"
	CodeInvalidAnswer         Code = "invalid_answer"
	CodeInvalidCursor         Code = "invalid_cursor"
	CodeDefinitionNotFound    Code = "definition_not_found"
	CodeWorkflowNotFound      Code = "workflow_not_found"
	CodeExecutionNotFound     Code = "step_execution_not_found"
	CodeEndpointNotFound      Code = "endpoint_not_found"
	CodeEndpointInUse         Code = "endpoint_in_use"
	CodeSubjectNotFound       Code = "subject_not_found"
	CodeWorkflowExists        Code = "workflow_exists"
	CodeInvalidTransition     Code = "invalid_transition"
	CodeStaleExecution        Code = "stale_execution"
	CodeUnknownStep           Code = "unknown_step"
	CodeDataTooLarge          Code = "data_too_large"
	CodeIdempotencyMismatch   Code = "idempotency_key_reused"
	CodeIdempotencyInProgress Code = "idempotency_in_progress"
	CodeInvalidIdempotencyKey Code = "invalid_idempotency_key"
	CodeAlreadyCompleted      Code = "already_completed"
	CodeExecutionSuperseded   Code = "execution_superseded"
	CodeCallbackExpired       Code = "callback_expired"
	CodeTestModeOff           Code = "test_mode_off"
	CodeEmptyFilter           Code = "empty_filter"
	CodePublicURLMissing      Code = "public_url_missing"
	CodeSecretKeyMissing      Code = "secret_key_missing"
)

// Problem is one fault of an input: where it is and what is wrong with it.
type Problem struct {
	Pointer   string `json:"pointer,omitempty"`   // JSON pointer as a URI fragment, "#/steps/2/wait"
	Parameter string `json:"parameter,omitempty"` // or the name of the query, path or header parameter
	Detail    string `json:"detail"`              // a sentence: what is wrong and what is expected
}

// Error is the one error type of the service. Detail and Problems are shown to clients; Cause never is.
type Error struct {
	Code     Code
	Detail   string
	Problems []Problem

	State       string // with invalid_transition: the state the workflow is in
	WorkflowID  string // with workflow_exists: the workflow that is in the way
	ExecutionID string // with stale_execution: the execution that is current now, if any

	Cause error
}

func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Detail
	if e.Cause != nil {
		s = strings.TrimSuffix(s, ".") + ": " + e.Cause.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error with a formatted detail sentence.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// CodeOf gives the code of an error, CodeInternal for one that is not an Error.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// Kind is a row of the table of problems: what a code means over HTTP.
type Kind struct {
	Code   Code
	Status int
	Title  string
	Help   string // what the caller can do
}

// Kinds lists every problem the API can answer with, by code. docs/errors.md is generated from it and the
// HTTP edge takes status and title from it.
func Kinds() []Kind {
	all := make([]Kind, 0, len(kinds))
	for code, k := range kinds {
		k.Code = code
		all = append(all, k)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Code < all[j].Code })
	return all
}

// KindOf gives the row of one code; an unknown code is treated as internal.
func KindOf(code Code) Kind {
	k, ok := kinds[code]
	if !ok {
		code, k = CodeInternal, kinds[CodeInternal]
	}
	k.Code = code
	return k
}

var kinds = map[Code]Kind{
	CodeInternal:              {Status: 500, Title: "Internal error", Help: "Nothing is known to have changed; repeat the request with the same Idempotency-Key, and report the request id if it persists."},
	CodeUnavailable:           {Status: 503, Title: "Temporarily unavailable", Help: "The database cannot be reached; repeat the request later with the same Idempotency-Key."},
	CodeUnauthorized:          {Status: 401, Title: "Unauthorized", Help: "Send Authorization: Bearer with one of the configured API keys; with a callback, the token of its delivery."},
	CodeForbidden:             {Status: 403, Title: "Forbidden", Help: "Without API keys, call the server as localhost; web pages of another origin may not call it at all."},
	CodeNotFound:              {Status: 404, Title: "Not found", Help: "Check the path against /openapi.yaml."},
	CodeMethodNotAllowed:      {Status: 405, Title: "Method not allowed", Help: "Use one of the methods in the Allow header."},
	CodeUnsupportedMediaType:  {Status: 415, Title: "Unsupported media type", Help: "Send Content-Type: application/json (definitions also application/yaml)."},
	CodeBodyTooLarge:          {Status: 413, Title: "Body too large", Help: "Request bodies are limited to 1 MiB, that of a batch to 8 MiB."},
	CodeUnreadableBody:        {Status: 400, Title: "Unreadable body", Help: "Send one well-formed document: no duplicate keys, no trailing data, no NUL characters, no lone surrogates, no whole numbers beyond ±2^53 (write them as strings), nothing more than 64 deep."},
	CodeInvalidQuery:          {Status: 400, Title: "Invalid query", Help: "Correct the query parameters that errors names."},
	CodeInvalidRequest:        {Status: 422, Title: "Invalid request", Help: "Correct the fields that errors names."},
	CodeInvalidDefinition:     {Status: 422, Title: "Invalid definition", Help: "Correct every problem that errors names, then register again."},
	CodeInvalidAnswer:         {Status: 422, Title: "Invalid answer", Help: "Send an answer as the protocol describes it."},
	CodeInvalidCursor:         {Status: 400, Title: "Invalid cursor", Help: "Repeat the list without a cursor, or with the filters the cursor was made for."},
	CodeDefinitionNotFound:    {Status: 404, Title: "Definition not found", Help: "Register the definition first, or name an existing version."},
	CodeWorkflowNotFound:      {Status: 404, Title: "Workflow not found", Help: "Check the id; finished workflows are deleted after the retention time."},
	CodeExecutionNotFound:     {Status: 404, Title: "Step execution not found", Help: "Check the id; the history of deleted workflows is deleted with them."},
	CodeEndpointNotFound:      {Status: 404, Title: "Endpoint not found", Help: "Create the endpoint first."},
	CodeEndpointInUse:         {Status: 409, Title: "Endpoint in use", Help: "Register definitions that no longer name it and wait for their open workflows, then delete it."},
	CodeSubjectNotFound:       {Status: 404, Title: "Subject not found", Help: "Push attributes for the subject first."},
	CodeWorkflowExists:        {Status: 409, Title: "Workflow exists", Help: "Use the workflow in workflow_id, or choose another on_conflict, or allow_multiple."},
	CodeInvalidTransition:     {Status: 409, Title: "Invalid transition", Help: "The workflow's state does not allow this; see state."},
	CodeStaleExecution:        {Status: 409, Title: "Stale step execution", Help: "The workflow has moved on; read it and decide again."},
	CodeUnknownStep:           {Status: 422, Title: "Unknown step", Help: "Name a step of the version the workflow is pinned to."},
	CodeDataTooLarge:          {Status: 422, Title: "Data too large", Help: "Workflow data and attributes are limited to 256 KiB each."},
	CodeIdempotencyMismatch:   {Status: 422, Title: "Idempotency key reused", Help: "Use a new Idempotency-Key for a different request."},
	CodeIdempotencyInProgress: {Status: 409, Title: "Request in progress", Help: "The first request with this Idempotency-Key is still being served; repeat in a moment."},
	CodeInvalidIdempotencyKey: {Status: 400, Title: "Invalid idempotency key", Help: "An Idempotency-Key has 1 to 255 visible characters; bulk, speedrun, rotate and PATCH take none."},
	CodeAlreadyCompleted:      {Status: 409, Title: "Already completed", Help: "This step execution already has another answer."},
	CodeExecutionSuperseded:   {Status: 409, Title: "Step execution superseded", Help: "Something else decided in place of this step execution; the answer was not used."},
	CodeCallbackExpired:       {Status: 410, Title: "Callback expired", Help: "The callback deadline has passed and the attempt has failed as callback_timeout."},
	CodeTestModeOff:           {Status: 403, Title: "Test mode is off", Help: "Start the server with GENEVADRIVE_TEST_MODE=true; never in production."},
	CodeEmptyFilter:           {Status: 422, Title: "Empty filter", Help: "Name at least one filter, so that not every workflow is meant."},
	CodePublicURLMissing:      {Status: 422, Title: "Public URL missing", Help: "Set GENEVADRIVE_PUBLIC_URL, the base of callback URLs."},
	CodeSecretKeyMissing:      {Status: 422, Title: "Secret key missing", Help: "Set GENEVADRIVE_SECRET_KEY, the same on every server; it seals the secrets of endpoints."},
}
