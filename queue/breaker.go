package queue

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	breakerFailures = 3           // in a row open it
	breakerPause    = time.Second // the first pause; each further one is twice as long
	breakerMaxPause = 30 * time.Second
)

// breaker keeps what Redis cannot take away from it, and says so once. Bells count as
// calls; probes are made all the time and alone close it again. A Redis that answers
// probes and refuses bells is asked ever more rarely.
type breaker struct {
	log *slog.Logger
	now func() time.Time

	state atomic.Int32

	mu       sync.Mutex
	failures int
	pause    time.Duration
	until    time.Time // no probe closes it before
}

const (
	unknown int32 = iota // not probed yet: bells are tried
	up
	down
)

func (b *breaker) allows() bool  { return b.state.Load() != down }
func (b *breaker) healthy() bool { return b.state.Load() == up }

// rang records a bell that Redis took.
func (b *breaker) rang() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.pause = 0, 0
}

// ringFailed records a bell that Redis did not take.
func (b *breaker) ringFailed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures++; b.failures < breakerFailures || b.state.Load() == down {
		return
	}
	b.pause = min(max(2*b.pause, breakerPause), breakerMaxPause)
	b.until = b.now().Add(b.pause)
	b.open(err)
}

// probed records a probe.
func (b *breaker) probed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state := b.state.Load(); {
	case err != nil && state != down:
		b.open(err)
	case err == nil && state != up && !b.now().Before(b.until):
		b.failures = 0
		b.state.Store(up)
		if state == down {
			b.log.Info("Redis answers again")
		}
	}
}

func (b *breaker) open(err error) {
	b.state.Store(down)
	b.log.Warn("Redis does not answer; due steps are found in the database instead until it does", "error", err)
}
