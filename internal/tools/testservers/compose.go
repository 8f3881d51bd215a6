package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

//go:embed compose.yaml
var composeFile string

// composed says where compose.yaml's service for a kind listens, and its URL given
// the published address.
var composed = map[*testenv.Kind]struct{ port, url string }{
	testenv.PostgreSQL:  {"5432", "postgres://genevadrive:genevadrive@%s/postgres?sslmode=disable"},
	testenv.MariaDB:     {"3306", "mysql://root:genevadrive@%s/mysql"},
	testenv.RedisServer: {"6379", "redis://%s"},
}

// fromCompose starts the kinds' services where a Docker engine and its Compose plugin
// answer; elsewhere it does nothing.
func (s *servers) fromCompose(ctx context.Context, kinds []*testenv.Kind) error {
	asked, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if exec.CommandContext(asked, "docker", "info").Run() != nil ||
		exec.CommandContext(asked, "docker", "compose", "version").Run() != nil {
		return nil
	}
	ctx, cancel = context.WithTimeout(ctx, 10*time.Minute) // pulling images
	defer cancel()
	project := fmt.Sprintf("genevadrive-test-%d", os.Getpid())
	up := []string{"up", "--detach", "--wait", "--quiet-pull"}
	for _, k := range kinds {
		up = append(up, k.Name)
	}
	down := func() { _, _ = compose(context.Background(), project, "down", "--volumes", "--timeout", "1") }
	if _, err := compose(ctx, project, up...); err != nil {
		down()
		return err
	}
	for i, k := range kinds {
		service := composed[k]
		address, err := compose(ctx, project, "port", k.Name, service.port)
		if err != nil {
			down()
			return err
		}
		remove := down
		if i > 0 {
			remove = nil // once takes all of them down
		}
		s.add(k, fmt.Sprintf(service.url, address), "Docker Compose", remove)
	}
	return nil
}

func compose(ctx context.Context, project string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", append([]string{"compose", "--project-name", project, "--file", "-"}, args...)...)
	cmd.Stdin = strings.NewReader(composeFile)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker compose %s: %w\n%s", args[0], err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}
