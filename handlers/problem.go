package handlers

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"

	"github.com/genevadrive/genevadrive/domain"
)

// retryAfterSeconds is what a 503 asks the client to wait.
const retryAfterSeconds = 5

// problem is an error on the wire (RFC 9457); api/openapi.yaml has it as Problem.
type problem struct {
	Type        string           `json:"type"`
	Title       string           `json:"title"`
	Status      int              `json:"status"`
	Code        domain.Code      `json:"code"`
	Detail      string           `json:"detail"`
	Errors      []domain.Problem `json:"errors,omitempty"`
	State       string           `json:"state,omitempty"`
	WorkflowID  string           `json:"workflow_id,omitempty"`
	ExecutionID string           `json:"step_execution_id,omitempty"`
}

// problems renders the errors of handlers and of the edge itself; nothing else writes an error response.
type problems struct{ log *slog.Logger }

// write answers a request with the problem an error is. Whatever is not a domain.Error is internal: it is
// logged with the request's id, and the client sees nothing of it. A request that was canceled, by its client
// or by the server's shutdown, is unavailable: net/http would make a 200 of a handler that writes nothing.
func (p problems) write(w http.ResponseWriter, r *http.Request, err error) {
	ctx := r.Context()
	info := infoOf(ctx)
	e := asDomainError(err)
	kind := domain.KindOf(e.Code)
	info.code = string(kind.Code)
	switch {
	case errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled):
		info.code = clientGone
	case kind.Status >= 500:
		p.log.ErrorContext(ctx, "request failed", "request_id", info.id, "method", r.Method, "path", r.URL.Path,
			"code", kind.Code, "error", err)
	}
	if wroteAlready(w) {
		panic(http.ErrAbortHandler) // half an answer must not look whole: net/http closes the connection
	}
	body := problemOf(e)
	text, err := json.Marshal(body)
	if err != nil {
		p.log.ErrorContext(ctx, "problem not written", "request_id", info.id, "error", err)
		text = []byte(`{}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if kind.Status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", strconv.Itoa(retryAfterSeconds))
	}
	if kind.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		askForBearer(w, "invalid_token")
	}
	w.WriteHeader(kind.Status)
	_, _ = w.Write(text) // the client may have gone; there is nobody left to tell
	drain(w, r)
}

// ofMember gives the problem of one member of a batch, whose request goes on.
func (p problems) ofMember(ctx context.Context, err error) problem {
	body := problemOf(asDomainError(err))
	if body.Status >= 500 {
		p.log.ErrorContext(ctx, "a member of a batch failed", "request_id", infoOf(ctx).id, "code", body.Code, "error", err)
	}
	return body
}

// problemOf is an error as a client sees it.
func problemOf(e *domain.Error) problem {
	kind := domain.KindOf(e.Code)
	body := problem{
		Type:        "urn:genevadrive:problem:" + string(kind.Code),
		Title:       kind.Title,
		Status:      kind.Status,
		Code:        kind.Code,
		Detail:      e.Detail,
		Errors:      e.Problems,
		State:       e.State,
		WorkflowID:  e.WorkflowID,
		ExecutionID: e.ExecutionID,
	}
	switch {
	case kind.Code == domain.CodeInternal:
		body.Detail = "Something went wrong on the server; it is in the server's log under this x-request-id."
	case body.Detail == "":
		body.Detail = kind.Help
	}
	return body
}

// asDomainError gives the domain.Error in err, or the one that stands for it: unavailable for a database
// that cannot be reached or does not answer in time, else internal.
func asDomainError(err error) *domain.Error {
	var e *domain.Error
	if errors.As(err, &e) {
		return e
	}
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return &domain.Error{Code: domain.CodeUnavailable, Detail: "The request was canceled.", Cause: err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.As(err, &network):
		return &domain.Error{Code: domain.CodeUnavailable, Detail: "The database cannot be reached, or did not answer in time.", Cause: err}
	}
	return &domain.Error{Code: domain.CodeInternal, Cause: err}
}
