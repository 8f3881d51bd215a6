package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// A command takes at most about twice this: a silent Redis must not hold anybody up.
const redisTimeout = 400 * time.Millisecond

const sentinelPort = "26379"

// redisTarget is where Redis is: one of the two is set.
type redisTarget struct {
	single   *redis.Options
	failover *redis.FailoverOptions
}

// parseRedisURL understands redis://, rediss:// and unix:// URLs, and
//
//	redis-sentinel://[sentinel user:password@]host[:port],host[:port]…[/db]?master=name[&username=&password=]
//
// or rediss-sentinel:// where both Sentinel and Redis speak TLS.
//
// An error never shows the URL, which may hold a password.
func parseRedisURL(raw string) (redisTarget, error) {
	target, err := func() (t redisTarget, err error) {
		if rest, ok := strings.CutPrefix(raw, "redis-sentinel://"); ok {
			t.failover, err = parseSentinels("redis://", rest)
		} else if rest, ok := strings.CutPrefix(raw, "rediss-sentinel://"); ok {
			if t.failover, err = parseSentinels("rediss://", rest); err == nil {
				t.failover.TLSConfig.ServerName = "" // of each server its own, not that of the first
			}
		} else {
			t.single, err = redis.ParseURL(raw)
		}
		return t, err
	}()
	if err == nil {
		return target, nil
	}
	if bad := (*url.Error)(nil); errors.As(err, &bad) {
		err = bad.Err
	}
	return redisTarget{}, fmt.Errorf("the Redis URL is not valid (%s): use redis://[user:password@]host:port[/db], "+
		"rediss://… for TLS, or redis-sentinel://host:port,host:port[/db]?master=name, with TLS rediss-sentinel://…; "+
		"in a password write / ? # %% @ and : percent-encoded", withoutValues(err))
}

// withoutValues is what an error says without what it quotes of the URL, which may be a part of a password that was
// not percent-encoded.
func withoutValues(err error) string {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "redis: "), "net/url: ")
	if i := strings.IndexAny(text, `":`); i >= 0 {
		text = strings.TrimSpace(text[:i])
	}
	return text
}

func parseSentinels(scheme, rest string) (*redis.FailoverOptions, error) {
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	var addresses []string
	for host := range strings.SplitSeq(hosts, ",") {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), sentinelPort)
		}
		addresses = append(addresses, host)
	}
	u, err := url.Parse(scheme + user + addresses[0] + tail)
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, err
	}
	master := query.Get("master")
	if master == "" {
		return nil, errors.New("it names no master")
	}
	query.Del("master")
	query.Set("master_name", master)
	query["addr"] = addresses[1:]
	u.RawQuery = query.Encode()
	return redis.ParseFailoverURL(u.String())
}

// open returns a client with at most so many connections. It does not connect.
// Commands are not retried: the row, the sweep and Asynq's own loops do that.
func (t redisTarget) open(connections int) redis.UniversalClient {
	if t.failover != nil {
		o := *t.failover
		bound(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
		o.PoolSize = positive(o.PoolSize, connections)
		o.ReadBufferSize, o.WriteBufferSize = 4096, 4096
		o.MaxRetries, o.DialerRetries = -1, 1
		o.DisableIdentity = true
		return redis.NewFailoverClient(&o)
	}
	o := *t.single
	bound(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
	o.PoolSize = positive(o.PoolSize, connections)
	o.ReadBufferSize, o.WriteBufferSize = 4096, 4096
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(&o)
}

func bound(timeouts ...*time.Duration) {
	for _, timeout := range timeouts {
		*timeout = positive(*timeout, redisTimeout)
	}
}

// The client library can only log through a global; it repeats what the breaker says once.
func init() { redis.SetLogger(redisLog{}) }

type redisLog struct{}

func (redisLog) Printf(ctx context.Context, format string, args ...any) {
	if log := slog.Default(); log.Enabled(ctx, slog.LevelDebug) {
		log.DebugContext(ctx, "redis: "+fmt.Sprintf(format, args...))
	}
}
