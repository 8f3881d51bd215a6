package app

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// envPrefix begins the name of every environment variable of the service.
const envPrefix = "GENEVADRIVE_"

// Settings are the configuration as it is written: each field is an environment variable and a flag of the
// same name. An empty one means its default. Parse makes a Config of them.
type Settings struct {
	Addr             string `env:"GENEVADRIVE_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of the API. Off loopback, API keys are required (default ${default})."`
	OpsAddr          string `env:"GENEVADRIVE_OPS_ADDR" placeholder:"HOST:PORT" help:"A second address for metrics and pprof, without a key. Empty: none."`
	PublicURL        string `env:"GENEVADRIVE_PUBLIC_URL" placeholder:"URL" help:"Where receivers reach the API with late answers. Empty: its address, on loopback only; elsewhere no step can have a callback_timeout then."`
	DatabaseURL      string `env:"GENEVADRIVE_DATABASE_URL" default:"sqlite:genevadrive.db" placeholder:"URL" help:"sqlite:FILE, postgres://… or mysql://… (MariaDB too) (default ${default})."`
	RedisURL         string `env:"GENEVADRIVE_REDIS_URL" placeholder:"URL" help:"redis://…, rediss://…, redis-sentinel://… or rediss-sentinel://…. Empty: timers inside this one process."`
	Role             string `env:"GENEVADRIVE_ROLE" default:"all" placeholder:"all|api|worker" help:"What this server does. Roles other than all need Redis (default ${default})."`
	Concurrency      string `env:"GENEVADRIVE_CONCURRENCY" default:"128" placeholder:"N" help:"Steps performed at once (default ${default})."`
	Queues           string `env:"GENEVADRIVE_QUEUES" default:"critical=6,default=3,low=1" placeholder:"NAME=WEIGHT,…" help:"Queues and their shares of the slots under load; default is always there (default ${default})."`
	APIKeys          string `env:"GENEVADRIVE_API_KEYS" placeholder:"NAME:KEY,…" help:"Who may use the API: a name for the logs and a key of at least 16 characters."`
	WebhookSecrets   string `env:"GENEVADRIVE_WEBHOOK_SECRETS" placeholder:"whsec_…,…" help:"Secrets that sign webhooks, newest first; all of them sign. On SQLite one is made if there is none."`
	SecretKey        string `env:"GENEVADRIVE_SECRET_KEY" placeholder:"BASE64" help:"32 random bytes, the same on every server: seals stored secrets and signs the tokens of late answers. On SQLite one is made if there is none."`
	WebhookAllowNets string `env:"GENEVADRIVE_WEBHOOK_ALLOW_NETS" placeholder:"NET,…" help:"Networks that are not public and that webhooks may reach all the same. Empty: loopback if the API itself is on loopback only; none: not even that."`
	DefinitionsDir   string `env:"GENEVADRIVE_DEFINITIONS_DIR" placeholder:"DIR" help:"Definitions (*.yaml, *.yml, *.json) to register at start."`
	Retention        string `env:"GENEVADRIVE_RETENTION" default:"30d" placeholder:"DURATION" help:"How long finished and canceled workflows are kept; 0 keeps all (default ${default})."`
	TestMode         string `env:"GENEVADRIVE_TEST_MODE" default:"false" placeholder:"true|false" help:"Whether speedruns may be asked for, which ignore waits: for test suites, never in production (default ${default})."`
	ShutdownTimeout  string `env:"GENEVADRIVE_SHUTDOWN_TIMEOUT" default:"25s" placeholder:"DURATION" help:"How long deliveries in flight may take to finish at shutdown (default ${default})."`
	LogLevel         string `env:"GENEVADRIVE_LOG_LEVEL" default:"info" placeholder:"LEVEL" help:"debug, info, warn or error (default ${default})."`
	LogFormat        string `env:"GENEVADRIVE_LOG_FORMAT" default:"text" placeholder:"text|json" help:"How log lines are written (default ${default})."`
}

// envVariable describes one field of Settings.
type envVariable struct{ Name, Default string }

// envVariables lists the configuration in order.
func envVariables() []envVariable {
	var all []envVariable
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Settings]()) {
		all = append(all, envVariable{Name: f.Tag.Get("env"), Default: f.Tag.Get("default")})
	}
	return all
}

// withDefaults fills the empty fields, and takes the white space off the others.
func (s Settings) withDefaults() Settings {
	v := reflect.ValueOf(&s).Elem()
	for _, f := range reflect.VisibleFields(v.Type()) {
		text := strings.TrimSpace(v.FieldByIndex(f.Index).String())
		if text == "" {
			text = f.Tag.Get("default")
		}
		v.FieldByIndex(f.Index).SetString(text)
	}
	return s
}

// UnknownVariables gives a sentence for each name in environ ("NAME=value") that looks like one of the
// service's variables and is none: most often a name misspelt, whose value would silently not count.
func UnknownVariables(environ []string) []string {
	var known []string
	for _, v := range envVariables() {
		known = append(known, v.Name)
	}
	var found []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || strings.HasPrefix(name, envPrefix+"TEST_") || slices.Contains(known, name) {
			continue
		}
		found = append(found, fmt.Sprintf("%s is not a variable of this server and does nothing%s", name, nearest(name, known)))
	}
	slices.Sort(found)
	return found
}

// nearest suggests the known name that shares the longest beginning with this one, if it is long enough.
func nearest(name string, known []string) string {
	best, most := "", len(envPrefix)+2
	for _, k := range known {
		n := 0
		for n < len(k) && n < len(name) && k[n] == name[n] {
			n++
		}
		if n > most {
			best, most = "; did you mean "+k+"?", n
		}
	}
	return best
}

// SettingError is one setting that cannot be used: the variable, what was written there (nothing, if that is
// a secret) and what to write instead.
type SettingError struct {
	Variable string
	Value    string
	Problem  string
}

func (e *SettingError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: %s", e.Variable, e.Problem)
	}
	return fmt.Sprintf("%s=%q: %s", e.Variable, e.Value, e.Problem)
}

// faults gathers what is wrong with the settings, so that all of it is said at once.
type faults []error

func (f *faults) add(variable, value string, problem any) {
	*f = append(*f, &SettingError{Variable: variable, Value: value, Problem: fmt.Sprint(problem)})
}

func (f faults) err() error { return errors.Join(f...) }
