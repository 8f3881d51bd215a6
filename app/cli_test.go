package app_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// command runs the program with an environment of its own and gives its exit code and what it printed.
func command(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	return commandIn(t, nil, args...)
}

// commandIn is command with more in the environment.
func commandIn(t *testing.T, env []string, args ...string) (code int, out, errs string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &stdout, &stderr
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func TestEveryCommandHelps(t *testing.T) {
	t.Parallel()
	_, all, _ := command(t, "--help")
	for name, says := range map[string]string{
		"serve": "Run the service", "migrate": "schema", "migrate up": "Apply what is missing", "migrate status": "List the migrations",
		"validate": "exit code 1", "healthcheck": "exit code 1", "version": "Print the version",
		"presence-sql": "--subject-column=TABLE.COLUMN", "check-receiver": "exit code 1",
	} {
		if !regexp.MustCompile(`(?m)^  ` + strings.Fields(name)[0] + `\b`).MatchString(all) {
			t.Errorf("--help does not list %s:\n%s", name, all)
		}
		code, out, errs := command(t, append(strings.Fields(name), "--help")...)
		if code != 0 || !strings.Contains(out, says) || !strings.Contains(out, "Usage: genevadrive "+name) {
			t.Errorf("%s --help ends with %d, want %q in\n%s%s", name, code, says, out, errs)
		}
	}
}

func TestCommandsEndAsTheySay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	writeFile(t, good, "type: Good\nwebhook: {url: \"https://example.com/\"}\nsteps: [{name: one}]\n")
	writeFile(t, bad, "type: Bad\nsteps: [{name: one, wait: soon}]\n")
	presence := []string{"presence-sql", "--type", "T", "--subject-type", "U", "--subject-column"}
	for _, test := range []struct {
		args      []string
		code      int
		out, errs string // parts
	}{
		{[]string{"version"}, 0, "genevadrive ", ""},
		{[]string{"validate", good}, 0, "Good is valid", ""},
		{[]string{"validate", good, bad}, 1, "#/steps/0/wait", "not every definition is valid"},
		{[]string{"validate", filepath.Join(dir, "none.yaml")}, 1, "no such file", ""},
		{append(presence, "users.id"), 0, "EXISTS (SELECT 1", ""},
		{append(presence, "users.id", "--database-url", "mysql://u@h/d", "--schema", "gd"), 0, "FROM gd.geneva_drive_workflows", ""},
		{append(presence, "id"), 1, "", "needs its table"},
		{[]string{"presence-sql", "--type", "T"}, 80, "", "--subject-column"},
		{[]string{"migrate", "status"}, 0, "0001_definitions", ""},
		{[]string{"migrate", "up"}, 0, "applied 0001_definitions", ""},
		{[]string{"migrate", "up", "--database-url", "mongodb://x"}, 1, "", "GENEVADRIVE_DATABASE_URL"},
		{[]string{"healthcheck", "--addr", "127.0.0.1:1"}, 1, "", "does not answer"},
		{[]string{"serve", "--concurrency", "0"}, 1, "", "GENEVADRIVE_CONCURRENCY"},
		{[]string{"server"}, 80, "", "unexpected argument server"},
	} {
		code, out, errs := command(t, test.args...)
		if code != test.code || !strings.Contains(out, test.out) || !strings.Contains(errs, test.errs) {
			t.Errorf("%q ends with %d, %q and %q; want %d, %q and %q", test.args, code, out, errs, test.code, test.out, test.errs)
		}
	}
}
