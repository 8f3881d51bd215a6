package receivers_test

import (
	"strings"
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
				var out strings.Builder
				code := receivercheck.Main(t.Context(), receivercheck.Options{URL: r.url + "/geneva", Secret: r.secret, Step: step,
					Guard: webhook.NewGuard(nets), Timeout: patience, Slowness: 500 * time.Millisecond}, &out)
				if code != 0 || !strings.Contains(out.String(), "12 of 12 checks passed\n") {
					t.Errorf("exit code %d\n%s", code, out.String())
				}
			}
		})
	}
}
