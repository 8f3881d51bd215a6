package engine

import (
	"context"
	"errors"
	"net/url"
	"sync"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// plan is a definition made ready for execution. It never changes.
type plan struct {
	*domain.Definition
	routes map[string]route // by step name
}

// endpointKey begins the key of a receiver that is an endpoint.
const endpointKey = "endpoint:"

// route is whom a step calls: the zero receiver is that of a hook it does not have.
type route struct{ step, hook receiver }

// receiver is where a webhook goes, as far as the ready list needs to know it.
type receiver struct {
	key         string // host or endpoint: what max_in_flight counts by
	endpoint    string // "": none
	maxInFlight int    // 0: the endpoint's
}

func newPlan(def *domain.Definition) *plan {
	p := &plan{Definition: def, routes: make(map[string]route, len(def.Steps))}
	for i := range def.Steps {
		step := &def.Steps[i]
		to := route{step: receiverOf(&step.Webhook)}
		if step.Hook != nil {
			to.hook = receiverOf(step.Hook)
		}
		p.routes[step.Name] = to
	}
	return p
}

func receiverOf(w *domain.Webhook) receiver {
	r := receiver{maxInFlight: w.MaxInFlight}
	if r.endpoint = w.Endpoint; r.endpoint != "" {
		r.key = endpointKey + r.endpoint
		return r
	}
	if u, err := url.Parse(w.URL); err == nil {
		r.key = u.Host
	}
	if r.maxInFlight == 0 {
		r.maxInFlight = domain.DefaultMaxInFlight
	}
	return r
}

type planKey struct {
	typ     string
	version int
}

// planCache keeps plans by type and version. They are immutable, so nothing ever goes stale; when it is full
// it starts afresh.
type planCache struct {
	store *persistence.Store
	mu    sync.RWMutex
	plans map[planKey]*plan
	bytes int            // of the definitions of all plans, as they are stored
	last  map[string]int // by type, the version that was the newest when it was last asked for
}

const (
	maxCachedPlans = 10_000
	maxCachedBytes = 64 << 20 // in memory a definition has a few times as many; one may have 5 MiB
)

func newPlanCache(store *persistence.Store) *planCache {
	return &planCache{store: store, plans: map[planKey]*plan{}, last: map[string]int{}}
}

// cached gives a plan without any I/O.
func (c *planCache) cached(typ string, version int) (*plan, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p, ok := c.plans[planKey{typ, version}]
	return p, ok
}

// get gives a plan, from the database if need be. Errors: definition_not_found.
func (c *planCache) get(ctx context.Context, typ string, version int) (*plan, error) {
	if p, ok := c.cached(typ, version); ok {
		return p, nil
	}
	stored, err := c.store.Definition(ctx, typ, version)
	if err != nil {
		return nil, err
	}
	return c.add(stored), nil
}

// newest gives the plan of the version that was the newest when it was last asked for: whoever uses it makes
// sure that it still is. Errors: definition_not_found.
func (c *planCache) newest(ctx context.Context, typ string) (*plan, error) {
	c.mu.RLock()
	version, known := c.last[typ]
	c.mu.RUnlock()
	if !known {
		var err error
		if version, err = c.store.NewestVersion(ctx, typ); err != nil {
			return nil, err
		}
		c.mu.Lock()
		if len(c.last) >= maxCachedPlans {
			clear(c.last)
		}
		c.last[typ] = version
		c.mu.Unlock()
	}
	p, err := c.get(ctx, typ, version)
	if known && domain.CodeOf(err) == domain.CodeDefinitionNotFound { // superseded so long ago that it is deleted
		c.forgetNewest(typ, version)
		return c.newest(ctx, typ)
	}
	return p, err
}

// forgetNewest says that this one is not the newest any more.
func (c *planCache) forgetNewest(typ string, version int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last[typ] == version {
		delete(c.last, typ)
	}
}

func (c *planCache) add(stored persistence.Definition) *plan {
	p, key := newPlan(stored.Definition), planKey{stored.Type, stored.Version}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.plans[key]; ok { // somebody else has just read it too
		return known
	}
	if len(c.plans) >= maxCachedPlans || c.bytes+stored.Bytes > maxCachedBytes {
		clear(c.plans)
		c.bytes = 0
	}
	c.plans[key] = p
	c.bytes += stored.Bytes
	return p
}

// planMissing is what a decision answers when it needs a plan that is not cached; whoever asked for the
// decision loads it, with no transaction open, and asks again.
type planMissing struct{ planKey }

func (planMissing) Error() string { return "the definition has to be loaded first" }

// of gives a decision, which may not ask the database itself, the plan of its workflow. The error is planMissing.
func (c *planCache) of(w *domain.Workflow) (*plan, error) {
	p, ok := c.cached(w.Type, w.DefinitionVersion)
	if !ok {
		return nil, planMissing{planKey{w.Type, w.DefinitionVersion}}
	}
	return p, nil
}

// load brings in the plan an error asks for. retry tells whether the decision is worth asking again.
func (c *planCache) load(ctx context.Context, decision error) (retry bool, err error) {
	var missing planMissing
	if !errors.As(decision, &missing) {
		return false, decision
	}
	_, err = c.get(ctx, missing.typ, missing.version)
	return err == nil, err
}
