// Command demo shows the service at work, with nothing but Go: it builds the service and the receiver of
// examples/receivers/go, starts both as real processes in a temporary directory, runs a workflow with a skip and a
// reattempt and one that a condition cancels, and prints their timelines. It exits 0 if both went as they should,
// and says what went wrong otherwise.
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
	receiver, err := start(dir, filepath.Join(dir, "receiver"), "PORT=0", "WEBHOOK_SECRET="+secret)
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

	return stories(ctx, client{base: base}, target, receiver.lines)
}

// stories has two workflows performed, and checks how they ended.
func stories(ctx context.Context, api client, target string, receiver <-chan string) error {
	if err := api.register(ctx, target); err != nil {
		return err
	}
	fmt.Println("\nUser 42 has a profile, and its reminder is too early at first:")
	if err := api.push(ctx, "42", `{"profile": "ada"}`); err != nil {
		return err
	}
	tooEarly := `{"action": "reattempt", "wait": "PT1S", "reason": "too early", "data": {"answers": null}}`
	id, err := api.create(ctx, "42", `{"answers": {"send_reminder": `+tooEarly+`}}`)
	if err != nil {
		return err
	}
	first := newStory(id, "finished", []string{
		"send_welcome_email completed", "setup_profile skipped", "send_reminder reattempted", "send_reminder completed", "complete_onboarding completed"})
	if err := first.watch(ctx, api, receiver); err != nil {
		return err
	}

	fmt.Println("\nUser 43 has none yet, and unsubscribes while making it:")
	unsubscribes := `{"action": "complete", "data": {"answers": null, "unsubscribed": true}}`
	if id, err = api.create(ctx, "43", `{"answers": {"setup_profile": `+unsubscribes+`}}`); err != nil {
		return err
	}
	second := newStory(id, "canceled", []string{"send_welcome_email completed", "setup_profile completed", "send_reminder canceled"})
	if err := second.watch(ctx, api, receiver); err != nil {
		return err
	}
	fmt.Printf("\nAs it should be: 5 steps with a skip and a reattempt, 3 with a cancel_if, and %d POSTs, each with a\n"+
		"Standard Webhooks signature that the receiver verified.\n", first.verified+second.verified)
	fmt.Println("Next: make run starts the service to stay, and README.md continues with curl.")
	return nil
}
