package queue

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestAFailoverOfSentinelIsFollowed kills the master while a delayed bell waits in it and its replica. The same doorbell,
// its listener included, goes on at the new master.
func TestAFailoverOfSentinelIsFollowed(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	address := func(s *testenv.Server) string { return strings.TrimPrefix(s.URL, "redis://") }
	master := testenv.StartRedis(t, "--repl-diskless-sync-delay", "0")
	host, port, err := net.SplitHostPort(address(master))
	if err != nil {
		t.Fatal(err)
	}
	replica := testenv.StartRedis(t, "--replicaof", host+" "+port)
	atReplica := connect(t, replica.URL)
	eventually(t, "replicated", func() bool {
		return strings.Contains(atReplica.Info(ctx, "replication").Val(), "master_link_status:up")
	})
	watch := testenv.StartSentinel(t, "monitor gd "+host+" "+port+" 1")
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: address(watch)})
	t.Cleanup(func() { sentinel.Close() })
	eventually(t, "watched", func() bool { return len(sentinel.Replicas(ctx, "gd").Val()) == 1 })

	var log journal
	a := openAsynq(t, AsynqConfig{URL: "redis-sentinel://" + address(watch) + "/0?master=gd", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	h := openHouse(t, a)
	h.listen()
	eventually(t, "healthy", a.Healthy)
	now, waits := newItem("default", 0), newItem("default", 5*time.Second)
	h.commit(now)
	h.runs(now)
	h.commit(waits)
	eventually(t, "rung", func() bool { return a.Stats().Rung == 2 })
	if err := connect(t, master.URL).Set(ctx, "behind the bells", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "replicated, the bells too", func() bool { return atReplica.Exists(ctx, "behind the bells").Val() == 1 })

	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "aware that Redis is away", func() bool { return log.count("does not answer") == 1 })
	if err := sentinel.Failover(context.WithoutCancel(ctx), "gd").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "at the new master", a.Healthy)
	later := newItem("critical", 0)
	h.commit(later)
	left := map[Item]bool{later: true, waits: true}
	for len(left) > 0 {
		slot := take(t, h.list)
		if !left[slot.Item] {
			t.Errorf("ran %+v", slot.Item)
		}
		slot.Release()
		h.done(slot.Item)
		delete(left, slot.Item)
	}
	if got := log.count("answers again"); got != 1 {
		t.Errorf("the recovery was logged %d times", got)
	}
}
