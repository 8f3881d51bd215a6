package testenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a TB that notes how a test was ended.
type recorder struct {
	TB
	skipped, failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Name() string          { return "TestOfSomebody" }
func (r *recorder) Skipf(string, ...any)  { r.skipped = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true }

func TestMissingLanguage(t *testing.T) {
	cobol := &Runtime{Name: "no-such-interpreter", Label: "COBOL", Package: "cobol"}
	file := filepath.Join(t.TempDir(), "not-run")
	t.Setenv(NotRunEnv, file)

	t.Setenv("CI", "")
	r := &recorder{}
	if path := cobol.Path(r); path != "" || !r.skipped || r.failed || cobol.Installed() {
		t.Errorf("path %q, skipped %v, failed %v; want the test noted as not run", path, r.skipped, r.failed)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "no-such-interpreter\ttestenv\tTestOfSomebody\n") {
		t.Errorf("the note says %q (%v)", text, err)
	}

	t.Setenv("CI", "true")
	r = &recorder{}
	if cobol.Path(r); r.skipped || !r.failed {
		t.Errorf("with CI=true: skipped %v, failed %v; want a failure", r.skipped, r.failed)
	}
}

func TestSummaryNamesLanguagesAndServers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "not-run")
	for _, line := range []string{"ruby\treceivers\tTestRuby", "postgres\tengine\tTestA", "postgres\tengine\tTestB", "sdk-typescript\tsdk\tTestTypeScript"} {
		if err := appendLine(file, line); err != nil {
			t.Fatal(err)
		}
	}
	summary, err := Summary(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"for want of Ruby: 1 test (receivers.TestRuby)", "apt-get install ruby)", "for want of PostgreSQL: 2 tests", "To run them: make sdk"} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary lacks %q:\n%s", want, summary)
		}
	}
}

func TestTypeScriptClient(t *testing.T) {
	t.Setenv(NotRunEnv, "")
	t.Setenv("CI", "")
	dir := t.TempDir()
	r := &recorder{}
	if TypeScriptClient(r, dir); r.skipped || r.failed {
		t.Errorf("with the client: skipped %v, failed %v; want neither", r.skipped, r.failed)
	}
	if TypeScriptClient(r, filepath.Join(dir, "build")); !r.skipped || r.failed {
		t.Errorf("without it: skipped %v, failed %v; want the test noted as not run", r.skipped, r.failed)
	}
	t.Setenv("CI", "true")
	r = &recorder{}
	if TypeScriptClient(r, filepath.Join(dir, "build")); r.skipped || !r.failed {
		t.Errorf("without it and with CI=true: skipped %v, failed %v; want a failure", r.skipped, r.failed)
	}
}
