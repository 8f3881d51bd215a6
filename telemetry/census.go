package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

const (
	censusEvery    = 20 * time.Second
	censusShare    = 200              // a count rests this many times as long as it took: it uses half a percent of a connection
	censusTimeout  = 10 * time.Second // of one count
	censusPatience = time.Second      // that a scrape waits for a count that is under way
	censusExpires  = 15 * time.Minute // no value is better than one that is older
)

var (
	openWorkflows = describe("workflows", "Open workflows in the database, of all servers together; counted now and then.", "state")
	backlogSteps  = describe("backlog", "Step executions that are due and not started, of all servers together; at most 10000 of each priority are counted.", "queue")
	backlogAge    = describe("backlog_age_seconds", "Since when the oldest of the backlog has been due.", "queue")
)

// census is what only the database knows. It is counted at a scrape, if the last count is some time ago, and
// in the background, so that no scrape hangs; a server that nobody scrapes never counts.
type census struct {
	workflows *cached[map[domain.WorkflowState]int64]
	backlogs  *cached[map[string]persistence.Backlog]
}

func newCensus(store *persistence.Store, queues []string) *census {
	return &census{
		workflows: newCached(time.Now, store.CountOpen),
		backlogs: newCached(time.Now, func(ctx context.Context) (map[string]persistence.Backlog, error) {
			return store.Backlogs(ctx, queues)
		}),
	}
}

func (c *census) close() {
	c.workflows.close()
	c.backlogs.close()
}

// Describe implements prometheus.Collector.
func (c *census) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{openWorkflows, backlogSteps, backlogAge} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *census) Collect(ch chan<- prometheus.Metric) {
	to := sink(ch)
	c.workflows.refresh()
	c.backlogs.refresh()
	for state, n := range c.workflows.value() {
		to.gauge(openWorkflows, float64(n), string(state))
	}
	for name, b := range c.backlogs.value() {
		to.gauge(backlogSteps, float64(b.Due), name)
		to.gauge(backlogAge, b.Age.Seconds(), name)
	}
}

// cached is a value that costs something to get.
type cached[T any] struct {
	now    func() time.Time
	get    func(context.Context) (T, error)
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	running chan struct{} // closed when the count under way has ended; nil: none
	again   time.Time     // not before
	last    T
	taken   time.Time // when last was; zero: never
}

func newCached[T any](now func() time.Time, get func(context.Context) (T, error)) *cached[T] {
	ctx, cancel := context.WithCancel(context.Background())
	return &cached[T]{now: now, get: get, ctx: ctx, cancel: cancel}
}

// refresh gets the value anew if it is time to.
func (c *cached[T]) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil || c.now().Before(c.again) || c.ctx.Err() != nil {
		return
	}
	c.running = make(chan struct{})
	go c.run()
}

func (c *cached[T]) run() {
	ctx, cancel := context.WithTimeout(c.ctx, censusTimeout)
	defer cancel()
	started := c.now()
	v, err := c.get(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if err == nil {
		c.last, c.taken = v, now
	}
	c.again = now.Add(max(censusEvery, censusShare*now.Sub(started)))
	close(c.running)
	c.running = nil
}

// value gives the last value, after a moment for one that is on its way; the zero T if it is too old.
func (c *cached[T]) value() T {
	c.mu.Lock()
	running := c.running
	c.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-time.After(censusPatience):
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken.IsZero() || c.now().Sub(c.taken) > censusExpires {
		var none T
		return none
	}
	return c.last
}

// close waits for the count under way, which it calls off.
func (c *cached[T]) close() {
	c.cancel()
	c.mu.Lock()
	running := c.running
	c.mu.Unlock()
	if running != nil {
		<-running
	}
}
