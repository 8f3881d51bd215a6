// Package receivercheck finds out whether a receiver keeps the webhook protocol (DESIGN section 5): whether it
// verifies, answers, repeats its answer and forgets its failures. It sends real deliveries, through the same
// client and address guard as the service, so the receiver does real work for them.
//
// It judges by what comes back over HTTP alone, and knows nothing of databases and running workflows.
package receivercheck

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/webhook"
)

const (
	// UnknownStep is the step that is delivered to see a receiver fail, unless Options name another.
	UnknownStep = "genevadrive-check-unknown-step"

	defaultTimeout  = 30 * time.Second
	defaultSlowness = 3 * time.Second
	checkType       = "ReceiverCheck"
	offClock        = 10 * time.Minute // twice what a receiver may tolerate
)

// Options say which receiver is checked, and how. URL, Secret, Step and Guard are required.
type Options struct {
	URL    string
	Secret webhook.Secret
	Step   string // a step that it performs; it will be performed several times
	Guard  *webhook.Guard

	FailingStep  string            // a step that it answers with an error; "": UnknownStep
	WorkflowType string            // "": ReceiverCheck
	SubjectType  string            // "": ReceiverCheck
	SubjectID    string            // "": a new id
	Data         json.RawMessage   // the workflow's; nil: {}
	Headers      map[string]string // sent along, as a definition's would be
	Queues       []string          // the names that an answer's next.queue may have
	UserAgent    string
	RootCAs      *x509.CertPool // nil: the system's
	Timeout      time.Duration  // of each delivery; 0: 30 s
	Slowness     time.Duration  // how much longer the slow delivery takes; 0: 3 s

	Now    func() time.Time // nil: time.Now
	NewID  func() string    // nil: UUIDv7
	Random io.Reader        // nil: crypto/rand
}

func (o *Options) fill() error {
	switch {
	case o.Guard == nil:
		return errors.New("receivercheck: a check needs a guard")
	case o.URL == "":
		return errors.New("the receiver's URL is missing")
	case o.Secret.IsZero():
		return errors.New("the secret that the receiver verifies with is missing")
	case o.Step == "":
		return errors.New("the name of a step that the receiver performs is missing")
	case len(o.Data) > 0 && !json.Valid(o.Data):
		return errors.New("the workflow's data is not JSON")
	}
	if o.NewID == nil {
		o.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	for field, otherwise := range map[*string]string{
		&o.FailingStep: UnknownStep, &o.WorkflowType: checkType, &o.SubjectType: checkType,
	} {
		if *field == "" {
			*field = otherwise
		}
	}
	if o.SubjectID == "" {
		o.SubjectID = o.NewID()
	}
	if len(o.Data) == 0 {
		o.Data = json.RawMessage("{}")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Slowness <= 0 {
		o.Slowness = defaultSlowness
	}
	return nil
}

// check is one run.
type check struct {
	Options
	stranger webhook.Secret // that the receiver does not know
	client   *webhook.Client
	late     *webhook.Client // whose clock is slow
	early    *webhook.Client // whose clock is fast
	baseline outcome         // what the receiver does with an ordinary delivery
	repeated string          // the id of that
}

// Run checks the receiver. The error says that it could not be done, or was broken off by ctx; what the
// receiver got wrong is in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.fill(); err != nil {
		return Report{}, err
	}
	stranger, err := webhook.NewSecret(o.Random)
	if err != nil {
		return Report{}, err
	}
	c := &check{Options: o, stranger: stranger}
	for client, shift := range map[**webhook.Client]time.Duration{&c.client: 0, &c.late: -offClock, &c.early: offClock} {
		*client = webhook.New(webhook.Config{Guard: o.Guard, UserAgent: o.UserAgent, RootCAs: o.RootCAs, Now: func() time.Time { return o.Now().Add(shift) }})
		defer (*client).Close()
	}
	report := Report{URL: o.URL, Step: o.Step}
	for _, item := range items {
		verdict, detail := NotChecked, "it gives no proper answer to an ordinary delivery"
		if c.baseline.err == nil || item.always && c.baseline.Status != 0 {
			verdict, detail = item.run(c, ctx)
		}
		if ctx.Err() != nil {
			return report, fmt.Errorf("the check was broken off: %w", context.Cause(ctx))
		}
		report.Results = append(report.Results, Result{Check: item.name, Verdict: verdict, Detail: detail})
	}
	return report, nil
}
