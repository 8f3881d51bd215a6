package queue

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// maxTogether is how many bells are rung in one message to Redis: few enough that it takes them well within
// redisTimeout.
const maxTogether = 128

// ringEvery is how soon after a message to Redis the next one sets out, unless it is full. Asynq is aimed early by more
// than that.
const ringEvery = 20 * time.Millisecond

// ringAll rings whatever bells there are, together, and at the end what is left of them.
func (a *Asynq) ringAll() {
	together := newGathering(a.client)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case b := <-a.bells:
			bells := a.waiting(b)
			a.ringTogether(together, bells)
			if len(bells) == maxTogether {
				continue
			}
			pause.Reset(ringEvery)
			select {
			case <-pause.C:
			case <-a.closing:
			}
		case <-a.closing:
			for {
				select {
				case b := <-a.bells:
					a.ringTogether(together, a.waiting(b))
				default:
					return
				}
			}
		}
	}
}

func (a *Asynq) ringTogether(g *gathering, bells []Bell) {
	if a.abandoned.Load() || !a.breaker.allows() {
		a.dropped.Add(uint64(len(bells)))
		return
	}
	var failure error
	enqueued := bells[:0]
	for _, b := range bells {
		if err := a.enqueue(g.asynq, b); err != nil {
			failure = err
			a.dropped.Add(1)
			continue
		}
		enqueued = append(enqueued, b)
	}
	for i, err := range g.send() {
		if isNoScript(err) && failure == nil { // Redis has been restarted; alone it is given the script too
			err = a.enqueue(a.ringing, enqueued[i])
		}
		if err != nil {
			failure = err
			a.dropped.Add(1)
			continue
		}
		a.rung.Add(1)
	}
	if failure != nil {
		a.breaker.ringFailed(failure)
		return
	}
	a.breaker.rang()
}

// waiting gives a bell and those that wait behind it.
func (a *Asynq) waiting(first Bell) []Bell {
	bells := []Bell{first}
	for len(bells) < maxTogether {
		select {
		case b := <-a.bells:
			bells = append(bells, b)
		default:
			return bells
		}
	}
	return bells
}

// enqueue enqueues the task of one bell. One that is there already is as good.
func (a *Asynq) enqueue(client *asynq.Client, b Bell) error {
	queue := b.Queue
	if a.queues[queue] == 0 {
		queue = a.other
	}
	_, err := client.Enqueue(
		asynq.NewTask(taskType, nil),
		asynq.TaskID(JobID(b.ExecutionID, b.Due)),
		asynq.Queue(queue),
		asynq.MaxRetry(0),
		asynq.Timeout(time.Minute), // more than enough; Asynq's 30 minutes take a byte more in Redis
		asynq.ProcessAt(b.at().Add(-a.polls.lead())),
	)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

func isNoScript(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") }

// gathering is a Redis client for Asynq's, which enqueues a task by running a script: it keeps the scripts for
// one message in place of running them, and answers for Redis that the task was enqueued. What Redis says
// send tells. It is for one goroutine (docs/decisions/0071).
type gathering struct {
	redis.UniversalClient
	asynq *asynq.Client
	pipe  redis.Pipeliner
	kept  []*redis.Cmd
}

func newGathering(client redis.UniversalClient) *gathering {
	g := &gathering{UniversalClient: client, pipe: client.Pipeline()}
	g.asynq = asynq.NewClientFromRedisClient(g)
	return g
}

// EvalSha implements redis.Scripter.
func (g *gathering) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	g.kept = append(g.kept, g.pipe.EvalSha(ctx, sha, keys, args...))
	enqueued := redis.NewCmd(ctx)
	enqueued.SetVal(int64(1))
	return enqueued
}

// SAdd implements redis.SetCmdable: Asynq adds to queueNames before its first task of a queue, which the probe
// does every second.
func (g *gathering) SAdd(ctx context.Context, _ string, _ ...any) *redis.IntCmd {
	added := redis.NewIntCmd(ctx)
	added.SetVal(1)
	return added
}

// send runs the scripts that were kept and gives what became of each, in their order.
func (g *gathering) send() []error {
	if len(g.kept) == 0 {
		return nil
	}
	_, _ = g.pipe.Exec(context.Background()) // each command has its own error
	fates := make([]error, len(g.kept))
	for i, cmd := range g.kept {
		_, fates[i] = cmd.Int64() // 0: a task of this id is there already, which is as good
	}
	clear(g.kept)
	g.kept = g.kept[:0]
	return fates
}
