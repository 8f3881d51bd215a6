package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

const (
	listeners    = 16                     // tasks acknowledged at once
	redisPause   = 250 * time.Millisecond // after a failed command: Asynq itself asks again at once
	busyPause    = 20 * time.Millisecond  // of each listener: a task costs the cores that work about a quarter of a millisecond
	leaveWithin  = 2 * time.Second        // to acknowledge what was heard before leaving
	complainRate = 10 * time.Second
)

// Run implements Doorbell: it is an Asynq server whose handler only passes the id on.
func (a *Asynq) Run(ctx context.Context, arrive func(uuid.UUID) (busy bool)) error {
	if !a.enter() {
		return nil
	}
	defer a.working.Done()

	client := a.target.open(listeners + 8)
	manners := &manners{healthy: a.Healthy, leaving: make(chan struct{})}
	client.AddHook(manners)
	server := asynq.NewServerFromRedisClient(client, asynq.Config{
		Concurrency:              listeners,
		Queues:                   a.queues,
		TaskCheckInterval:        a.polls.ready,
		DelayedTaskCheckInterval: a.polls.delayed,
		JanitorInterval:          time.Minute,
		ShutdownTimeout:          leaveWithin,
		Logger:                   newAsynqLog(a.log, a.Healthy),
		LogLevel:                 asynq.WarnLevel,
	})
	if err := server.Start(a.hear(arrive)); err != nil {
		return errors.Join(fmt.Errorf("listening to Redis: %w", err), client.Close())
	}
	select {
	case <-ctx.Done():
	case <-a.closing:
	}
	close(manners.leaving)
	abandon := time.AfterFunc(leaveWithin, func() { manners.abandoned.Store(true) })
	defer abandon.Stop()
	server.Shutdown()
	return ignoreClosed(client.Close())
}

// hear passes on the execution that a task's id names. It never fails: a task that makes no sense will
// make none later, and Redis is not asked to remember it.
func (a *Asynq) hear(arrive func(uuid.UUID) (busy bool)) asynq.HandlerFunc {
	strangers := rate.Sometimes{First: 10, Interval: complainRate}
	return func(ctx context.Context, task *asynq.Task) error {
		job, _ := asynq.GetTaskID(ctx)
		id, err := parseJobID(job)
		if task.Type() != taskType || err != nil {
			strangers.Do(func() {
				a.log.Warn("dropped a task from Redis that is none of ours", "type", fmt.Sprintf("%.40q", task.Type()),
					"id", fmt.Sprintf("%.60q", job))
			})
			return nil
		}
		a.arrived.Add(1)
		if arrive(id) {
			select {
			case <-ctx.Done():
			case <-time.After(busyPause):
			}
		}
		return nil
	}
}

// manners makes Asynq's server patient while Redis is away, since its dequeuer asks
// again without a pause, and quick to leave.
type manners struct {
	healthy   func() bool
	leaving   chan struct{}
	abandoned atomic.Bool
}

var errLeaving = errors.New("the listener is leaving")

func (m *manners) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if m.hurries() {
			return nil, errLeaving
		}
		return next(ctx, network, addr)
	}
}

func (m *manners) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if m.hurries() {
			cmd.SetErr(errLeaving)
			return errLeaving
		}
		err := next(ctx, cmd)
		if err != nil && !isReply(err) {
			select {
			case <-m.leaving:
			case <-time.After(redisPause):
			}
		}
		return err
	}
}

func (m *manners) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// hurries reports whether commands are useless by now: nobody waits for their result,
// and Redis does not answer or has had its time.
func (m *manners) hurries() bool {
	select {
	case <-m.leaving:
		return m.abandoned.Load() || !m.healthy()
	default:
		return false
	}
}

// isReply reports whether Redis itself gave an ordinary negative answer: no value, a
// script it has not cached, a task that is not there.
func isReply(err error) bool {
	return errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "NOSCRIPT") || redis.HasErrorPrefix(err, "NOT FOUND")
}

// asynqLog passes on what Asynq complains about, now and then, and not while the
// breaker has said already that Redis is away.
type asynqLog struct {
	log     *slog.Logger
	healthy func() bool
	limit   rate.Sometimes
}

func newAsynqLog(log *slog.Logger, healthy func() bool) *asynqLog {
	return &asynqLog{log: log, healthy: healthy, limit: rate.Sometimes{Interval: complainRate}}
}

func (l *asynqLog) complain(args []any) {
	if !l.healthy() {
		l.log.Debug("asynq: " + fmt.Sprint(args...))
		return
	}
	l.limit.Do(func() { l.log.Warn("asynq: " + fmt.Sprint(args...)) })
}

func (l *asynqLog) Debug(...any)      {}
func (l *asynqLog) Info(...any)       {}
func (l *asynqLog) Warn(args ...any)  { l.complain(args) }
func (l *asynqLog) Error(args ...any) { l.complain(args) }
func (l *asynqLog) Fatal(args ...any) { l.complain(args) }
