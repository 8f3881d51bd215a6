// Package genevadrivetest tests workflow definitions and the receivers of an application in a Go test suite. It
// starts the whole service inside the test process, on a database file of its own, in test mode: nothing is
// performed but what the test asks for, and waits are ignored. docs/testing.md is its manual.
//
// It starts the service as its command does and talks to it over HTTP; it knows nothing of what is inside.
package genevadrivetest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/app"
)

// DefaultSecret signs the deliveries of a server started here, unless its settings say otherwise.
const DefaultSecret = "whsec_Z2VuZXZhZHJpdmUgdGVzdCBzZWNyZXQsIHNoYXJlZA=="

const (
	stopTimeout    = 30 * time.Second
	requestTimeout = 2 * time.Minute // a speedrun may take one
)

// Server is a running service. Its methods fail the test at once when the service refuses what they ask; Do
// gives the refusal instead.
type Server struct {
	URL    string // base of the API, without a slash at its end
	Secret string // what deliveries are signed with

	t      testing.TB
	client *http.Client
}

// Start starts a service that stops with the test. Its settings, of which change may alter any, are those of a
// server that listens on loopback, uses a new SQLite file, and performs nothing but speedruns:
//
//	genevadrivetest.Start(t, func(s *app.Settings) { s.Concurrency = "8" }) // steps start by themselves too
//
// What it logs is shown if the test fails.
func Start(t testing.TB, change ...func(*app.Settings)) *Server {
	t.Helper()
	settings := app.Settings{
		Addr: "127.0.0.1:0", DatabaseURL: "sqlite:" + t.TempDir() + "/geneva.db", WebhookSecrets: DefaultSecret,
		TestMode: "true", Concurrency: "0", ShutdownTimeout: "1s",
	}
	for _, c := range change {
		c(&settings)
	}
	config, err := settings.Parse()
	if err != nil {
		t.Fatalf("genevadrivetest: the settings cannot be used: %v", err)
	}
	if err := app.MigrateUp(context.Background(), settings, io.Discard); err != nil {
		t.Fatalf("genevadrivetest: %v", err)
	}
	log := &lines{}
	service, err := app.New(context.Background(), config, "genevadrivetest", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatalf("genevadrivetest: the service does not start: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err = <-ended:
		case <-time.After(stopTimeout):
			err = context.DeadlineExceeded
		}
		if err != nil {
			t.Errorf("genevadrivetest: the service did not stop as it should: %v", err)
		}
		if t.Failed() {
			t.Logf("genevadrivetest: the service's log:\n%s", log)
		}
	})
	secret, _, _ := strings.Cut(settings.WebhookSecrets, ",")
	return &Server{URL: "http://" + service.Addr(), Secret: strings.TrimSpace(secret), t: t, client: &http.Client{Timeout: requestTimeout}}
}

// lines keeps what is logged: a test that has ended cannot be logged to.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
