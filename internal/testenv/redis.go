package testenv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

type redisEngine struct{}

func (redisEngine) locate() (map[string]string, error) {
	return locate([]string{"/opt/homebrew/bin", "/usr/local/bin"}, "redis-server")
}

func (redisEngine) account() string { return "" }

func (redisEngine) prepare(*install) error { return nil }

func (redisEngine) command(in *install) []string {
	appendOnly := "no"
	if in.durable {
		appendOnly = "yes"
	}
	args := []string{in.programs["redis-server"], "--port", strconv.Itoa(in.port), "--bind", "127.0.0.1",
		"--dir", in.data, "--databases", "512", "--save", "", "--appendonly", appendOnly,
		"--maxmemory-policy", "noeviction"}
	return append(args, in.settings...)
}

func (redisEngine) url(port int) string { return fmt.Sprintf("redis://127.0.0.1:%d", port) }

func (redisEngine) ping(ctx context.Context, url string) error {
	client, err := openRedis(url, 0)
	if err != nil {
		return err
	}
	defer client.Close()
	// The client logs every refused connection; a server that is still starting is no news.
	conn, err := net.DialTimeout("tcp", client.Options().Addr, 2*time.Second)
	if err != nil {
		return err
	}
	_ = conn.Close()
	return client.Ping(ctx).Err()
}

// A claim on a logical database is a key in database 0, which no test gets. One that a
// killed test left behind runs out.
const (
	claimKey  = "genevadrive:testenv:claim:"
	claimTime = 20 * time.Minute
)

// create claims a logical database nobody has and empties it.
func (redisEngine) create(server string) (string, func() error, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, err
	}
	claims, err := openRedis(server, 0)
	if err != nil {
		return "", nil, err
	}
	ctx := context.Background()
	number, err := claim(ctx, claims)
	if err != nil {
		return "", nil, errors.Join(err, claims.Close())
	}
	drop := func() error {
		defer claims.Close()
		return errors.Join(flush(ctx, server, number), claims.Del(ctx, claimKey+strconv.Itoa(number)).Err())
	}
	if err := flush(ctx, server, number); err != nil {
		return "", nil, errors.Join(err, drop())
	}
	u.Path = "/" + strconv.Itoa(number)
	return u.String(), drop, nil
}

func claim(ctx context.Context, claims *redis.Client) (int, error) {
	count := 16 // Redis' own default, where CONFIG is forbidden
	if config, err := claims.ConfigGet(ctx, "databases").Result(); err == nil {
		if n, err := strconv.Atoi(config["databases"]); err == nil {
			count = n
		}
	}
	if count < 2 {
		return 0, errors.New("the server has one logical database; tests need one each, so give it more (databases 512)")
	}
	first := rand.IntN(count - 1)
	for i := range count - 1 {
		number := 1 + (first+i)%(count-1)
		ok, err := claims.SetNX(ctx, claimKey+strconv.Itoa(number), 1, claimTime).Result()
		if err != nil || ok {
			return number, err
		}
	}
	return 0, fmt.Errorf("all %d logical databases are claimed by running tests; give the server more (databases 512)", count-1)
}

func flush(ctx context.Context, server string, number int) error {
	client, err := openRedis(server, number)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.FlushDB(ctx).Err()
}

func openRedis(server string, number int) (*redis.Client, error) {
	options, err := redis.ParseURL(server)
	if err != nil {
		return nil, err
	}
	options.DB = number
	options.PoolSize = 1
	options.MaxRetries = -1
	return redis.NewClient(options), nil
}
