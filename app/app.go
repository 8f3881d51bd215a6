// Package app reads the configuration and wires the service together: what cmd/server runs, and what
// end-to-end tests, chaos runs and benchmarks start too. It is the only package that sees all the others, and
// it holds no rule of theirs: nothing here knows what a workflow is.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/handlers"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
	"github.com/genevadrive/genevadrive/telemetry"
	"github.com/genevadrive/genevadrive/webhook"
)

// App is one server. New makes it ready, Run serves until its context ends.
type App struct {
	cfg     Config
	version string
	log     *slog.Logger

	store    *persistence.Store
	ready    *queue.ReadyList
	doorbell queue.Doorbell
	engine   *engine.Engine
	metrics  *telemetry.Metrics
	api      *server
	ops      *server // nil: none

	ownSecrets bool // the secrets are those of the file beside the database
	draining   atomic.Bool
	closers    []func() error // in the order of making; run in reverse
}

// New connects, brings an SQLite schema up to date (elsewhere it refuses an old one), registers the
// definitions of the configured directory and listens, so that Addr is known; connections wait for Run. A nil
// log means one to standard error as configured. Whoever does not call Run must call Close.
func New(ctx context.Context, cfg Config, version string, log *slog.Logger) (*App, error) {
	if log == nil {
		log = NewLogger(os.Stderr, cfg)
	}
	a := &App{cfg: cfg, version: version, log: log}
	if err := a.wire(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) wire(ctx context.Context) error {
	if err := a.listen(); err != nil {
		return err
	}
	if err := a.openStore(ctx); err != nil {
		return err
	}
	a.ready = queue.NewReadyList(queue.Config{Queues: a.cfg.Queues})
	if err := a.openDoorbell(); err != nil {
		return err
	}
	webhooks := webhook.New(webhook.Config{
		Guard:     webhook.NewGuard(a.cfg.WebhookAllowNets),
		UserAgent: "GenevaDrive/" + a.version,
	})
	a.onClose(func() error { webhooks.Close(); return nil })
	tokens, err := callbackKey(a.cfg.SecretKey)
	if err != nil {
		return err
	}
	tracer, err := a.openTelemetry(ctx)
	if err != nil {
		return err
	}
	a.engine = engine.New(engine.Config{
		Store: a.store, Ready: a.ready, Doorbell: a.doorbell, Webhooks: webhooks, Secrets: a.cfg.WebhookSecrets,
		PublicURL: a.publicURL(), CallbackKey: tokens,
		Role: a.cfg.Role, Name: serverName(), Version: a.version, Concurrency: a.cfg.Concurrency, Queues: queueNames(a.cfg.Queues),
		Horizon: a.horizon(), SharedDoorbell: a.cfg.RedisURL != "", Exclusive: a.cfg.sqlite(), Retention: a.cfg.Retention, TestMode: a.cfg.TestMode,
		Now: time.Now, NewID: newID, NewFence: newFence, Jitter: rand.Float64, Logger: a.log, Observer: a.metrics, Tracer: tracer,
	})
	if a.cfg.DefinitionsDir != "" {
		if err := a.engine.LoadDefinitions(ctx, a.cfg.DefinitionsDir); err != nil {
			return fmt.Errorf("GENEVADRIVE_DEFINITIONS_DIR: %w", err)
		}
	}
	return a.mount()
}

// serverName says to people which process of which machine holds a lease.
func serverName() string {
	host, _ := os.Hostname() // without one the process number has to do
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// listen binds the addresses first: nothing else is worth doing if another process has them.
func (a *App) listen() error {
	var err error
	if a.api, err = listen("GENEVADRIVE_ADDR", a.cfg.Addr); err != nil {
		return err
	}
	a.onClose(a.api.close)
	if a.cfg.OpsAddr == "" {
		return nil
	}
	if a.ops, err = listen("GENEVADRIVE_OPS_ADDR", a.cfg.OpsAddr); err != nil {
		return err
	}
	a.onClose(a.ops.close)
	return nil
}

func (a *App) openStore(ctx context.Context) error {
	if path, ok := sqlitePath(a.cfg.DatabaseURL); ok {
		lock, err := lockDatabase(path)
		if err != nil {
			return err
		}
		a.onClose(lock.release)
		if len(a.cfg.WebhookSecrets) == 0 {
			if a.cfg.WebhookSecrets, err = loadSecrets(secretsFile(path)); err != nil {
				return err
			}
			a.ownSecrets = true
		}
		if len(a.cfg.SecretKey) == 0 {
			if a.cfg.SecretKey, err = loadSecretKey(secretsFile(path)); err != nil {
				return err
			}
		}
	}
	sealing, err := sealingKey(a.cfg.SecretKey)
	if err != nil {
		return err
	}
	store, err := persistence.Open(ctx, persistence.Config{URL: a.cfg.DatabaseURL, Logger: a.log, SealingKey: sealing})
	if err != nil {
		return err
	}
	a.store = store
	a.onClose(store.Close)
	if err := a.checkSchema(ctx); err != nil {
		return err
	}
	return checkSealed(ctx, store)
}

// checkSchema brings the schema of an SQLite database up to date and refuses an old one elsewhere.
func (a *App) checkSchema(ctx context.Context) error {
	if !a.cfg.sqlite() {
		return a.store.CheckSchema(ctx)
	}
	applied, err := a.store.Migrate(ctx)
	if len(applied) > 0 {
		a.log.Info("schema migrated", "database", redactURL(a.cfg.DatabaseURL), "applied", applied)
	}
	return err
}

// sharedHorizon is how far ahead a server with Redis holds due steps itself: Redis keeps whole seconds.
const sharedHorizon = 2 * time.Second

func (a *App) horizon() time.Duration {
	if a.cfg.RedisURL == "" {
		return queue.EmbeddedHorizon
	}
	return sharedHorizon
}

func (a *App) openDoorbell() error {
	if a.cfg.RedisURL == "" {
		a.doorbell = queue.NewEmbedded(time.Now, queue.EmbeddedHorizon)
	} else {
		doorbell, err := queue.NewAsynq(queue.AsynqConfig{URL: a.cfg.RedisURL, Queues: a.cfg.Queues, Logger: a.log})
		if err != nil {
			return fmt.Errorf("GENEVADRIVE_REDIS_URL: %w", err)
		}
		a.doorbell = doorbell
	}
	a.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return a.doorbell.Close(ctx)
	})
	return nil
}

