package engine

import (
	"context"
	"sync"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/webhook"
)

const (
	// endpointFresh is how long an endpoint is gone by before it is read again: a change has reached every
	// server after that.
	endpointFresh      = 2 * time.Second
	endpointTimeout    = 5 * time.Second // of reading one
	maxCachedEndpoints = 10_000
)

// endpoint is an endpoint made ready for deliveries. It never changes.
type endpoint struct {
	domain.Endpoint
	version  int64
	current  webhook.Secret
	previous []previousSecret
}

type previousSecret struct {
	webhook.Secret
	until time.Time
}

// secrets are those that sign at a time, newest first.
func (ep *endpoint) secrets(now time.Time) []webhook.Secret {
	all := make([]webhook.Secret, 1, 1+len(ep.previous))
	all[0] = ep.current
	for _, p := range ep.previous {
		if now.Before(p.until) {
			all = append(all, p.Secret)
		}
	}
	return all
}

func newEndpoint(stored persistence.Endpoint) (*endpoint, error) {
	ep := &endpoint{Endpoint: stored.Endpoint, version: stored.LockVersion}
	var err error
	if ep.current, err = webhook.ParseSecret(stored.Secrets.Current); err != nil {
		return nil, err
	}
	for _, p := range stored.Secrets.Previous {
		secret, err := webhook.ParseSecret(p.Secret)
		if err != nil {
			return nil, err
		}
		ep.previous = append(ep.previous, previousSecret{secret, p.Until})
	}
	return ep, nil
}

// endpointCache keeps the endpoints that this server delivers to, each for endpointFresh. That there is none
// it does not keep: whoever has just made one may use it on any server.
type endpointCache struct {
	store *persistence.Store
	now   func() time.Time

	mu      sync.RWMutex
	entries map[string]*endpointEntry
}

// endpointEntry is one name. One goroutine reads it, those that come meanwhile wait for it.
type endpointEntry struct {
	reading sync.Mutex

	mu    sync.Mutex
	asked time.Time // before the answer was read; zero: to be read again
	known *endpoint // what was read last, fresh or not; nil: nothing
	err   error     // why it could not be read; with it goes asked
}

func newEndpointCache(store *persistence.Store, now func() time.Time) *endpointCache {
	return &endpointCache{store: store, now: now, entries: map[string]*endpointEntry{}}
}

func (c *endpointCache) entry(name string) *endpointEntry {
	c.mu.RLock()
	entry, ok := c.entries[name]
	c.mu.RUnlock()
	if ok {
		return entry
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry, ok = c.entries[name]; ok {
		return entry
	}
	if len(c.entries) >= maxCachedEndpoints {
		clear(c.entries)
	}
	entry = &endpointEntry{}
	c.entries[name] = entry
	return entry
}

// fresh gives what was read just now, without any I/O; ok is false when it has to be read.
func (c *endpointCache) fresh(name string) (ep *endpoint, ok bool, err error) {
	entry := c.entry(name)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if entry.asked.IsZero() || c.now().Sub(entry.asked) >= endpointFresh {
		return nil, false, nil
	}
	return entry.known, true, entry.err
}

// last gives what was read last, however long ago, without any I/O; nil when nothing is known.
func (c *endpointCache) last(name string) *endpoint {
	entry := c.entry(name)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	return entry.known
}

// maxInFlight is the limit of an endpoint as it was read last; the first that asks reads it.
func (c *endpointCache) maxInFlight(name string) int {
	ep := c.last(name)
	if ep == nil {
		ep, _ = c.get(context.Background(), name) // what cannot be read, its claim will find out
	}
	if ep == nil || ep.MaxInFlight == 0 {
		return domain.DefaultMaxInFlight
	}
	return ep.MaxInFlight
}

// get gives an endpoint, from the database if need be. Errors: endpoint_not_found; any other says that
// nothing is known of it.
func (c *endpointCache) get(ctx context.Context, name string) (*endpoint, error) {
	if ep, ok, err := c.fresh(name); ok {
		return ep, err
	}
	entry := c.entry(name)
	entry.reading.Lock()
	defer entry.reading.Unlock()
	if ep, ok, err := c.fresh(name); ok {
		return ep, err
	}
	asked := c.now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endpointTimeout)
	defer cancel()
	stored, err := c.store.Endpoint(ctx, name)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	entry.err = nil
	switch {
	case domain.CodeOf(err) == domain.CodeEndpointNotFound:
		entry.known, entry.asked = nil, time.Time{}
		return nil, err
	case err == nil && (entry.known == nil || entry.known.version != stored.LockVersion):
		var made *endpoint
		if made, err = newEndpoint(stored); err == nil {
			entry.known = made
		}
	}
	entry.asked, entry.err = asked, err
	if err != nil {
		return nil, err
	}
	return entry.known, nil
}

// forget makes the next that needs an endpoint read it.
func (c *endpointCache) forget(name string) {
	entry := c.entry(name)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	entry.asked = time.Time{}
}
