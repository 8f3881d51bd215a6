package receivers_test

import (
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/webhook"
	"github.com/genevadrive/genevadrive/webhook/receivercheck"
)

// What genevadrive check-receiver finds in every receiver: nothing wrong, and nothing it could not check.
func TestReceiverCheck(t *testing.T) {
	nets, err := webhook.ParseNets("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			r := l.start(t, newSecret(t))
			for _, step := range []string{"send_reminder", "cancel"} {
				report, err := receivercheck.Run(t.Context(), receivercheck.Options{URL: r.url + "/geneva", Secret: r.secret, Step: step,
					Guard: webhook.NewGuard(nets), Timeout: patience, Slowness: 500 * time.Millisecond})
				if err != nil || len(report.Results) == 0 {
					t.Fatalf("%d results, %v", len(report.Results), err)
				}
				for _, result := range report.Results {
					if result.Verdict != receivercheck.OK {
						t.Errorf("step %s: %s: %s: %s", step, result.Check, result.Verdict, result.Detail)
					}
				}
			}
		})
	}
}
