package genevadrivetest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/genevadrivetest"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestRecipes runs the programs of docs/testing.md as they are printed, against a server in test mode that has
// the example definitions.
func TestRecipes(t *testing.T) {
	for _, recipe := range []struct {
		section, file string
		runtime       *testenv.Runtime
		before, after string // what the test framework brings
		says          string
	}{
		{"Python", "test_signup.py", testenv.Python, "", "\ntest_signup()\nprint('passed')\n", "passed"},
		{"Ruby", "signup_spec.rb", testenv.Ruby, rspec, "\nputs 'passed'\n", "passed"},
		{"JavaScript", "signup.test.mjs", testenv.Node, "", "", "# pass 1"},
	} {
		t.Run(recipe.section, func(t *testing.T) {
			interpreter := recipe.runtime.Path(t)
			geneva := genevadrivetest.Start(t)
			for _, example := range []string{"signup.yaml", "onboarding.yaml"} {
				text, err := os.ReadFile("../examples/definitions/" + example)
				if err != nil {
					t.Fatal(err)
				}
				geneva.Register(string(text))
			}
			file := filepath.Join(t.TempDir(), recipe.file)
			program := recipe.before + section(t, recipe.section) + recipe.after
			if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(interpreter, file)
			cmd.Env = append(os.Environ(), "GENEVA_URL="+geneva.URL, "NODE_TEST_CONTEXT=", "NO_COLOR=1")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(strings.ReplaceAll(string(out), "ℹ", "#"), recipe.says) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestGoRecipe holds the example of docs/testing.md against the test it was taken from.
func TestGoRecipe(t *testing.T) {
	source, err := os.ReadFile("genevadrivetest_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), section(t, "Go")) {
		t.Error("the example in docs/testing.md is not TestReminders, as far as that goes")
	}
}

// rspec is as much of RSpec as the recipe needs.
const rspec = `
class Expectation
  def initialize(actual) = @actual = actual
  def to(expected) = @actual == expected || abort("#{@actual} instead of #{expected}")
end
module RSpec
  def self.describe(_, &tests) = class_eval(&tests)
  def self.it(_, &test) = Object.new.instance_eval(&test)
end
def expect(actual) = Expectation.new(actual)
def eq(expected) = expected
`

// section gives the code block of a section of the page.
func section(t *testing.T, title string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n## "+title+"\n")
	_, rest, opened := strings.Cut(rest, "```")
	_, rest, _ = strings.Cut(rest, "\n") // the language
	code, _, closed := strings.Cut(rest, "\n```")
	if !found || !opened || !closed {
		t.Fatalf("docs/testing.md has no code under %q", title)
	}
	return code
}
