// Command demo shows the service at work, with nothing but Go: it builds the service and the receiver of
// examples/receivers/go, starts both as real processes in a temporary directory, runs one SignupWorkflow and
// prints its timeline. It exits 0 once the workflow is finished and says what went wrong otherwise.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const (
	module       = "github.com/genevadrive/genevadrive"
	buildTimeout = 10 * time.Minute // the first build compiles every library
	runTimeout   = time.Minute
	wantPosts    = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demo(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nThe demo failed:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "genevadrive-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	fmt.Println("Building the service and a receiver …")
	if err := build(ctx, dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, runTimeout, fmt.Errorf("it took longer than %s", runTimeout))
	defer cancel()

	service, err := start(dir, filepath.Join(dir, "genevadrive"), "GENEVADRIVE_ADDR=127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { err = service.stop(err) }()
	base, err := service.url(ctx)
	if err != nil {
		return err
	}
	secret, err := readSecret(filepath.Join(dir, "genevadrive.secrets"))
	if err != nil {
		return err
	}
	receiver, err := start(dir, filepath.Join(dir, "receiver"), "PORT=0", secretsVariable+"="+secret)
	if err != nil {
		return err
	}
	defer func() { err = receiver.stop(err) }()
	target, err := receiver.url(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\n  service   %s, on SQLite in %s, without Redis\n", base, dir)
	fmt.Printf("  receiver  %s, verifies each POST with the standard-webhooks library,\n", target)
	fmt.Print("            which shares no code with the service\n\n")

	api := client{base: base}
	if err := api.register(ctx, target); err != nil {
		return err
	}
	id, err := api.create(ctx)
	if err != nil {
		return err
	}
	verified, err := watch(ctx, api, id, receiver.lines)
	if err != nil {
		return err
	}
	if verified != wantPosts {
		return fmt.Errorf("the receiver verified %d POSTs, not %d", verified, wantPosts)
	}
	fmt.Printf("\nFinished: %d steps, %d POSTs, each with a Standard Webhooks signature that the receiver verified.\n", wantPosts, verified)
	fmt.Println("Next: make run starts the service to stay, and README.md continues with curl.")
	return nil
}
