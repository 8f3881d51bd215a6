package testenv

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// StartSentinel starts a Redis Sentinel for this test alone. Its configuration are lines like "monitor name host port
// quorum".
func StartSentinel(tb TB, lines ...string) *Server {
	tb.Helper()
	return sentinel.Start(tb, lines...)
}

var sentinel = newKind(Kind{
	Name: RedisServer.Name, Label: "Redis Sentinel", Env: RedisServer.Env, Example: RedisServer.Example, Package: RedisServer.Package,
	engine: sentinelEngine{}, stop: RedisServer.stop, discard: RedisServer.discard,
})

// sentinelEngine is the same program, which writes what it finds out into its configuration.
type sentinelEngine struct{ redisEngine }

func (sentinelEngine) prepare(in *install) error {
	var b strings.Builder
	for _, line := range in.settings {
		b.WriteString("sentinel " + line + "\n")
	}
	return os.WriteFile(filepath.Join(in.data, "sentinel.conf"), []byte(b.String()), 0o644)
}

func (sentinelEngine) command(in *install) []string {
	return []string{in.programs["redis-server"], filepath.Join(in.data, "sentinel.conf"), "--sentinel",
		"--port", strconv.Itoa(in.port), "--bind", "127.0.0.1", "--dir", in.data}
}
