package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/queue"
	"github.com/genevadrive/genevadrive/webhook"
)

// target is where a webhook goes and how it is signed, looked up for each delivery.
type target struct {
	url     string
	headers map[string]string
	secrets []webhook.Secret
}

// target resolves a webhook of a step or hook. An endpoint signs with its own secrets, a URL with those of the
// server. The error is endpoint_missing, or connection if the endpoint could not be read, which is worth
// another attempt.
func (e *Engine) target(ctx context.Context, w *domain.Webhook) (target, *domain.ExecutionError) {
	if w.Endpoint == "" {
		return target{url: w.URL, headers: w.Headers, secrets: e.Secrets}, nil
	}
	ep, err := e.endpoints.get(ctx, w.Endpoint)
	if err != nil {
		if domain.CodeOf(err) == domain.CodeEndpointNotFound {
			missing := domain.EndpointMissing(w.Endpoint)
			return target{}, &missing
		}
		// The claim read it a moment ago: going by that is better than failing an attempt.
		if ep = e.endpoints.last(w.Endpoint); ep == nil {
			e.Logger.Error("endpoint not read", "endpoint", w.Endpoint, "error", err)
			return target{}, &domain.ExecutionError{Code: domain.ErrConnection,
				Message: fmt.Sprintf("The endpoint %q could not be read from the database.", w.Endpoint)}
		}
	}
	at := w.At(&ep.Endpoint)
	return target{url: at.URL, headers: at.Headers, secrets: ep.secrets(e.Now())}, nil
}

// lookup is what one claim knows of the endpoints of its step: a decision may not ask the database itself. Two
// that come from one lookup go by the same endpoint.
type lookup struct {
	cache *endpointCache
	asked map[string]*endpoint // nil in it: there is none
}

func (e *Engine) newLookup() *lookup { return &lookup{cache: e.endpoints} }

// unasked is what a decision answers when it needs an endpoint that has to be read; whoever asked for the
// decision reads it, with no transaction open, and asks again.
type unasked struct {
	lookup *lookup
	name   string
}

func (unasked) Error() string { return "the endpoint has to be read first" }

// ask reads an endpoint. That there is none is an answer.
func (l *lookup) ask(ctx context.Context, name string) error {
	ep, err := l.cache.get(ctx, name)
	if err != nil && domain.CodeOf(err) != domain.CodeEndpointNotFound {
		return err
	}
	if l.asked == nil {
		l.asked = map[string]*endpoint{}
	}
	l.asked[name] = ep
	return nil
}

// prepare reads the endpoints of an item ahead of its claim.
func (l *lookup) prepare(ctx context.Context, item queue.Item) error {
	for _, r := range [...]queue.Receiver{item.Receiver, item.Hook} {
		if name, ok := strings.CutPrefix(r.Name, endpointKey); ok {
			if err := l.ask(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// of gives an endpoint; nil when there is none. The error is unasked, or why it cannot be read.
func (l *lookup) of(name string) (*endpoint, error) {
	if ep, ok := l.asked[name]; ok {
		return ep, nil
	}
	ep, ok, err := l.cache.fresh(name)
	if !ok {
		err = unasked{l, name}
	}
	return ep, err
}

// terms are what an attempt of a step goes by that its endpoint may have a say in.
type terms struct {
	budget      time.Duration // hook and POST together
	maxInFlight int
	hookLimit   int // max_in_flight of the hook, if there is one
}

// comeBack is when an item comes back at the earliest whose claim was for nothing, since it came a moment early or its
// receiver takes more or fewer at once than when it was offered: as soon as its slot is free. The ready list would not
// take it as due now, as long as it is being claimed.
const comeBack = time.Millisecond

// otherLane is what a claim answers of an item that waited under limits which are no longer the endpoints'; it has
// those of now.
type otherLane struct{ receiver, hook queue.Receiver }

func (otherLane) Error() string { return "the endpoint's max_in_flight has changed" }

// moved tells whether an item waited under other limits. What is no endpoint has kept its own.
func (t terms) moved(item queue.Item) (now otherLane, moved bool) {
	now = otherLane{item.Receiver, item.Hook}
	if strings.HasPrefix(item.Receiver.Name, endpointKey) {
		now.receiver.MaxInFlight = t.maxInFlight
	}
	if strings.HasPrefix(item.Hook.Name, endpointKey) {
		now.hook.MaxInFlight = t.hookLimit
	}
	return now, now != otherLane{item.Receiver, item.Hook}
}

// load brings in what a decision asks for. retry tells whether the decision is worth asking again.
func (e *Engine) load(ctx context.Context, decision error) (retry bool, err error) {
	var missing unasked
	if errors.As(decision, &missing) {
		err := missing.lookup.ask(ctx, missing.name)
		return err == nil, err
	}
	return e.plans.load(ctx, decision)
}

// terms gives those of a step; missing is the error of one that names an endpoint which is not there. err is
// unasked, or why an endpoint cannot be read.
func (l *lookup) terms(step *domain.Step) (t terms, missing *domain.ExecutionError, err error) {
	w := step.Webhook
	if step.Hook != nil {
		t.hookLimit = step.Hook.MaxInFlight
	}
	for _, name := range step.Endpoints() {
		ep, err := l.of(name)
		if err != nil {
			return t, nil, err
		}
		if ep == nil {
			gone := domain.EndpointMissing(name)
			return t, &gone, nil
		}
		if name == w.Endpoint {
			w = step.Webhook.At(&ep.Endpoint)
		}
		if step.Hook != nil && name == step.Hook.Endpoint {
			t.hookLimit = cmp.Or(t.hookLimit, ep.MaxInFlight)
		}
	}
	t.budget = cmp.Or(w.Timeout, domain.DefaultWebhookTimeout)
	t.maxInFlight = cmp.Or(w.MaxInFlight, domain.DefaultMaxInFlight)
	t.hookLimit = cmp.Or(t.hookLimit, domain.DefaultMaxInFlight)
	return t, nil, nil
}
