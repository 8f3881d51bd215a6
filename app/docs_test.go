package app_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/app"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDefinitionsInTheDocsAreValid validates every whole definition that README and the docs show.
func TestDefinitionsInTheDocsAreValid(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(block[1], "type: ") {
				continue
			}
			whole++
			dir := t.TempDir()
			file, base := filepath.Join(dir, "shown.yaml"), filepath.Join(dir, "base.yaml")
			writeFile(t, file, block[1])
			writeFile(t, base, "type: BaseWorkflow\nsteps: []\n")
			var out strings.Builder
			if err := app.Validate(app.Settings{}, []string{file, base}, &out); err != nil {
				t.Errorf("%s: %v\n%s\n%s", page, err, out.String(), block[1])
			}
		}
		if strings.HasSuffix(page, "definitions.md") && whole == 0 || strings.HasSuffix(page, "rails.md") && whole != 4 {
			t.Errorf("%s has %d whole definitions", page, whole)
		}
	}
}

var shellBlock = regexp.MustCompile("(?s)```(?:sh)?\n([^`]*\\bcurl [^`]*)```")

// TestCurlExamplesInTheDocsWork runs the commands of README and the docs that call the API, README's first, as it
// registers the definition. ID is a new workflow for each block.
func TestCurlExamplesInTheDocsWork(t *testing.T) {
	t.Parallel()
	testenv.Curl.Path(t)
	s := settingsFor(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"), "")
	s.TestMode, s.Concurrency = "true", "0"
	service := startService(t, s)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, page := range append([]string{"../README.md"}, pages...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			var made workflow
			if ran > 0 {
				service.call(t, http.StatusCreated, "POST", "/v1/workflows",
					fmt.Sprintf(`{"type": "SignupWorkflow", "subject": {"type": "Page", "id": "%d"}}`, ran), &made)
			}
			ran++
			script := "set -euo pipefail\ncurl() { command curl -sS --fail-with-body \"$@\"; }\n" + block[1]
			script = regexp.MustCompile(`(http://127\.0\.0\.1|localhost):8080`).ReplaceAllString(script, service.base)
			cmd := exec.Command("bash", "-c", script)
			cmd.Dir, cmd.Env = "..", append(os.Environ(), "ID="+made.ID)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s\n%s", page, err, block[1], out)
			}
		}
	}
	if ran != 8 {
		t.Errorf("%d blocks of commands were run", ran)
	}
}

// TestTheRailsPageHasTheExamples holds the definitions of docs/rails.md against the files they are said to be.
func TestTheRailsPageHasTheExamples(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/rails.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"onboarding", "check_response", "email_processing"} {
		source, err := os.ReadFile("../examples/definitions/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		text := string(source)
		if !strings.Contains(string(page), "```yaml\n"+text[strings.Index(text, "type: "):]+"```") {
			t.Errorf("%s.yaml is not in docs/rails.md as it is", name)
		}
	}
}

// TestEveryFeatureIsInTheREADME holds README's table against the tests that carry its rows' names.
func TestEveryFeatureIsInTheREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "| the library | here |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if len(rows) != len(seedFeatures) {
		t.Errorf("README has %d rows, there are %d tests", len(rows), len(seedFeatures))
	}
	for i, feature := range seedFeatures[:min(len(rows), len(seedFeatures))] {
		if name := strings.TrimSpace(strings.Split(rows[i], "|")[1]); name != feature.row {
			t.Errorf("row %d of README is %q, its test %q", i+1, name, feature.row)
		}
	}
}
