package handlers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/genevadrive/genevadrive/domain"
)

const (
	// requestTimeout bounds the work for one request; a database that hangs longer is unavailable.
	requestTimeout = 30 * time.Second
	// writeMargin is what is left then to write the answer.
	writeMargin = 10 * time.Second
)

// clientGone is what the access log says in place of a code when the client did not wait for the answer, or
// the server ended.
const clientGone = "client_gone"

// statusClientGone is the status in the access log then, whatever was sent.
const statusClientGone = 499

// requestInfo is what the edge learns about a request; it is filled in on the way inwards.
type requestInfo struct {
	id            string // which its response carries as x-request-id
	keyName       string // of the API key it came with; it scopes idempotency keys
	callbackToken string // of a callback, in place of a key; the engine judges it
	traceparent   string // its W3C trace context, "" if it came without a proper one
	mediaType     string // of its body, without parameters: one that its operation reads
	bodyRead      bool   // all of it; what the request has as its body then is a copy

	// digest identifies the body of a request that has an Idempotency-Key: two bodies that differ only in white space or
	// the order of keys have the same, and no body is the same as {}. It is zero for other requests.
	digest [sha256.Size]byte

	code     string             // of the problem it was answered with
	members  [][]domain.Problem // of a batch: what is wrong with each; nil: nothing with any
	problems problems
}

type infoKey struct{}

func infoOf(ctx context.Context) *requestInfo {
	if info, ok := ctx.Value(infoKey{}).(*requestInfo); ok {
		return info
	}
	return &requestInfo{problems: problems{log: slog.New(slog.DiscardHandler)}}
}

var (
	traceparentForm = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
	requestIDForm   = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)
)

// identify gives each request its id: the client's own if it sent a proper one, else a new one.
func identify(newID func() string, p problems) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			info := &requestInfo{id: r.Header.Get("X-Request-Id"), problems: p}
			if !requestIDForm.MatchString(info.id) {
				info.id = newID()
			}
			if trace := r.Header.Get("Traceparent"); traceparentForm.MatchString(trace) {
				info.traceparent = trace
			}
			h := w.Header()
			h.Set("X-Request-Id", info.id)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Cache-Control", "no-store")
			h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), infoKey{}, info)))
		})
	}
}

// limitTime ends the context of a request when the time of its operation is over. It runs after routing.
func limitTime(c *contract) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			limit := requestTimeout
			if op := c.operationOf(r); op != nil && op.timeLimit > limit {
				limit = op.timeLimit
				// The server's write timeout is for the others. Without a connection, as in tests, there is none.
				_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit + writeMargin))
			}
			ctx, cancel := context.WithTimeout(r.Context(), limit)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// Served is what became of a request.
type Served struct {
	Method string
	Route  string // as the contract writes it, like /v1/workflows/{id}; "" if the path leads nowhere
	Status int    // 499 if the client did not wait for the answer
	Took   time.Duration
}

// logAccess tells served of each request, if it is not nil, and writes one line for each: probes and scrapes at
// debug, the rest at info.
func logAccess(log *slog.Logger, served func(Served)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			started := time.Now()
			ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				ctx := r.Context()
				info := infoOf(ctx)
				done := Served{Method: r.Method, Route: chi.RouteContext(ctx).RoutePattern(), Status: ww.Status(), Took: time.Since(started)}
				if info.code == clientGone {
					done.Status = statusClientGone
				}
				if served != nil {
					served(done)
				}
				level := slog.LevelInfo
				if !strings.HasPrefix(r.URL.Path, "/v1/") {
					level = slog.LevelDebug
				}
				if !log.Enabled(ctx, level) {
					return
				}
				attrs := []slog.Attr{
					slog.String("request_id", info.id),
					slog.String("method", r.Method),
					slog.String("path", r.URL.Path),
					slog.String("route", done.Route),
					slog.Int("status", done.Status),
					slog.Int("bytes", ww.BytesWritten()),
					slog.Duration("duration", done.Took),
					slog.String("key", info.keyName),
					slog.String("remote", r.RemoteAddr),
				}
				if info.code != "" {
					attrs = append(attrs, slog.String("code", info.code))
				}
				record := slog.NewRecord(started.Add(done.Took), level, "request", 0) // as the engine's lines, without a look for the caller
				record.AddAttrs(attrs...)
				_ = log.Handler().Handle(ctx, record)
			}()
			next.ServeHTTP(ww, r)
		})
	}
}

// wroteAlready reports whether the status of a response is out.
func wroteAlready(w http.ResponseWriter) bool {
	ww, ok := w.(middleware.WrapResponseWriter)
	return ok && ww.Status() != 0
}

// recoverPanic turns a panic into a 500 and a log entry with its stack.
func recoverPanic(p problems) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				fault := recover()
				if fault == nil {
					return
				}
				if fault == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
					panic(fault)
				}
				p.log.ErrorContext(r.Context(), "panic while serving a request", "request_id", infoOf(r.Context()).id,
					"panic", fault, "stack", string(debug.Stack()))
				p.write(w, r, fmt.Errorf("panic: %v", fault))
			}()
			next.ServeHTTP(w, r)
		})
	}
}

// refuseForeignPages keeps web pages of other sites from having a browser send requests here.
func refuseForeignPages(p problems) func(http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.write(w, r, domain.Errorf(domain.CodeForbidden, "The server takes no requests from web pages of another origin."))
	}))
	return guard.Handler
}
