package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/genevadrive/genevadrive/webhook"
	"github.com/genevadrive/genevadrive/webhook/receivercheck"
)

// ErrReceiverFailed says that CheckReceiver found faults, which it has written out.
var ErrReceiverFailed = errors.New("the receiver does not keep the protocol")

// ReceiverCheck is what to check, as it is written on the command line. URL and Step are required.
type ReceiverCheck struct {
	URL         string
	Step        string
	Secret      string // "": the newest of the settings, else of the file beside the SQLite database
	FailingStep string
	Type        string
	SubjectType string
	SubjectID   string
	Data        string
	Timeout     time.Duration
}

// CheckReceiver checks whether a receiver keeps the webhook protocol, with the secret, the queues and the
// allowed networks that a server of these settings has, and writes a table of the results.
func CheckReceiver(ctx context.Context, s Settings, c ReceiverCheck, version string, out io.Writer) error {
	s = s.withDefaults()
	var bad faults
	nets := bad.allowNets(s.WebhookAllowNets, isLoopback(s.Addr))
	queues := bad.queues(s.Queues)
	known := bad.webhookSecrets(s.WebhookSecrets)
	if err := bad.err(); err != nil {
		return err
	}
	secret, err := c.secret(known, s.DatabaseURL)
	if err != nil {
		return err
	}
	report, err := receivercheck.Run(ctx, receivercheck.Options{
		URL: c.URL, Secret: secret, Step: c.Step, Guard: webhook.NewGuard(nets), FailingStep: c.FailingStep,
		WorkflowType: c.Type, SubjectType: c.SubjectType, SubjectID: c.SubjectID, Data: json.RawMessage(c.Data),
		Queues: queueNames(queues), UserAgent: "GenevaDrive/" + version, Timeout: c.Timeout,
	})
	if err != nil {
		return err
	}
	if err := report.Write(out); err != nil {
		return err
	}
	if report.Failed() {
		return ErrReceiverFailed
	}
	return nil
}

func (c ReceiverCheck) secret(known []webhook.Secret, databaseURL string) (webhook.Secret, error) {
	if c.Secret != "" {
		secret, err := webhook.ParseSecret(c.Secret)
		if err != nil {
			err = fmt.Errorf("--secret: %w", err)
		}
		return secret, err
	}
	if path, ok := sqlitePath(databaseURL); len(known) == 0 && ok {
		var err error
		if known, err = readSecrets(secretsFile(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return webhook.Secret{}, err
		}
	}
	if len(known) == 0 {
		return webhook.Secret{}, fmt.Errorf("there is no secret to sign with: give --secret, WEBHOOK_SECRET or %s", secretsVariable)
	}
	return known[0], nil
}
