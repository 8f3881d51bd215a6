package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// taskType is the type of every Asynq task. Its id is a JobID, which carries all that it says; it has no payload.
const taskType = "step:perform"

const (
	bellBuffer = 8192
	probeEvery = time.Second

	// Asynq's set of queue names. Its client adds to it once in its life.
	queueNames = "asynq:queues"
)

// Asynq is the doorbell over Redis.
type Asynq struct {
	log     *slog.Logger
	target  redisTarget
	queues  map[string]int
	other   string // the queue of bells whose own is not configured
	polls   polls
	client  redis.UniversalClient
	ringing *asynq.Client
	bells   chan Bell
	breaker *breaker

	mu        sync.Mutex // over closing and working together
	closing   chan struct{}
	working   sync.WaitGroup // who rings, the probe and calls of Run
	abandoned atomic.Bool    // Close's context ended: bells left are dropped
	rung      atomic.Uint64
	dropped   atomic.Uint64
	arrived   atomic.Uint64
}

// AsynqConfig configures the doorbell over Redis. Only URL has no default.
type AsynqConfig struct {
	URL    string        // see parseRedisURL
	Queues []QueueWeight // DefaultQueues
	Logger *slog.Logger  // slog.Default

	PollEvery    time.Duration // for tasks that are ready: 200 ms; 50 ms costs an idle server about 1 % of a core
	ForwardEvery time.Duration // for delayed tasks that became ready: 500 ms
}

// polls are the intervals that decide how late a task may come.
type polls struct {
	ready   time.Duration
	delayed time.Duration
}

// lead is how much earlier than due a task is aimed, so that it never comes late: the
// forwarder's interval, the longest pause of the poll, and a round trip or two. Whole
// seconds, all that Asynq keeps, then only ever make it earlier.
func (p polls) lead() time.Duration { return p.delayed + p.ready*3/2 + 100*time.Millisecond }

// NewAsynq returns the doorbell over Redis, which need not be up. It rings from now on;
// Close ends that. The error says what is wrong with the URL.
func NewAsynq(c AsynqConfig) (*Asynq, error) {
	target, err := parseRedisURL(c.URL)
	if err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if len(c.Queues) == 0 {
		c.Queues = DefaultQueues()
	}
	a := &Asynq{
		log:     c.Logger,
		target:  target,
		queues:  make(map[string]int, len(c.Queues)),
		other:   c.Queues[0].Name,
		polls:   polls{positive(c.PollEvery, 200*time.Millisecond), positive(c.ForwardEvery, 500*time.Millisecond)},
		client:  target.open(2), // to ring and to probe
		bells:   make(chan Bell, bellBuffer),
		breaker: &breaker{log: c.Logger, now: time.Now},
		closing: make(chan struct{}),
	}
	for _, q := range c.Queues {
		a.queues[q.Name] = max(q.Weight, 1)
		if q.Name == DefaultQueue {
			a.other = DefaultQueue
		}
	}
	a.ringing = asynq.NewClientFromRedisClient(a.client)
	a.working.Go(a.ringAll)
	a.working.Go(a.probe)
	return a, nil
}

// Ring implements Doorbell.
func (a *Asynq) Ring(b Bell) {
	if a.closed() || !a.breaker.allows() {
		a.dropped.Add(1)
		return
	}
	select {
	case a.bells <- b:
	default:
		a.dropped.Add(1)
	}
}

// probe finds out whether Redis takes writes, now and every second; a ping would say
// yes on a full server or a replica. What it writes are the queues' names, without which
// Asynq's tools find nothing after a FLUSHALL.
func (a *Asynq) probe() {
	var names []any
	for name := range a.queues {
		names = append(names, name)
	}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		err := a.client.SAdd(context.Background(), queueNames, names...).Err()
		if a.closed() {
			return
		}
		a.breaker.probed(err)
		select {
		case <-a.closing:
			return
		case <-tick.C:
		}
	}
}

// Healthy implements Doorbell.
func (a *Asynq) Healthy() bool { return a.breaker.healthy() }

// Stats implements Doorbell.
func (a *Asynq) Stats() BellStats {
	return BellStats{Rung: a.rung.Load(), Dropped: a.dropped.Load(), Arrived: a.arrived.Load()}
}

// Close implements Doorbell. Past the context's end what is left fails at once.
func (a *Asynq) Close(ctx context.Context) error {
	a.mu.Lock()
	if !a.closed() {
		close(a.closing)
	}
	a.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.working.Wait()
	}()
	select {
	case <-done:
		return ignoreClosed(a.client.Close())
	case <-ctx.Done():
		a.abandoned.Store(true)
		err := ignoreClosed(a.client.Close())
		<-done
		return err
	}
}

func (a *Asynq) closed() bool {
	select {
	case <-a.closing:
		return true
	default:
		return false
	}
}

// enter counts a call of Run; false if the doorbell is closed.
func (a *Asynq) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed() {
		return false
	}
	a.working.Add(1)
	return true
}

func ignoreClosed(err error) error {
	if errors.Is(err, redis.ErrClosed) {
		return nil
	}
	return err
}
