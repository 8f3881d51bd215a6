package app

import (
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/handlers"
	"github.com/genevadrive/genevadrive/queue"
	"github.com/genevadrive/genevadrive/webhook"
)

// Config is the configuration as it is used: Settings, read and checked. Printed or logged it shows no
// secrets.
type Config struct {
	Addr             string
	OpsAddr          string // "": none
	PublicURL        string // base of callback URLs; "": the address, if on loopback
	DatabaseURL      string
	RedisURL         string // "": embedded
	Role             engine.Role
	Concurrency      int
	Queues           []queue.QueueWeight
	APIKeys          []handlers.Key   // none: open, on loopback only
	WebhookSecrets   []webhook.Secret // newest first; none: from the file beside the SQLite database
	SecretKey        []byte           // nil: from the file beside the SQLite database, elsewhere none
	WebhookAllowNets []netip.Prefix
	DefinitionsDir   string        // "": none
	Retention        time.Duration // 0: everything is kept
	TestMode         bool
	ShutdownTimeout  time.Duration
	LogLevel         slog.Level
	LogFormat        string // "text" or "json"
}

// Parse reads the settings. The error is every *SettingError there is, joined.
func (s Settings) Parse() (Config, error) {
	s = s.withDefaults()
	var bad faults
	c := Config{
		Addr:             bad.address("GENEVADRIVE_ADDR", s.Addr),
		OpsAddr:          bad.address("GENEVADRIVE_OPS_ADDR", s.OpsAddr),
		PublicURL:        bad.publicURL(s.PublicURL),
		DatabaseURL:      bad.databaseURL(s.DatabaseURL),
		RedisURL:         bad.redisURL(s.RedisURL),
		Role:             bad.role(s.Role),
		Concurrency:      bad.concurrency(s.Concurrency, s.TestMode),
		Queues:           bad.queues(s.Queues),
		APIKeys:          bad.apiKeys(s.APIKeys),
		WebhookSecrets:   bad.webhookSecrets(s.WebhookSecrets),
		SecretKey:        bad.secretKey(s.SecretKey),
		WebhookAllowNets: bad.allowNets(s.WebhookAllowNets, isLoopback(s.Addr)),
		DefinitionsDir:   bad.directory("GENEVADRIVE_DEFINITIONS_DIR", s.DefinitionsDir),
		Retention:        bad.retention(s.Retention),
		TestMode:         bad.testMode(s.TestMode),
		ShutdownTimeout:  bad.shutdownTimeout(s.ShutdownTimeout),
		LogLevel:         bad.logLevel(s.LogLevel),
		LogFormat:        bad.logFormat(s.LogFormat),
	}
	c.checkTogether(&bad)
	return c, bad.err()
}

// checkTogether finds what is wrong only in company.
func (c Config) checkTogether(bad *faults) {
	if c.Role != engine.RoleAll && c.Role != "" && c.RedisURL == "" {
		bad.add("GENEVADRIVE_ROLE", string(c.Role), "a server that does only part of the work needs Redis to hear from the others; set GENEVADRIVE_REDIS_URL, or write all")
	}
	if c.Role != engine.RoleAll && c.Role != "" && c.sqlite() {
		bad.add("GENEVADRIVE_ROLE", string(c.Role), "SQLite admits one process, which has to do everything; set GENEVADRIVE_DATABASE_URL to postgres://… or mysql://…, or write all")
	}
	if c.servesAPI() && len(c.APIKeys) == 0 && c.Addr != "" && !isLoopback(c.Addr) && !bad.has("GENEVADRIVE_API_KEYS") {
		bad.add("GENEVADRIVE_API_KEYS", "", "without keys anyone who reaches "+c.Addr+" could run workflows, so the server starts only on loopback then; "+
			"write name:key (for example app:$(openssl rand -hex 24)), or set GENEVADRIVE_ADDR=127.0.0.1:8080")
	}
	if len(c.WebhookSecrets) == 0 && c.DatabaseURL != "" && !c.sqlite() && !bad.has("GENEVADRIVE_WEBHOOK_SECRETS") {
		bad.add("GENEVADRIVE_WEBHOOK_SECRETS", "", "every server signs with the same secrets, so they have to be given; "+
			`write one, for example "whsec_$(openssl rand -base64 32)", and give it to your receivers`)
	}
}

func (c Config) sqlite() bool { return strings.HasPrefix(c.DatabaseURL, sqliteScheme) }

// servesAPI tells whether /v1 is served; a worker answers only probes and scrapes.
func (c Config) servesAPI() bool { return c.Role != engine.RoleWorker }

// queueNames are the names that definitions and answers may use.
func queueNames(queues []queue.QueueWeight) []string {
	names := make([]string, len(queues))
	for i, q := range queues {
		names[i] = q.Name
	}
	return names
}

// LogValue shows the configuration without its secrets.
func (c Config) LogValue() slog.Value {
	keys := make([]string, len(c.APIKeys))
	for i, k := range c.APIKeys {
		keys[i] = k.Name
	}
	return slog.GroupValue(
		slog.String("addr", c.Addr),
		slog.String("ops_addr", c.OpsAddr),
		slog.String("public_url", c.PublicURL),
		slog.String("database", redactURL(c.DatabaseURL)),
		slog.String("redis", redactURL(c.RedisURL)),
		slog.String("role", string(c.Role)),
		slog.Int("concurrency", c.Concurrency),
		slog.Any("queues", c.Queues),
		slog.Any("api_keys", keys),
		slog.Int("webhook_secrets", len(c.WebhookSecrets)),
		slog.Bool("secret_key", len(c.SecretKey) > 0),
		slog.Any("webhook_allow_nets", c.WebhookAllowNets),
		slog.String("definitions_dir", c.DefinitionsDir),
		slog.Duration("retention", c.Retention),
		slog.Bool("test_mode", c.TestMode),
		slog.Duration("shutdown_timeout", c.ShutdownTimeout),
		slog.String("log_level", c.LogLevel.String()),
		slog.String("log_format", c.LogFormat),
	)
}

// String, GoString and MarshalText are LogValue, for those who print a Config otherwise.
func (c Config) String() string { return c.LogValue().String() }

// GoString is String.
func (c Config) GoString() string { return c.String() }

// MarshalText is String.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// redactURL shows where a URL leads: scheme, hosts and path. User, password and options are left out, for
// drivers take passwords as options too. It reads the text itself, since a list of hosts is no proper URL.
func redactURL(text string) string {
	if _, ok := sqlitePath(text); ok {
		return text
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest[strings.LastIndex(rest, "@")+1:]
}
