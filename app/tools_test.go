package app_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/app"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

func TestValidateTellsEveryProblem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, text)
		return path
	}
	const webhook = "webhook: {url: \"https://example.com/\"}\n"
	good := write("good.yaml", "type: Good\n"+webhook+"steps: [{name: one}, {wait: 2d}]\n")
	bad := write("bad.json", `{"type": "Bad", "webhook": {"url": "ftp://example.com"}, "queue": "fast", "steps": [{"name": "one", "wait": "soon"}]}`)
	child := write("a-child.yaml", "type: Child\nextends: Parent\nsteps: [{name: one}]\n")
	parent := write("parent.yaml", "type: Parent\n"+webhook+"steps: []\n")
	wrong := write("wrong-parent.yaml", "type: Parent\nqueue: fast\n"+webhook+"steps: []\n")
	circleA, circleB := write("circle-a.yaml", "type: A\nextends: B\n"), write("circle-b.yaml", "type: B\nextends: A\n")
	odd := write("odd.txt", "")

	for _, test := range []struct {
		name  string
		files []string
		valid bool
		says  []string
	}{
		{"valid", []string{good}, true, []string{good + ": Good is valid (steps: 2)"}},
		{"invalid", []string{good, bad}, false, []string{"Good is valid", bad + ": #/webhook/url: ", bad + ": #/queue: ", bad + ": #/steps/0/wait: "}},
		{"the parent after the child", []string{child, parent}, true, []string{"Child is valid", "Parent is valid"}},
		{"a wrong parent", []string{child, wrong}, false, []string{wrong + ": #/queue: ",
			child + ": not checked, since it extends Parent, whose file has to be mended first: " + wrong}},
		{"no parent", []string{child}, false, []string{child + ": not checked, since it extends Parent, which is in none of these files"}},
		{"a circle", []string{circleA, circleB}, false, []string{circleA + ": #/extends: The definitions extend each other in a circle: A → B → A.",
			circleB + ": #/extends: The definitions extend each other in a circle: B → A → B."}},
		{"two of one type", []string{parent, wrong}, false, []string{"Parent is valid", wrong + ": #/type: " + parent + " is of the type Parent too"}},
		{"no definition", []string{odd}, false, []string{odd + ": its name ends in neither"}},
		{"no file", []string{filepath.Join(dir, "none.yaml")}, false, []string{"no such file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			err := app.Validate(app.Settings{}, test.files, &out)
			if test.valid != (err == nil) || err != nil && !errors.Is(err, app.ErrInvalidFiles) {
				t.Errorf("got %v", err)
			}
			for _, says := range test.says {
				if strings.Count(out.String(), says) != 1 {
					t.Errorf("want once %q in\n%s", says, out.String())
				}
			}
		})
	}
}

func TestTheExamplesAreValid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../examples/definitions/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	var out strings.Builder
	if err := app.Validate(app.Settings{}, files, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, _, url string) {
		s := app.Settings{DatabaseURL: url}
		output := func(run func(out *strings.Builder) error) string {
			t.Helper()
			var out strings.Builder
			if err := run(&out); err != nil {
				t.Fatal(err)
			}
			return out.String()
		}
		up := func(out *strings.Builder) error { return app.MigrateUp(t.Context(), s, out) }
		status := func(out *strings.Builder) error { return app.MigrateStatus(t.Context(), s, out) }
		if text := output(status); !strings.Contains(text, "0001_definitions") || strings.Count(text, "not applied") != strings.Count(text, "\n") {
			t.Errorf("the status before is\n%s", text)
		}
		if text := output(up); !strings.Contains(text, "applied 0001_definitions") {
			t.Errorf("the first migration says\n%s", text)
		}
		if text := output(up); text != "The schema is up to date.\n" {
			t.Errorf("the second migration says\n%s", text)
		}
		if text := output(status); strings.Contains(text, "not applied") {
			t.Errorf("the status after is\n%s", text)
		}
	})
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	s := settingsFor(t, testenv.SQLite(t), "")
	service := startService(t, s)
	s.Addr = service.app.Addr()
	for _, path := range []string{"/healthz", "/readyz"} {
		if err := app.Healthcheck(t.Context(), s, path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := app.Healthcheck(t.Context(), s, "/nowhere"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("an answer that is not 200 gives %v", err)
	}
	service.stop(t)
	if err := app.Healthcheck(t.Context(), s, "/healthz"); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("no answer gives %v", err)
	}
}
