// Package archtest holds the rules between packages: who may import whom, and what the
// domain must not know. DESIGN: domain knows nobody, persistence, queue and webhook know
// the domain and not each other, engine joins them, handlers see api, engine and domain,
// only app sees everything.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/genevadrive/genevadrive"

// anything in a row of the table allows every package of this module but the test
// environment.
const anything = "…"

// allowed says which of this module's packages a top-level directory may import
// directly, beside its own subdirectories. What has no row may not exist.
var allowed = map[string][]string{
	"api":         {},
	"app":         {anything},
	"cmd":         {"app"},
	"docs":        {"domain"}, // programs that write tables from the code
	"domain":      {},
	"engine":      {"domain", "persistence", "queue", "webhook"},
	"examples":    {},
	"handlers":    {"api", "domain", "engine"},
	"internal":    {anything},
	"migrations":  {},
	"persistence": {"domain", "migrations"},
	"queue":       {"domain"},
	"sdk":         {}, // sdk/go is a module of its own, and is not seen from here
	"telemetry":   {"domain", "engine", "persistence", "queue"},
	"webhook":     {"domain"},

	"genevadrivetest": {"app"}, // helps users' tests; starts the service as cmd does

	// Programs that measure and break the service start it as app does.
	"bench": {anything},
	"chaos": {anything},
}

// forbidden says which outside packages, with everything below them, a top-level
// directory must not import.
var forbidden = map[string][]string{
	"domain": {"net", "net/http", "database/sql", "os", "io/fs", "syscall", "log", "math/rand", "crypto/rand",
		"github.com/uptrace/bun", "github.com/hibiken/asynq", "github.com/redis/go-redis", "github.com/jackc/pgx",
		"github.com/go-chi/chi"},
}

// allowedOutside lists what forbidden would refuse and is harmless: no I/O is in it.
var allowedOutside = []string{"net/url", "net/netip"}

const testEnvironment = "internal/testenv"

// mayUseTestEnvironment lists the directories whose programs, not only tests, start
// servers of their own.
var mayUseTestEnvironment = []string{"internal", "bench", "chaos"}

type listed struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
	Dir        string
}

func list(t *testing.T) []listed {
	t.Helper()
	// With the profile of cmd/server each package would be listed as a variant, compiled for that alone.
	cmd := exec.Command("go", "list", "-pgo=off", "-e", "-json=ImportPath,Imports,GoFiles,Dir", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		switch err := decoder.Decode(&p); err {
		case nil:
			packages = append(packages, p)
		case io.EOF:
			if len(packages) == 0 {
				t.Fatal("go list names no package")
			}
			return packages
		default:
			t.Fatal(err)
		}
	}
}

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		for _, problem := range judge(p.ImportPath, p.Imports) {
			t.Error(problem)
		}
	}
}

// judge returns a sentence for each import that the rules refuse.
func judge(importer string, imports []string) []string {
	from := strings.TrimPrefix(importer, module+"/")
	top := topOf(from)
	may, known := allowed[top]
	if !known {
		return []string{from + ": no rule for this directory; give it a row in internal/archtest"}
	}
	var problems []string
	for _, path := range imports {
		to, ours := strings.CutPrefix(path, module+"/")
		switch {
		case !ours:
			if i := slices.IndexFunc(forbidden[top], func(f string) bool { return within(path, f) }); i >= 0 && !slices.Contains(allowedOutside, path) {
				problems = append(problems, from+" imports "+path+": "+top+" does no I/O and makes no randomness")
			}
		case within(to, testEnvironment):
			if !slices.Contains(mayUseTestEnvironment, top) {
				problems = append(problems, from+" imports "+to+": only tests may")
			}
		case topOf(to) == top, slices.Contains(may, anything), slices.Contains(may, topOf(to)):
		default:
			problems = append(problems, from+" imports "+to+": "+top+" may import of this module only ["+strings.Join(may, " ")+"]")
		}
	}
	return problems
}

func topOf(path string) string {
	top, _, _ := strings.Cut(path, "/")
	return top
}

// within says whether path is the package or below it.
func within(path, of string) bool { return path == of || strings.HasPrefix(path, of+"/") }

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		from, to string
		refused  bool
	}{
		{"domain", "os", true},
		{"domain", "net/http", true},
		{"domain", "net/url", false},
		{"domain", "math/rand/v2", true},
		{"domain", "log/slog", true},
		{"domain", "math/bits", false},
		{"domain/strictjson", "crypto/rand", true},
		{"domain", module + "/persistence", true},
		{"domain", module + "/domain/strictjson", false},
		{"persistence", module + "/domain", false},
		{"persistence", module + "/migrations", false},
		{"persistence", module + "/queue", true},
		{"queue", module + "/webhook", true},
		{"webhook", module + "/domain", false},
		{"webhook", "net/http", false},
		{"engine", module + "/persistence", false},
		{"engine", module + "/handlers", true},
		{"handlers", module + "/api", false},
		{"handlers", module + "/persistence", true},
		{"app", module + "/handlers", false},
		{"app", module + "/internal/testenv", true},
		{"cmd/server", module + "/app", false},
		{"cmd/server", module + "/engine", true},
		{"internal/tools/testservers", module + "/internal/testenv", false},
		{"misc", "fmt", true},
	} {
		if got := judge(module+"/"+c.from, []string{c.to}); (len(got) > 0) != c.refused {
			t.Errorf("%s importing %s: %q, want refused = %v", c.from, c.to, got, c.refused)
		}
	}
}
