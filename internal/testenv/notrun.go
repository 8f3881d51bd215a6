package testenv

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// NotRunEnv names the file to which tests that lack something add a line each; the
// program that started them sums it up at the end.
const NotRunEnv = "GENEVADRIVE_TEST_NOT_RUN_FILE"

// need is what a test may want and a machine may lack: a server, a language, or what is built by another target.
type need struct{ name, label, remedy string }

func (k *Kind) need() need    { return need{k.Name, k.Label, k.Remedy()} }
func (r *Runtime) need() need { return need{r.Name, r.Label, r.Remedy()} }

func needs() (all []need) {
	for _, k := range Kinds() {
		all = append(all, k.need())
	}
	for _, r := range Runtimes() {
		all = append(all, r.need())
	}
	return append(all, typeScriptClient)
}

// notRun ends a test for which one of the needs is not there. One that is there and
// does not work is a failure, and so is a missing one when CI=true.
func (n need) notRun(tb TB, err error) {
	tb.Helper()
	if !errors.Is(err, ErrNotInstalled) {
		tb.Fatalf("this test needs %s: %v", n.label, err)
		return
	}
	if os.Getenv("CI") == "true" {
		tb.Fatalf("this test needs %s: %v\n%s", n.label, err, n.remedy)
		return
	}
	if path := os.Getenv(NotRunEnv); path != "" {
		program := strings.TrimSuffix(filepath.Base(os.Args[0]), ".test")
		if err := appendLine(path, n.name+"\t"+program+"\t"+tb.Name()); err != nil {
			tb.Fatalf("noting that the test was not run: %v", err)
		}
	}
	tb.Skipf("not run, for want of %s (%v)\n%s", n.label, err, n.remedy)
}

// Remedy says how to get a server of this kind.
func (k *Kind) Remedy() string {
	return fmt.Sprintf("install it (Debian, Ubuntu: apt-get install %s), or start Docker and use make test, or name a server that may be emptied: %s=%s",
		k.Package, k.Env, k.Example)
}

// Summary says in plain words which tests the file at path lists, and how to run them;
// empty if every test was run.
func Summary(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	tests := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		kind, test, _ := strings.Cut(strings.TrimSpace(line), "\t")
		pkg, name, _ := strings.Cut(test, "\t")
		tests[kind] = append(tests[kind], pkg+"."+name)
	}
	var b strings.Builder
	for _, n := range needs() {
		names := tests[n.name]
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		shown := strings.Join(names[:min(3, len(names))], ", ")
		if len(names) > 3 {
			shown += ", …"
		}
		fmt.Fprintf(&b, "NOT RUN, for want of %s: %d %s (%s).\n  To run them: %s.\n", n.label, len(names),
			cmp.Or(map[int]string{1: "test"}[len(names)], "tests"), shown, n.remedy)
	}
	return b.String(), nil
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

// databaseName is a name no other test has, within every server's limits.
func databaseName() string { return "gd_" + strings.ToLower(rand.Text()) }
