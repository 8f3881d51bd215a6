// Command genevadrive is the service and the tools around it: a caller of package app.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set at build time.
var version string

func main() {
	signaled, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, shutDown := context.WithCancel(context.Background())
	// The first signal shuts down in order; once that has begun, a second one ends the process at once.
	context.AfterFunc(signaled, func() { stop(); shutDown() })

	var commands cli
	k := kong.Parse(&commands,
		kong.Name("genevadrive"),
		kong.Description("Durable workflows for applications in any language: each step is a signed HTTP POST, and its answer decides what happens next."),
		kong.ShortUsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&commands.Settings),
	)
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "genevadrive:", err)
		os.Exit(1)
	}
}

// buildVersion is the version set at build time, else what Go noted about the build.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
