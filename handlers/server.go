// Package handlers is the HTTP edge: it reads requests strictly, checks them against the contract, calls the
// engine, and renders what comes back, values and errors alike. It decides nothing about workflows and knows
// neither the database nor the queue.
package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
)

// Deps is what the edge needs.
type Deps struct {
	API     api.StrictServerInterface // nil: this server is a worker, which answers probes and scrapes only
	Keys    []Key                     // none: open, for a server that listens on loopback only
	Log     *slog.Logger
	Metrics http.Handler                // nil: there are no metrics
	Ready   func(context.Context) error // nil error: the database answers and has the schema
	NewID   func() string               // request ids; nil: UUIDs
	Served  func(Served)                // told of each request once it has been answered; nil: nobody

	// CallbackToken gives nil for the token of an execution; without it, API alone judges tokens, once it has the body.
	CallbackToken func(execution uuid.UUID, token string) error
}

// NewRouter assembles the edge. It fails only if the embedded contract is broken.
func NewRouter(d Deps) (http.Handler, error) {
	c, err := loadContract()
	if err != nil {
		return nil, err
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.NewID == nil {
		d.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	p := problems{log: d.Log}
	r := chi.NewRouter()
	r.Use(identify(d.NewID, p), logAccess(d.Log, d.Served), recoverPanic(p), middleware.GetHead, refuseForeignPages(p))
	r.NotFound(notFound(p))
	r.MethodNotAllowed(methodNotAllowed(r, p))

	timed := r.With(limitTime(c))
	timed.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { writeHealth(w) })
	timed.Get("/readyz", ready(d.Ready, p))
	timed.Get("/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(api.Document)
	})
	keyed := timed.With(authenticate(newKeyring(d.Keys), d.CallbackToken, c, p))
	if d.Metrics != nil {
		keyed.Method(http.MethodGet, "/metrics", d.Metrics)
	}
	if d.API == nil {
		r.HandleFunc("/v1/*", notServed(p))
		return r, nil
	}
	strict := api.NewStrictHandlerWithOptions(d.API, nil, api.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  func(w http.ResponseWriter, r *http.Request, err error) { p.write(w, r, undecodable(err)) },
		ResponseErrorHandlerFunc: p.write,
	})
	api.HandlerWithOptions(strict, api.ChiServerOptions{
		BaseRouter:       keyed.With(validate(c, p)),
		ErrorHandlerFunc: func(w http.ResponseWriter, r *http.Request, err error) { p.write(w, r, unbindable(err)) },
	})
	return r, nil
}

// NewHTTPServer gives a server whose limits keep slow or hostile clients from holding it.
func NewHTTPServer(addr string, h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      requestTimeout + writeMargin,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func writeHealth(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"ok"}` + "\n"))
}

func ready(check func(context.Context) error, p problems) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if check == nil {
			writeHealth(w)
			return
		}
		err := check(r.Context())
		var known *domain.Error
		switch {
		case err == nil:
			writeHealth(w)
			return
		case !errors.As(err, &known):
			err = &domain.Error{Code: domain.CodeUnavailable, Detail: "The database cannot be reached, or lacks the schema this server needs.", Cause: err}
		}
		p.write(w, r, err)
	}
}

func notFound(p problems) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.write(w, r, domain.Errorf(domain.CodeNotFound, "There is nothing at this path; /openapi.yaml lists what there is."))
	}
}

// methodNotAllowed answers 405 with the methods that the path has, and 404 if it has none: a method that the router
// does not know comes here whatever the path.
func methodNotAllowed(routes chi.Routes, p problems) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if r.URL.RawPath != "" {
			path = r.URL.RawPath
		}
		var allowed []string
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if routes.Match(chi.NewRouteContext(), method, path) {
				allowed = append(allowed, method)
			}
		}
		if allowed == nil {
			notFound(p)(w, r)
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		p.write(w, r, domain.Errorf(domain.CodeMethodNotAllowed, "This path has %s.", strings.Join(allowed, " and ")))
	}
}

// undecodable is for a body that fits the contract but not the generated types: a whole number written as
// 1.0 or 1e3, say.
func undecodable(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		pointer := "#"
		if wrongType.Field != "" {
			pointer += "/" + strings.ReplaceAll(wrongType.Field, ".", "/")
		}
		return domain.WithProblems(domain.CodeInvalidRequest, []domain.Problem{
			{Pointer: pointer, Detail: fmt.Sprintf("the %s cannot be read as it is written; write a whole number without point and exponent", wrongType.Value)},
		})
	}
	return &domain.Error{Code: domain.CodeInvalidRequest, Detail: "The body does not fit the contract.", Cause: err}
}

// unbindable is for a parameter that fits the contract but not the generated types.
func unbindable(err error) error {
	var format *api.InvalidParamFormatError
	if errors.As(err, &format) {
		return domain.WithProblems(domain.CodeInvalidQuery, []domain.Problem{
			{Parameter: format.ParamName, Detail: "it does not fit the contract"},
		})
	}
	return &domain.Error{Code: domain.CodeInvalidQuery, Detail: "A parameter does not fit the contract.", Cause: err}
}

func notServed(p problems) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.write(w, r, domain.Errorf(domain.CodeNotFound, "This server has the role worker and does not serve the API; ask one with the role all or api."))
	}
}
