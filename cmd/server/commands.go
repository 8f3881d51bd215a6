package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/genevadrive/genevadrive/app"
)

// cli is the command line. The settings are flags of every command, and environment variables.
type cli struct {
	app.Settings

	Serve       serveCmd       `cmd:"" default:"withargs" help:"Run the service (the default)."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database's schema up to date, or show where it stands."`
	Validate    validateCmd    `cmd:"" help:"Check definition files as registration would; exit code 1 if one is not valid."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask the server on this machine how it is; exit code 1 if it is not well."`
	Version     versionCmd     `cmd:"" help:"Print the version."`

	PresenceSQL   presenceSQLCmd   `cmd:"" name:"presence-sql" help:"Print an SQL condition for your own queries: does a workflow of a type stand open for this row?"`
	CheckReceiver checkReceiverCmd `cmd:"" help:"Send a receiver test deliveries and print what it gets right; exit code 1 if anything is wrong. It does real work for them."`
}

type serveCmd struct{}

// gcPercent lets garbage grow to three times what is in use, which is about 10 MiB: with Go's 100 a busy service
// spends a tenth of its CPU on collecting.
const gcPercent = 300

// Run serves until a signal comes.
func (serveCmd) Run(ctx context.Context, s *app.Settings) error {
	cfg, err := s.Parse()
	if err != nil {
		return fmt.Errorf("the configuration cannot be used\n%w", err)
	}
	signal.Ignore(syscall.SIGPIPE) // whoever reads the log may go away, as journald does when it is restarted
	log := app.NewLogger(os.Stderr, cfg)
	slog.SetDefault(log) // for libraries that log by themselves
	for _, warning := range app.UnknownVariables(os.Environ()) {
		log.Warn(warning)
	}
	a, err := app.New(ctx, cfg, buildVersion(), log)
	if err != nil {
		return err
	}
	fmt.Print(a.Banner())
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	debug.FreeOSMemory() // reading the contract and wiring left garbage that an idle service would keep
	dropStartPages()
	return a.Run(ctx)
}

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Apply what is missing. Safe while servers run, and from several at once."`
	Status migrateStatusCmd `cmd:"" help:"List the migrations."`
}

type migrateUpCmd struct{}

func (migrateUpCmd) Run(ctx context.Context, s *app.Settings) error {
	return app.MigrateUp(ctx, *s, os.Stdout)
}

type migrateStatusCmd struct{}

func (migrateStatusCmd) Run(ctx context.Context, s *app.Settings) error {
	return app.MigrateStatus(ctx, *s, os.Stdout)
}

type validateCmd struct {
	Files []string `arg:"" name:"file" help:"Definitions, *.yaml or *.json. What one extends has to be among them."`
}

func (c validateCmd) Run(s *app.Settings) error {
	return app.Validate(*s, c.Files, os.Stdout)
}

type healthcheckCmd struct {
	Ready bool `help:"Ask whether it takes requests (/readyz) rather than whether it lives (/healthz)."`
}

func (c healthcheckCmd) Run(ctx context.Context, s *app.Settings) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	return app.Healthcheck(ctx, *s, path)
}

type presenceSQLCmd struct {
	Type          string `required:"" placeholder:"NAME" help:"The type of the workflows."`
	SubjectType   string `required:"" placeholder:"TYPE" help:"The type of their subjects."`
	SubjectColumn string `required:"" placeholder:"TABLE.COLUMN" help:"Where your query has the subject's id, like users.id. It is compared as text."`
	Schema        string `placeholder:"NAME" help:"Where GenevaDrive's tables are, if your query runs in another schema (MySQL: database; SQLite: attached file)."`
}

func (c presenceSQLCmd) Run(s *app.Settings) error {
	return app.PresenceSQL(*s, app.Presence(c), os.Stdout)
}

type checkReceiverCmd struct {
	URL         string        `arg:"" help:"Where the receiver takes deliveries, as in a definition."`
	Step        string        `required:"" placeholder:"NAME" help:"A step that the receiver performs. It is performed several times, for a subject of its own."`
	Secret      string        `env:"WEBHOOK_SECRET" placeholder:"whsec_…" help:"The secret it verifies with. Otherwise the newest of this server's."`
	FailingStep string        `placeholder:"NAME" help:"A step that it answers with an error. Otherwise a name that no receiver knows."`
	Type        string        `placeholder:"NAME" help:"The type of the workflow (ReceiverCheck)."`
	SubjectType string        `placeholder:"TYPE" help:"The subject's type (ReceiverCheck)."`
	SubjectID   string        `name:"subject-id" placeholder:"ID" help:"The subject's id (a new one)."`
	Data        string        `placeholder:"JSON" help:"The workflow's data ({})."`
	Timeout     time.Duration `default:"30s" help:"Of each delivery."`
}

func (c checkReceiverCmd) Run(ctx context.Context, s *app.Settings) error {
	return app.CheckReceiver(ctx, *s, app.ReceiverCheck(c), buildVersion(), os.Stdout)
}

type versionCmd struct{}

func (versionCmd) Run() error {
	_, err := fmt.Printf("genevadrive %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
