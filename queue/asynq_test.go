package queue

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

func openAsynq(t *testing.T, c AsynqConfig) *Asynq {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	a, err := NewAsynq(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := a.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return a
}

func connect(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	target, err := parseRedisURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := target.open(2)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) count(what string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), what)
}

func TestATaskHoldsTheExecutionIDAndNoBusinessState(t *testing.T) {
	url := testenv.Redis(t)
	a := openAsynq(t, AsynqConfig{URL: url})
	due := time.Now().Add(time.Hour)
	for _, b := range []Bell{
		{ExecutionID: id(1), Queue: "critical", Due: due},
		{ExecutionID: id(1), Queue: "critical", Due: due}, // there already
		{ExecutionID: id(1), Queue: "critical", Due: due.Add(time.Second)},
	} {
		a.Ring(b)
	}
	eventually(t, "rung", func() bool { return a.Stats().Rung == 3 })

	inspector := asynq.NewInspectorFromRedisClient(connect(t, url))
	tasks, err := inspector.ListScheduledTasks("critical")
	if err != nil || len(tasks) != 2 {
		t.Fatalf("%d tasks (%v), want 2", len(tasks), err)
	}
	task := tasks[0]
	if task.ID != JobID(id(1), due) || task.Type != "step:perform" || len(task.Payload) != 0 ||
		task.MaxRetry != 0 || task.Retention != 0 || !task.Deadline.IsZero() {
		t.Errorf("task %+v", task)
	}
	early := due.Sub(task.NextProcessAt)
	if lead := a.polls.lead(); early < lead || early > lead+time.Second {
		t.Errorf("aimed %v early, want the lead of %v and at most a second more", early, lead)
	}
}

func TestGarbageFromRedisIsDropped(t *testing.T) {
	url := testenv.Redis(t)
	var log journal
	h := openHouse(t, openAsynq(t, AsynqConfig{URL: url, Logger: slog.New(slog.NewTextHandler(&log, nil))}))
	client := connect(t, url)
	enqueue := asynq.NewClientFromRedisClient(client)
	garbage := map[string]string{ // type by id
		"": taskType, "{\"id\":1}": taskType, strings.Repeat("x", 36) + ":1": taskType, strings.Repeat("x", 1<<16): taskType,
		id(1).String(): taskType, JobID(id(1), time.Now())[:22] + "?": taskType, JobID(id(1), time.Now()): "mail:send",
	}
	for id, typ := range garbage {
		options := []asynq.Option{asynq.MaxRetry(0)}
		if id != "" { // Asynq gives one
			options = append(options, asynq.TaskID(id))
		}
		if _, err := enqueue.Enqueue(asynq.NewTask(typ, []byte(uuid.NewString())), options...); err != nil {
			t.Fatal(err)
		}
	}
	h.listen()
	eventually(t, "dropped", func() bool { return log.count("none of ours") == len(garbage) })
	item := newItem("default", 0)
	h.commit(item)
	h.runs(item)
	if got := h.bell.Stats().Arrived; got != 1 {
		t.Errorf("%d arrived, want 1", got)
	}
	inspector := asynq.NewInspectorFromRedisClient(client)
	eventually(t, "empty", func() bool {
		info, err := inspector.GetQueueInfo("default")
		return err == nil && info.Size+info.Archived+info.Retry == 0
	})
}

func TestRedisMayBeDownAtStartAndGoAndComeBack(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t)
	end := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	end(server.Kill())
	var log journal
	a := openAsynq(t, AsynqConfig{URL: server.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	h := openHouse(t, a)
	h.listen()
	for round := 1; round <= 2; round++ {
		eventually(t, "aware that Redis is away", func() bool { return !a.breaker.allows() })
		before := a.Stats().Dropped
		a.Ring(Bell{ExecutionID: id(round), Due: time.Now()})
		if got := a.Stats().Dropped; got != before+1 || a.Healthy() {
			t.Errorf("while Redis is away a bell must be dropped: %d, %d", before, got)
		}
		end(server.Start())
		eventually(t, "aware that Redis is back", a.Healthy)
		item := newItem("default", 0)
		h.commit(item)
		slot := take(t, h.list)
		if slot.Item.ExecutionID != item.ExecutionID {
			t.Errorf("ran %v, want %v", slot.Item, item)
		}
		slot.Release()
		h.done(item) // a Redis that is killed may forget that it has told of it
		if got, want := log.count("does not answer"), round; got != want {
			t.Errorf("the outage was logged %d times in %d outages", got, want)
		}
		if round == 1 {
			end(server.Kill())
		}
	}
	if got := log.count("answers again"); got != 2 {
		t.Errorf("two recoveries were logged %d times", got)
	}
}

func TestFlushAllIsHarmless(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t)
	a := openAsynq(t, AsynqConfig{URL: server.URL})
	h := openHouse(t, a)
	h.listen()
	client := connect(t, server.URL)
	for range 3 {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		item := newItem("low", 300*time.Millisecond)
		h.commit(item)
		h.runs(item)
	}
	eventually(t, "healthy", a.Healthy)
	inspector := asynq.NewInspectorFromRedisClient(client)
	eventually(t, "known to Asynq's tools again", func() bool {
		queues, err := inspector.Queues()
		return err == nil && len(queues) == len(DefaultQueues())
	})
}

