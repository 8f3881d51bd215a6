package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

const (
	readyTimeout = 2 * time.Second
	closeTimeout = 3 * time.Second
	httpShutdown = 8 * time.Second // net/http takes a connection without a request for a busy one for 5 s
)

// errDraining is why a server that is shutting down is not ready.
var errDraining = domain.Errorf(domain.CodeUnavailable, "The server is shutting down.")

// server is one listener and what answers on it.
type server struct {
	listener net.Listener
	http     *http.Server // nil until everything else is there
}

// listen binds an address. The error names the variable it comes from.
func listen(variable, addr string) (*server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, &SettingError{Variable: variable, Value: addr,
			Problem: fmt.Sprintf("the server cannot listen there (%v); stop what uses the address, or write another", err)}
	}
	return &server{listener: listener}, nil
}

func (s *server) addr() string { return s.listener.Addr().String() }

// serve answers requests in the background; what ends it before shutdown or close is sent to failed.
func (s *server) serve(failed chan<- error) {
	go func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve %s: %w", s.addr(), err)
		}
	}()
}

// shutdown stops accepting and waits, within bounds, for the requests in flight.
func (s *server) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), httpShutdown)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests were still in flight on %s after %s: %w", s.addr(), httpShutdown, err)
	}
	return nil
}

// close ends everything on the listener at once.
func (s *server) close() error {
	err := s.listener.Close()
	if s.http != nil {
		err = errors.Join(err, s.http.Close())
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// newOpsServer serves metrics and pprof, without a key: who may reach it is the network's business.
func newOpsServer(metrics http.Handler, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute, // no write timeout: a profile takes as long as it is asked to
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
