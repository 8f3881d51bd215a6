package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/queue"
)

const (
	goodSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	goodKey    = "app:0123456789abcdef"
)

func TestTheEmbeddedDefaultNeedsNoSettings(t *testing.T) {
	c, err := Settings{}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Addr: "127.0.0.1:8080", DatabaseURL: "sqlite:genevadrive.db", Role: engine.RoleAll, Concurrency: 128,
		Queues:           []queue.QueueWeight{{Name: "critical", Weight: 6}, {Name: "default", Weight: 3}, {Name: "low", Weight: 1}},
		WebhookAllowNets: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Retention:        30 * 24 * time.Hour, ShutdownTimeout: 25 * time.Second, LogLevel: slog.LevelInfo, LogFormat: "text",
	}
	if c.String() != want.String() {
		t.Errorf("the default is\n%v\nwant\n%v", c, want)
	}
}

func TestSettingsAreRead(t *testing.T) {
	server := Settings{
		Addr: ":8080", DatabaseURL: "postgres://gd:pass@a:5432,b:5432/gd?sslmode=disable", RedisURL: "redis-sentinel://:pw@s1:26379,s2:26379?master=m",
		Role: "worker", Queues: "a=2, b=1", APIKeys: goodKey, WebhookSecrets: goodSecret + "," + goodSecret,
		WebhookAllowNets: "10.0.0.0/8", ShutdownTimeout: "PT1M30S", LogLevel: "debug", LogFormat: " json ",
	}
	for name, test := range map[string]struct {
		settings Settings
		field    func(Config) any
		want     any
	}{
		"white space is taken off": {server, func(c Config) any { return c.LogFormat }, "json"},
		"ISO duration":             {server, func(c Config) any { return c.ShutdownTimeout }, 90 * time.Second},
		"short duration":           {Settings{ShutdownTimeout: "1m30s"}, func(c Config) any { return c.ShutdownTimeout }, 90 * time.Second},
		"test mode":                {Settings{TestMode: "true"}, func(c Config) any { return c.TestMode }, true},
		"speedruns only":           {Settings{TestMode: "true", Concurrency: "0"}, func(c Config) any { return c.Concurrency }, 0},
		"retention":                {Settings{Retention: "P90D"}, func(c Config) any { return c.Retention }, 90 * 24 * time.Hour},
		"everything is kept":       {Settings{Retention: "0"}, func(c Config) any { return c.Retention }, time.Duration(0)},
		"both secrets sign":        {server, func(c Config) any { return len(c.WebhookSecrets) }, 2},
		"level":                    {server, func(c Config) any { return c.LogLevel }, slog.LevelDebug},
		"default is always there": {server, func(c Config) any { return c.Queues },
			[]queue.QueueWeight{{Name: "a", Weight: 2}, {Name: "b", Weight: 1}, {Name: "default", Weight: 1}}},
		"nets are those given":        {server, func(c Config) any { return c.WebhookAllowNets }, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		"off loopback none are open":  {Settings{Addr: ":80", APIKeys: goodKey}, func(c Config) any { return len(c.WebhookAllowNets) }, 0},
		"none closes loopback":        {Settings{WebhookAllowNets: "none"}, func(c Config) any { return len(c.WebhookAllowNets) }, 0},
		"localhost is loopback":       {Settings{Addr: "localhost:0"}, func(c Config) any { return len(c.WebhookAllowNets) }, 2},
		"IPv6 loopback is loopback":   {Settings{Addr: "[::1]:0"}, func(c Config) any { return len(c.WebhookAllowNets) }, 2},
		"a worker needs no keys":      {server.with(func(s *Settings) { s.APIKeys = "" }), func(c Config) any { return c.Role }, engine.RoleWorker},
		"a socket needs no host":      {Settings{DatabaseURL: "postgres:///gd?host=/run/postgresql", WebhookSecrets: goodSecret}, func(c Config) any { return c.sqlite() }, false},
		"an SQLite path as a URL too": {Settings{DatabaseURL: "sqlite:///data/x.db"}, func(c Config) any { return c.sqlite() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := test.settings.Parse()
			if err != nil {
				t.Fatal(err)
			}
			if got := test.field(c); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func (s Settings) with(change func(*Settings)) Settings {
	change(&s)
	return s
}

func TestSettingsThatCannotBeUsed(t *testing.T) {
	server := Settings{Addr: ":8080", DatabaseURL: "postgres://a/b", APIKeys: goodKey, WebhookSecrets: goodSecret}
	for name, test := range map[string]struct {
		settings Settings
		variable string
		says     string // part of the message
	}{
		"address without port":     {Settings{Addr: "127.0.0.1"}, "GENEVADRIVE_ADDR", "127.0.0.1:8080"},
		"address by name":          {Settings{Addr: "example.com:80"}, "GENEVADRIVE_ADDR", `"example.com:80"`},
		"port too large":           {Settings{Addr: "127.0.0.1:65536"}, "GENEVADRIVE_ADDR", "a port"},
		"ops address":              {Settings{OpsAddr: "9090"}, "GENEVADRIVE_OPS_ADDR", `"9090"`},
		"database scheme":          {Settings{DatabaseURL: "mongodb://u:hunter2@h/d"}, "GENEVADRIVE_DATABASE_URL", "postgres://user:password@host"},
		"database without file":    {Settings{DatabaseURL: "sqlite:"}, "GENEVADRIVE_DATABASE_URL", "the path of a file"},
		"database in memory":       {Settings{DatabaseURL: "sqlite::memory:"}, "GENEVADRIVE_DATABASE_URL", "the path of a file"},
		"database is a directory":  {Settings{DatabaseURL: "sqlite:" + t.TempDir()}, "GENEVADRIVE_DATABASE_URL", "that is a directory"},
		"redis scheme":             {Settings{RedisURL: "http://u:hunter2@h"}, "GENEVADRIVE_REDIS_URL", "redis://host:6379/0"},
		"unknown role":             {Settings{Role: "both"}, "GENEVADRIVE_ROLE", "all, api or worker"},
		"role without redis":       {server.with(func(s *Settings) { s.Role = "api" }), "GENEVADRIVE_ROLE", "GENEVADRIVE_REDIS_URL"},
		"role on SQLite":           {Settings{Role: "worker", RedisURL: "redis://r"}, "GENEVADRIVE_ROLE", "one process"},
		"test mode":                {Settings{TestMode: "yes"}, "GENEVADRIVE_TEST_MODE", "true or false"},
		"no concurrency":           {Settings{Concurrency: "0"}, "GENEVADRIVE_CONCURRENCY", "1 to 10000"},
		"concurrency in words":     {Settings{Concurrency: "many"}, "GENEVADRIVE_CONCURRENCY", `"many"`},
		"queue without weight":     {Settings{Queues: "critical,low"}, "GENEVADRIVE_QUEUES", "critical=6,default=3,low=1"},
		"queue weight zero":        {Settings{Queues: "critical=0"}, "GENEVADRIVE_QUEUES", "weights from 1"},
		"queue twice":              {Settings{Queues: "a=1,a=2"}, "GENEVADRIVE_QUEUES", "a is there twice"},
		"queue name":               {Settings{Queues: "a b=1"}, "GENEVADRIVE_QUEUES", "queue name"},
		"key without name":         {Settings{APIKeys: "0123456789abcdef"}, "GENEVADRIVE_API_KEYS", "name:key"},
		"short key":                {Settings{APIKeys: "app:hunter2"}, "GENEVADRIVE_API_KEYS", "at least 16"},
		"no keys off loopback":     {Settings{Addr: "0.0.0.0:8080"}, "GENEVADRIVE_API_KEYS", "anyone who reaches 0.0.0.0:8080"},
		"no keys on all addresses": {Settings{Addr: ":8080"}, "GENEVADRIVE_API_KEYS", "GENEVADRIVE_ADDR=127.0.0.1:8080"},
		"a comma for keys":         {Settings{APIKeys: ","}, "GENEVADRIVE_API_KEYS", "holds no key"},
		"a comma for secrets":      {Settings{WebhookSecrets: ","}, "GENEVADRIVE_WEBHOOK_SECRETS", "holds no secret"},
		"commas for secrets":       {server.with(func(s *Settings) { s.WebhookSecrets = " , ," }), "GENEVADRIVE_WEBHOOK_SECRETS", "holds no secret"},
		"secret without prefix":    {Settings{WebhookSecrets: "hunter2hunter2"}, "GENEVADRIVE_WEBHOOK_SECRETS", "openssl rand -base64 32"},
		"no secret on a server":    {server.with(func(s *Settings) { s.WebhookSecrets = "" }), "GENEVADRIVE_WEBHOOK_SECRETS", "have to be given"},
		"nets":                     {Settings{WebhookAllowNets: "10.0.0.1/8"}, "GENEVADRIVE_WEBHOOK_ALLOW_NETS", "10.0.0.0/8"},
		"no directory":             {Settings{DefinitionsDir: "/does/not/exist"}, "GENEVADRIVE_DEFINITIONS_DIR", "no such directory"},
		"retention without unit":   {Settings{Retention: "30"}, "GENEVADRIVE_RETENTION", "0 keeps everything"},
		"timeout without unit":     {Settings{ShutdownTimeout: "30"}, "GENEVADRIVE_SHUTDOWN_TIMEOUT", "30s"},
		"timeout too long":         {Settings{ShutdownTimeout: "2h"}, "GENEVADRIVE_SHUTDOWN_TIMEOUT", "at most 1h"},
		"level":                    {Settings{LogLevel: "verbose"}, "GENEVADRIVE_LOG_LEVEL", "debug, info, warn or error"},
		"format":                   {Settings{LogFormat: "xml"}, "GENEVADRIVE_LOG_FORMAT", "text or json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.settings.Parse()
			var fault *SettingError
			if !errors.As(err, &fault) {
				t.Fatalf("got %v, want a SettingError", err)
			}
			if fault.Variable != test.variable || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %q, want %s and %q in it", err, test.variable, test.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q shows a secret", err)
			}
			if strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("one fault is told several times: %q", err)
			}
		})
	}
}

func TestEveryFaultIsToldAtOnce(t *testing.T) {
	_, err := Settings{Addr: "x", Role: "y", LogLevel: "z"}.Parse()
	for _, variable := range []string{"GENEVADRIVE_ADDR", "GENEVADRIVE_ROLE", "GENEVADRIVE_LOG_LEVEL"} {
		if !strings.Contains(fmt.Sprint(err), variable) {
			t.Errorf("%q does not name %s", err, variable)
		}
	}
}

func TestAConfigShowsNoSecrets(t *testing.T) {
	c, err := Settings{
		DatabaseURL: "postgres://user:hunter2@h:5432,i:5432/db?password=hunter2", RedisURL: "rediss://:hunter2@r:6379/1",
		APIKeys: "app:hunter2hunter2hunter2", WebhookSecrets: goodSecret,
	}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("config", "config", c, "pointer", &c)
	for how, text := range map[string]string{"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", &c), "%#v": fmt.Sprintf("%#v", c), "log": logged.String()} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "MfKQ9r8GKYq") {
			t.Errorf("%s shows a secret: %s", how, text)
		}
		if !strings.Contains(text, "h:5432,i:5432/db") || !strings.Contains(text, "app") {
			t.Errorf("%s does not show what is no secret: %s", how, text)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	got := UnknownVariables([]string{"GENEVADRIVE_ADDR=x", "GENEVADRIVE_TEST_REDIS_URL=x", "PATH=x", "GENEVADRIVE_REDIS=x", "GENEVADRIVE_API_KEY=hunter2"})
	want := []string{
		"GENEVADRIVE_API_KEY is not a variable of this server and does nothing; did you mean GENEVADRIVE_API_KEYS?",
		"GENEVADRIVE_REDIS is not a variable of this server and does nothing; did you mean GENEVADRIVE_REDIS_URL?",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestEveryVariableIsInTheREADME(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range envVariables() {
		row := fmt.Sprintf("| `%s` | ", v.Name)
		if v.Default != "" {
			row += "`" + v.Default + "`"
		}
		if !strings.Contains(string(readme), row) {
			t.Errorf("README.md has no row beginning with %q", row)
		}
	}
}
