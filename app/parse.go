package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/handlers"
	"github.com/genevadrive/genevadrive/queue"
	"github.com/genevadrive/genevadrive/webhook"
)

const (
	sqliteScheme   = "sqlite:"
	maxConcurrency = 10_000
	maxWeight      = 1000
	maxShutdown    = time.Hour
	noNets         = "none"
)

// has tells whether something is already wrong with a variable.
func (f *faults) has(variable string) bool {
	for _, err := range *f {
		var e *SettingError
		if errors.As(err, &e) && e.Variable == variable {
			return true
		}
	}
	return false
}

// address reads HOST:PORT; "" stays "". The host is an IP address, localhost, or nothing for all addresses.
func (f *faults) address(variable, text string) string {
	if text == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err == nil && host != "" && host != "localhost" {
		_, err = netip.ParseAddr(host)
	}
	if err != nil {
		f.add(variable, text, "write an IP address (or localhost, or nothing for all addresses) and a port, like 127.0.0.1:8080, [::1]:8080 or :8080")
		return ""
	}
	return text
}

// isLoopback tells whether only this machine reaches the address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// sqlitePath gives the file of an SQLite database.
func sqlitePath(databaseURL string) (path string, ok bool) {
	path, ok = strings.CutPrefix(databaseURL, sqliteScheme)
	return strings.TrimPrefix(path, "//"), ok
}

// databaseURL checks the scheme; the rest is the driver's own, who knows lists of hosts, sockets and options.
func (f *faults) databaseURL(text string) string {
	const variable = "GENEVADRIVE_DATABASE_URL"
	if path, ok := sqlitePath(text); ok {
		if path == "" || path == ":memory:" || strings.Contains(path, "?") {
			f.add(variable, text, "write sqlite: and the path of a file, like sqlite:genevadrive.db or sqlite:/var/lib/genevadrive/genevadrive.db")
		} else if info, err := os.Stat(path); err == nil && info.IsDir() {
			f.add(variable, text, "that is a directory; write the path of a file, which may lie in it: "+sqliteScheme+filepath.Join(path, "genevadrive.db"))
		}
		return text
	}
	switch scheme, _, _ := strings.Cut(text, "://"); scheme {
	case "postgres", "postgresql", "mysql", "mariadb":
	default: // not shown: it may hold a password
		f.add(variable, "", "it begins with no scheme that is known; write sqlite:FILE, postgres://user:password@host:5432/name or mysql://user:password@host:3306/name")
		return ""
	}
	return text
}

func (f *faults) redisURL(text string) string {
	switch scheme, _, _ := strings.Cut(text, "://"); {
	case text == "":
	case scheme == "redis", scheme == "rediss", scheme == "redis-sentinel", scheme == "rediss-sentinel", scheme == "unix":
	default: // not shown: it may hold a password
		f.add("GENEVADRIVE_REDIS_URL", "", "it begins with no scheme that is known; write redis://host:6379/0, rediss://… for TLS, or redis-sentinel://host1:26379,host2:26379?master=mymaster, with TLS rediss-sentinel://…")
	}
	return text
}

func (f *faults) role(text string) engine.Role {
	switch role := engine.Role(text); role {
	case engine.RoleAll, engine.RoleAPI, engine.RoleWorker:
		return role
	}
	f.add("GENEVADRIVE_ROLE", text, "write all, api or worker")
	return ""
}

// concurrency may be 0 in test mode: nothing is performed then but speedruns.
func (f *faults) concurrency(text, testMode string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxConcurrency || n == 0 && testMode != "true" {
		f.add("GENEVADRIVE_CONCURRENCY", text, fmt.Sprintf("write a whole number from 1 to %d; 0 goes with GENEVADRIVE_TEST_MODE=true only", maxConcurrency))
	}
	return n
}

func (f *faults) testMode(text string) bool {
	if text != "true" && text != "false" {
		f.add("GENEVADRIVE_TEST_MODE", text, "write true or false")
	}
	return text == "true"
}

