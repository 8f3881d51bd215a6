package app_test

import (
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/app"
)

func TestPresenceSQLIsForTheConfiguredDatabase(t *testing.T) {
	t.Parallel()
	ask := app.Presence{Type: "SignupWorkflow", SubjectType: "User", SubjectColumn: "users.id"}
	for url, want := range map[string]string{
		"":                                 "CAST(users.id AS TEXT)",
		"sqlite:x.db":                      "CAST(users.id AS TEXT)",
		"postgres://u:hunter2@127.0.0.1/d": "CAST(users.id AS text)",
		"mysql://u:hunter2@127.0.0.1/d":    "CAST(users.id AS CHAR ",
	} {
		var out strings.Builder
		if err := app.PresenceSQL(app.Settings{DatabaseURL: url}, ask, &out); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.HasPrefix(got, "EXISTS (") || !strings.Contains(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %q, want %q in it", url, got, want)
		}
	}
}

func TestPresenceSQLSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for says, test := range map[string]struct {
		url string
		ask app.Presence
	}{
		"GENEVADRIVE_DATABASE_URL": {"mongodb://x", app.Presence{Type: "T", SubjectType: "U", SubjectColumn: "users.id"}},
		"needs its table":          {"sqlite:x.db", app.Presence{Type: "T", SubjectType: "U", SubjectColumn: "id"}},
		"subject type":             {"sqlite:x.db", app.Presence{Type: "T", SubjectColumn: "users.id"}},
	} {
		var out strings.Builder
		if err := app.PresenceSQL(app.Settings{DatabaseURL: test.url}, test.ask, &out); err == nil || !strings.Contains(err.Error(), says) || out.Len() > 0 {
			t.Errorf("got %v and %q, want %q", err, out.String(), says)
		}
	}
}
