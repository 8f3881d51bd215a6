package sdk_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/app"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

const key = "0123456789abcdef"

func TestGo(t *testing.T) {
	t.Parallel()
	run(t, "go", "go", "test", "-count=1", "-tags=server", "./...")
}

func TestTypeScript(t *testing.T) {
	t.Parallel()
	node := testenv.Node.Path(t)
	testenv.TypeScriptClient(t, "typescript/build")
	run(t, "typescript", node, "--test", "build/client.test.js", "build/server.test.js")
}

// run has a command in a client's directory test a server of its own.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "GENEVADRIVE_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, "GENEVADRIVE_URL="+serve(t), "GENEVADRIVE_KEY="+key)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
	t.Logf("%s", out)
}

// serve starts a server and gives its address.
func serve(t *testing.T) string {
	t.Helper()
	cfg, err := app.Settings{Addr: "127.0.0.1:0", DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "test.db"), APIKeys: "test:" + key}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server stopped with %v", err)
		}
	})
	return "http://" + a.Addr()
}
