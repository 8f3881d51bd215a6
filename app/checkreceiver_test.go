package app_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/app"
)

func TestCheckReceiver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "kept.secrets"), "GENEVADRIVE_WEBHOOK_SECRETS="+secret+"\n")
	beside := "sqlite:" + filepath.Join(dir, "kept.db")
	nothing := "sqlite:" + filepath.Join(dir, "nothing.db")
	right := newReceiver(t, nil).url
	careless := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(careless.Close)
	const wrongKey = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, test := range []struct {
		name     string
		settings app.Settings
		check    app.ReceiverCheck
		says     string // in the table or the error
		failed   bool   // it is the receiver that failed
	}{
		{"verifies nothing", app.Settings{DatabaseURL: beside}, app.ReceiverCheck{URL: careless.URL, Step: "one"}, "FAILED       a wrong signature", true},
		{"not from here", app.Settings{WebhookSecrets: secret, WebhookAllowNets: "none"}, app.ReceiverCheck{URL: right, Step: "one"}, "not open to webhooks", true},
		{"another secret", app.Settings{WebhookSecrets: secret}, app.ReceiverCheck{URL: careless.URL, Step: "one", Secret: "whsec_short"}, "--secret: ", false},
		{"no secret", app.Settings{DatabaseURL: nothing}, app.ReceiverCheck{URL: careless.URL, Step: "one"}, "give --secret", false},
		{"no step", app.Settings{WebhookSecrets: secret}, app.ReceiverCheck{URL: careless.URL, Secret: wrongKey}, "step", false},
		{"bad settings", app.Settings{WebhookSecrets: secret, WebhookAllowNets: "everywhere"}, app.ReceiverCheck{URL: careless.URL, Step: "one"}, "GENEVADRIVE_WEBHOOK_ALLOW_NETS", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			err := app.CheckReceiver(t.Context(), test.settings, test.check, "test", &out)
			if err == nil || errors.Is(err, app.ErrReceiverFailed) != test.failed {
				t.Fatalf("got %v, want a failed receiver = %v", err, test.failed)
			}
			if told := out.String() + err.Error(); !strings.Contains(told, test.says) {
				t.Errorf("it says\n%s\nwant %q in it", told, test.says)
			}
		})
	}
}
