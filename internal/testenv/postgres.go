package testenv

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"
)

type postgresEngine struct{}

func (postgresEngine) locate() (map[string]string, error) {
	return locate([]string{"/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"},
		"postgres", "initdb")
}

func (postgresEngine) account() string { return "postgres" }

func (postgresEngine) prepare(in *install) error {
	password := filepath.Join(in.dir, "password")
	if err := os.WriteFile(password, []byte("genevadrive\n"), 0o644); err != nil {
		return err
	}
	return in.run(in.programs["initdb"], "--pgdata="+in.data, "--username=genevadrive", "--pwfile="+password,
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
}

func (postgresEngine) command(in *install) []string {
	fsync := "off"
	if in.durable {
		fsync = "on"
	}
	args := []string{in.programs["postgres"], "-D", in.data, "-p", strconv.Itoa(in.port)}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300",
		"shared_buffers=64MB", "max_wal_size=512MB", "wal_level=minimal", "max_wal_senders=0", "jit=off",
		"fsync=" + fsync, "synchronous_commit=on",
		"timezone=<+0545>-05:45", // see init in testenv.go
	} {
		args = append(args, "-c", setting)
	}
	return append(args, in.settings...)
}

func (postgresEngine) url(port int) string {
	return fmt.Sprintf("postgres://genevadrive:genevadrive@127.0.0.1:%d/postgres?sslmode=disable", port)
}

func (e postgresEngine) ping(ctx context.Context, url string) error {
	return e.exec(ctx, url, "SELECT 1")
}

func (e postgresEngine) create(server string) (string, func() error, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, err
	}
	name := databaseName()
	u.Path = "/" + name
	drop := func() error {
		return e.exec(context.Background(), server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	}
	return u.String(), drop, e.exec(context.Background(), server, "CREATE DATABASE "+name)
}

func (postgresEngine) exec(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
	return err
}