// queues reads NAME=WEIGHT,…; the default queue is added if it is not there.
func (f *faults) queues(text string) []queue.QueueWeight {
	const variable = "GENEVADRIVE_QUEUES"
	var list []queue.QueueWeight
	seen := map[string]bool{}
	for entry := range strings.SplitSeq(text, ",") {
		name, weight, given := strings.Cut(strings.TrimSpace(entry), "=")
		n, err := strconv.Atoi(weight)
		switch {
		case name == "" || !given || err != nil || n < 1 || n > maxWeight:
			f.add(variable, text, fmt.Sprintf("write name=weight with weights from 1 to %d, like critical=6,default=3,low=1", maxWeight))
			return nil
		case domain.CheckQueueName(name) != nil:
			f.add(variable, text, domain.CheckQueueName(name))
			return nil
		case seen[name]:
			f.add(variable, text, "the queue "+name+" is there twice; name each queue once")
			return nil
		}
		seen[name] = true
		list = append(list, queue.QueueWeight{Name: name, Weight: n})
	}
	if !seen[queue.DefaultQueue] {
		list = append(list, queue.QueueWeight{Name: queue.DefaultQueue, Weight: 1})
	}
	return list
}

func (f *faults) apiKeys(text string) []handlers.Key {
	keys, err := handlers.ParseKeys(text)
	if err != nil {
		f.add("GENEVADRIVE_API_KEYS", "", err)
	}
	return keys
}

func (f *faults) webhookSecrets(text string) []webhook.Secret {
	var secrets []webhook.Secret
	i := 0
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		i++
		secret, err := webhook.ParseSecret(entry)
		if err != nil {
			f.add("GENEVADRIVE_WEBHOOK_SECRETS", "", fmt.Sprintf(`secret %d: %v; make one with echo "whsec_$(openssl rand -base64 32)"`, i, err))
			continue
		}
		secrets = append(secrets, secret)
	}
	if text != "" && i == 0 {
		f.add("GENEVADRIVE_WEBHOOK_SECRETS", "", `it is set, but holds no secret; make one with echo "whsec_$(openssl rand -base64 32)", or unset it to have SQLite's used`)
	}
	return secrets
}

// allowNets reads the allowed networks. A server that only this machine reaches may call this machine unless
// told otherwise; what is reached from elsewhere may not, for a definition could then name any local service.
func (f *faults) allowNets(text string, loopback bool) []netip.Prefix {
	switch {
	case text == "" && loopback:
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	case text == noNets:
		return nil
	}
	nets, err := webhook.ParseNets(text)
	if err != nil {
		f.add("GENEVADRIVE_WEBHOOK_ALLOW_NETS", "", err)
	}
	return nets
}

func (f *faults) directory(variable, path string) string {
	if path == "" {
		return ""
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		f.add(variable, path, "there is no such directory; write the path of one that holds *.yaml or *.json definitions")
	}
	return path
}

// retention reads a duration; 0 without a unit is understood too.
func (f *faults) retention(text string) time.Duration {
	if text == "0" {
		return 0
	}
	d, err := domain.ParseDuration(text)
	if err != nil {
		f.add("GENEVADRIVE_RETENTION", "", fmt.Sprint(err, "; 0 keeps everything")) // the error shows the value
	}
	return d
}

func (f *faults) shutdownTimeout(text string) time.Duration {
	const variable = "GENEVADRIVE_SHUTDOWN_TIMEOUT"
	d, err := domain.ParseDuration(text)
	switch {
	case err != nil:
		f.add(variable, "", err) // the error shows the value
	case d > maxShutdown:
		f.add(variable, text, "write at most 1h")
	}
	return d
}

func (f *faults) logLevel(text string) (level slog.Level) {
	switch text {
	case "debug", "info", "warn", "error":
		_ = level.UnmarshalText([]byte(text)) // these four it knows
	default:
		f.add("GENEVADRIVE_LOG_LEVEL", text, "write debug, info, warn or error")
	}
	return level
}

func (f *faults) logFormat(text string) string {
	if text != "text" && text != "json" {
		f.add("GENEVADRIVE_LOG_FORMAT", text, "write text or json")
	}
	return text
}