// mount puts the edge on the listeners.
func (a *App) mount() error {
	metrics := a.scrapes()
	deps := handlers.Deps{
		Keys: a.cfg.APIKeys, Log: a.log, Metrics: metrics, Ready: a.isReady,
		Served: func(r handlers.Served) { a.metrics.Requested(r.Method, r.Route, r.Status, r.Took) },
	}
	if a.cfg.servesAPI() {
		deps.API, deps.CallbackToken = handlers.New(a.engine), a.engine.CheckCallbackToken
	}
	router, err := handlers.NewRouter(deps)
	if err != nil {
		return err
	}
	a.api.http = handlers.NewHTTPServer(a.Addr(), router, a.log)
	if a.ops != nil {
		a.ops.http = newOpsServer(metrics, a.log)
	}
	return nil
}

// isReady is nil while the server takes requests; see /readyz.
func (a *App) isReady(ctx context.Context) error {
	if a.draining.Load() {
		return errDraining
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return a.store.Ping(ctx)
}

// Addr is where the API listens, with the port that was chosen if the configuration says 0.
func (a *App) Addr() string { return a.api.addr() }

// OpsAddr is where metrics and pprof listen; "" if nowhere.
func (a *App) OpsAddr() string {
	if a.ops == nil {
		return ""
	}
	return a.ops.addr()
}

// Run performs steps and serves requests until ctx ends or a listener fails, then shuts down in order:
// readiness goes, no step is claimed any more, deliveries in flight may finish within ShutdownTimeout and are
// handed back after it, requests in flight are answered, everything is closed. Requests are served all the
// while, since a receiver that is finishing a step may call the API for it. Run may be called once.
func (a *App) Run(ctx context.Context) error {
	if err := a.engine.Start(ctx); err != nil {
		if ctx.Err() != nil {
			err = nil // told to stop before it had begun
		}
		return errors.Join(err, a.Close())
	}
	failed := make(chan error, 2)
	a.api.serve(failed)
	if a.ops != nil {
		a.ops.serve(failed)
	}
	if a.cfg.TestMode {
		a.log.Warn("test mode: a speedrun performs steps before their time; never use it in production")
	}
	a.log.Info("serving", "addr", a.Addr(), "version", a.version, "config", a.cfg)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	a.log.Info("shutting down", "timeout", a.cfg.ShutdownTimeout)
	a.draining.Store(true)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.ShutdownTimeout)
	defer cancel()
	a.engine.Stop(drain)
	err = errors.Join(err, a.api.shutdown(), a.Close())
	a.log.Info("stopped")
	return err
}

func (a *App) onClose(f func() error) { a.closers = append(a.closers, f) }

// Close lets go of everything, last made first. It is for an App whose Run is not called; a second call does
// nothing.
func (a *App) Close() error {
	var errs []error
	for _, f := range slices.Backward(a.closers) {
		errs = append(errs, f())
	}
	a.closers = nil
	return errors.Join(errs...)
}
