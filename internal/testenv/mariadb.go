package testenv

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

type mariadbEngine struct{}

func (mariadbEngine) locate() (map[string]string, error) {
	programs, err := locate([]string{"/opt/homebrew/bin", "/usr/local/bin"}, "mariadb-install-db", "mariadbd")
	if err == nil {
		return programs, nil
	}
	// Debian puts the server where ordinary users' PATH does not look.
	if programs, err = locate(nil, "mariadb-install-db"); err != nil {
		return nil, err
	}
	server, err := locate([]string{"/usr/sbin", "/usr/libexec"}, "mariadbd")
	if err != nil {
		return nil, err
	}
	programs["mariadbd"] = server["mariadbd"]
	return programs, nil
}

func (mariadbEngine) account() string { return "mysql" }

func (mariadbEngine) prepare(in *install) error {
	// One statement a line; it is run at every start.
	user := "CREATE USER IF NOT EXISTS genevadrive@'%' IDENTIFIED BY 'genevadrive';\nGRANT ALL ON *.* TO genevadrive@'%' WITH GRANT OPTION;\n"
	if err := os.WriteFile(filepath.Join(in.dir, "init.sql"), []byte(user), 0o644); err != nil {
		return err
	}
	return in.run(in.programs["mariadb-install-db"], "--no-defaults", "--datadir="+in.data,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=32M")
}

func (mariadbEngine) command(in *install) []string {
	args := []string{in.programs["mariadbd"], "--no-defaults", "--datadir=" + in.data,
		"--port=" + strconv.Itoa(in.port), "--bind-address=127.0.0.1", "--skip-name-resolve",
		"--socket=" + filepath.Join(in.dir, "data", "socket"), "--pid-file=" + filepath.Join(in.data, "mariadb.pid"),
		"--init-file=" + filepath.Join(in.dir, "init.sql"),
		"--character-set-server=utf8mb4", "--default-time-zone=+05:45", // see init in testenv.go
		"--max-connections=300", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M"}
	if !in.durable {
		args = append(args, "--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync")
	}
	return append(args, in.settings...)
}

func (mariadbEngine) url(port int) string {
	return fmt.Sprintf("mysql://genevadrive:genevadrive@127.0.0.1:%d/mysql", port)
}

func (e mariadbEngine) ping(ctx context.Context, url string) error {
	return e.exec(ctx, url, "SELECT 1")
}

func (e mariadbEngine) create(server string) (string, func() error, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, err
	}
	name := databaseName()
	u.Path = "/" + name
	drop := func() error {
		return e.exec(context.Background(), server, "DROP DATABASE IF EXISTS "+name)
	}
	return u.String(), drop, e.exec(context.Background(), server, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4")
}

func (mariadbEngine) exec(ctx context.Context, server, statement string) error {
	u, err := url.Parse(server)
	if err != nil {
		return err
	}
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Net, cfg.Addr = "tcp", u.Host
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	cfg.Logger = &mysql.NopLogger{} // a server that is still starting is no news
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}