func TestAFullRedisIsNotHealthy(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t)
	a := openAsynq(t, AsynqConfig{URL: server.URL})
	eventually(t, "healthy", a.Healthy)
	client := connect(t, server.URL)
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "unhealthy", func() bool { return !a.Healthy() })
	if err := client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "healthy again", a.Healthy)
}

// impostor listens where Redis should and returns its URL.
func impostor(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return "redis://" + listener.Addr().String()
}

func TestARedisThatHangsUpIsNotAskedWithoutAPause(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	a := openAsynq(t, AsynqConfig{URL: impostor(t, func(net.Conn) { calls.Add(1) })})
	openHouse(t, a).listen()
	eventually(t, "aware", func() bool { return !a.breaker.allows() })
	before, since := calls.Load(), time.Now()
	<-time.After(time.Second)
	if got := float64(calls.Load() - before); got > 40*time.Since(since).Seconds() {
		t.Errorf("asked %v times in %v", got, time.Since(since))
	}
}

func TestASilentRedisHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	a := openAsynq(t, AsynqConfig{URL: impostor(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })})
	h := openHouse(t, a)
	h.listen()
	before := runtime.NumGoroutine()
	start := time.Now()
	const many = 50_000
	for range many {
		a.Ring(Bell{ExecutionID: id(1), Due: time.Now()})
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("ringing took %v", took)
	}
	eventually(t, "aware", func() bool { return !a.breaker.allows() })
	eventually(t, "done with every bell", func() bool { return a.Stats().Dropped == many })
	if got := runtime.NumGoroutine(); got > before+100 {
		t.Errorf("%d goroutines, %d before", got, before)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start = time.Now()
	if err := a.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestBreaker(t *testing.T) {
	var log journal
	now := time.Now()
	b := &breaker{log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	broken := errors.New("broken")
	steps := []struct {
		what    string
		do      func()
		allows  bool
		healthy bool
	}{
		{"nothing is known yet", func() {}, true, false},
		{"a probe", func() { b.probed(nil) }, true, true},
		{"two failures", func() { b.ringFailed(broken); b.ringFailed(broken) }, true, true},
		{"a success between", func() { b.rang(); b.ringFailed(broken); b.ringFailed(broken) }, true, true},
		{"three in a row", func() { b.ringFailed(broken) }, false, false},
		{"a probe at once", func() { b.probed(nil) }, false, false},
		{"a probe after the pause", func() { now = now.Add(breakerPause); b.probed(nil) }, true, true},
		{"bells refused again", func() {
			for range 3 {
				b.ringFailed(broken)
			}
		}, false, false},
		{"a probe after the first pause", func() { now = now.Add(breakerPause); b.probed(nil) }, false, false},
		{"a probe after twice that", func() { now = now.Add(breakerPause); b.probed(nil) }, true, true},
		{"a failed probe", func() { b.probed(broken) }, false, false},
		{"another", func() { b.probed(broken) }, false, false},
		{"a good one", func() { b.probed(nil) }, true, true},
	}
	for _, step := range steps {
		step.do()
		if b.allows() != step.allows || b.healthy() != step.healthy {
			t.Fatalf("after %s: allows %v, healthy %v", step.what, b.allows(), b.healthy())
		}
	}
	if lost, back := log.count("does not answer"), log.count("answers again"); lost != 3 || back != 3 {
		t.Errorf("logged %d outages and %d recoveries, want 3 and 3", lost, back)
	}
}

func TestAsynqComplainsRarelyAndNotDuringAnOutage(t *testing.T) {
	var log journal
	healthy := false
	l := newAsynqLog(slog.New(slog.NewTextHandler(&log, nil)), func() bool { return healthy })
	l.Error("one")
	healthy = true
	for range 100 {
		l.Error("two")
		l.Warn("three")
	}
	l.Info("four")
	if log.count("one") != 0 || log.count("two") != 1 || log.count("three") != 0 || log.count("four") != 0 {
		t.Errorf("logged:\n%s", log.text.String())
	}
}

func TestRedisURLs(t *testing.T) {
	tests := map[string]struct {
		url      string
		addr     string // of one server
		master   string
		sentinel []string
		user     string
		password string
		db       int
		tls      bool
		err      string
	}{
		"plain":             {url: "redis://localhost:6380/3", addr: "localhost:6380", db: 3},
		"default port":      {url: "redis://localhost", addr: "localhost:6379"},
		"password":          {url: "redis://:s3cret@h:1", addr: "h:1", password: "s3cret"},
		"user":              {url: "redis://me:s3cret@h:1", addr: "h:1", user: "me", password: "s3cret"},
		"TLS":               {url: "rediss://h:1", addr: "h:1", tls: true},
		"socket":            {url: "unix:///run/redis.sock?db=2", addr: "/run/redis.sock", db: 2},
		"sentinels":         {url: "redis-sentinel://a:1,b,[::1]:3/2?master=m&username=me&password=pw", master: "m", sentinel: []string{"a:1", "b:26379", "[::1]:3"}, user: "me", password: "pw", db: 2},
		"sentinels by TLS":  {url: "rediss-sentinel://a:1,b/2?master=m", master: "m", sentinel: []string{"a:1", "b:26379"}, db: 2, tls: true},
		"no master":         {url: "redis-sentinel://a:1,b:2", err: "names no master"},
		"scheme":            {url: "http://me:s3cret@h", err: "scheme"},
		"bad database":      {url: "redis://:s3cret@h/x", err: "database"},
		"bad port":          {url: "redis://:s3cret@h:port", err: "port"},
		"slash in password": {url: "redis://:s3cret/x@h:1/0", err: "invalid port"},
		"slash in digits":   {url: "redis://:123/s3cret@h:1/0", err: "percent-encoded"},
		"query in digits":   {url: "redis://:123?s3cret@h:1/0", err: "percent-encoded"},
		"hash in password":  {url: "redis://:s3cret#x@h:1/0", err: "invalid port"},
		"percent":           {url: "redis://:s3cret%zz@h:1/0", err: "invalid URL escape"},
		"bad parameter":     {url: "redis-sentinel://a:1?master=m&password=s3cret%zz", err: "invalid URL escape"},
		"control character": {url: "redis://:s3cret@h\x00", err: "control character"},
		"empty":             {url: "", err: "scheme"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseRedisURL(tt.url)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "s3cret") {
					t.Fatalf("error %v, want one about %q and no password", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if o := got.single; o != nil {
				if o.Addr != tt.addr || o.Username != tt.user || o.Password != tt.password || o.DB != tt.db || (o.TLSConfig != nil) != tt.tls {
					t.Errorf("options %+v", o)
				}
				return
			}
			o := got.failover
			if o.MasterName != tt.master || strings.Join(o.SentinelAddrs, " ") != strings.Join(tt.sentinel, " ") ||
				o.Username != tt.user || o.Password != tt.password || o.DB != tt.db || (o.TLSConfig != nil) != tt.tls {
				t.Errorf("failover options %+v", o)
			}
		})
	}
}

func TestABadRedisURLIsRefused(t *testing.T) {
	if _, err := NewAsynq(AsynqConfig{URL: "redis//localhost"}); err == nil || !strings.Contains(err.Error(), "redis://") {
		t.Errorf("error %v, want one that shows a good URL", err)
	}
}

func FuzzJobID(f *testing.F) {
	f.Add(JobID(uuid.Nil, time.Unix(0, 0)))
	f.Add("AAAAAAAAcACAAAAAAAAAAZ1") // bits that no byte takes
	f.Add("AAAAAA\n\n\n\n\n\n\n\n\n\nAAAAAAA")
	f.Add(uuid.Nil.String())
	f.Fuzz(func(t *testing.T, job string) {
		id, err := parseJobID(job)
		if err == nil && !strings.HasPrefix(job, strings.TrimSuffix(JobID(id, time.Unix(0, 0)), "0")) {
			t.Errorf("%q was read as %v", job, id)
		}
	})
}
