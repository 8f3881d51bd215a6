package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/webhook"
)

const (
	previousSigns = 24 * time.Hour // how long a secret signs after it was replaced
	mostPrevious  = 5              // secrets that sign beside the current one; a further rotation ends the oldest
)

// EndpointSettings are what an endpoint is to be.
type EndpointSettings struct {
	URL         string
	Secret      string // whsec_…; "": the one it has, or a new one
	Headers     map[string]string
	Timeout     time.Duration // 0: the default
	MaxInFlight int           // 0: the default
}

// Endpoint is a named receiver as it is shown: without its secrets. Its headers are shown, and stored, as they
// are: what has to stay secret belongs into the receiver's check of the signature.
type Endpoint struct {
	Name        string
	URL         string
	Headers     map[string]string
	Timeout     time.Duration
	MaxInFlight int
	RotatedAt   *time.Time // when its secret was last replaced
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

func shownEndpoint(e persistence.Endpoint) Endpoint {
	return Endpoint{Name: e.Name, URL: e.URL, Headers: e.Headers, Timeout: e.Timeout, MaxInFlight: e.MaxInFlight,
		RotatedAt: e.RotatedAt, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt}
}

// PutEndpoint makes an endpoint or replaces its settings. Every server goes by them within endpointFresh.
// secret is the new one's written form if this call made it, and shown this once. Another secret than the
// current one replaces that as RotateEndpoint does. Errors: invalid_request, secret_key_missing.
func (e *Engine) PutEndpoint(ctx context.Context, name string, s EndpointSettings) (ep Endpoint, secret string, created bool, err error) {
	settings, err := domain.CheckEndpoint(name, domain.Endpoint{URL: s.URL, Headers: s.Headers, Timeout: s.Timeout, MaxInFlight: s.MaxInFlight})
	if err := checkSecret(s.Secret, err); err != nil {
		return Endpoint{}, "", false, err
	}
	ep, err = e.changeEndpoint(ctx, name, func(stored *persistence.Endpoint, now time.Time) error {
		secret, created = "", stored.LockVersion == 0
		stored.Endpoint = settings
		switch {
		case s.Secret != "" && created:
			stored.Secrets.Current = s.Secret
		case created:
			made, err := webhook.NewSecret(rand.Reader)
			if err != nil {
				return err
			}
			secret = made.Reveal()
			stored.Secrets.Current = secret
		case s.Secret != "" && s.Secret != stored.Secrets.Current:
			rotate(stored, s.Secret, now)
		}
		return nil
	})
	return ep, secret, created, err
}

// RotateEndpoint gives an endpoint a new secret, whose written form is shown this once. Those it had go on
// signing beside it, each for 24 hours from when it was replaced; the oldest gives way when there are more
// than mostPrevious. Errors: endpoint_not_found, secret_key_missing.
func (e *Engine) RotateEndpoint(ctx context.Context, name string) (ep Endpoint, secret string, err error) {
	made, err := webhook.NewSecret(rand.Reader)
	if err != nil {
		return Endpoint{}, "", err
	}
	ep, err = e.changeEndpoint(ctx, name, func(stored *persistence.Endpoint, now time.Time) error {
		if stored.LockVersion == 0 {
			return domain.Errorf(domain.CodeEndpointNotFound, "There is no endpoint %q.", name)
		}
		rotate(stored, made.Reveal(), now)
		return nil
	})
	if err != nil {
		return Endpoint{}, "", err
	}
	return ep, made.Reveal(), nil
}

// rotate puts a secret in the place of the current one.
func rotate(ep *persistence.Endpoint, secret string, now time.Time) {
	previous := []persistence.PreviousSecret{{Secret: ep.Secrets.Current, Until: now.Add(previousSigns)}}
	for _, p := range ep.Secrets.Previous {
		if p.Secret != secret && now.Before(p.Until) && len(previous) < mostPrevious {
			previous = append(previous, p)
		}
	}
	ep.Secrets = persistence.EndpointSecrets{Current: secret, Previous: previous}
	ep.RotatedAt = &now
}

// changeEndpoint reads an endpoint, a new one if there is none, lets change decide, and stores it, again and
// again until nobody came in between.
func (e *Engine) changeEndpoint(ctx context.Context, name string, change func(*persistence.Endpoint, time.Time) error) (Endpoint, error) {
	ctx = context.WithoutCancel(ctx)
	for {
		stored, err := e.Store.Endpoint(ctx, name)
		if err != nil && domain.CodeOf(err) != domain.CodeEndpointNotFound {
			return Endpoint{}, err
		}
		now, err := e.Store.Now(ctx)
		if err != nil {
			return Endpoint{}, err
		}
		if stored.LockVersion == 0 {
			stored = persistence.Endpoint{Name: name, CreatedAt: now}
		}
		if err := change(&stored, now); err != nil {
			return Endpoint{}, err
		}
		stored.UpdatedAt = now
		err = e.Store.SaveEndpoint(ctx, stored)
		e.endpoints.forget(name)
		if errors.Is(err, persistence.ErrEndpointChanged) {
			continue
		}
		return shownEndpoint(stored), err
	}
}

// checkSecret adds the fault of a secret to those of the other settings.
func checkSecret(secret string, others error) error {
	if secret == "" {
		return others
	}
	_, err := webhook.ParseSecret(secret)
	if err == nil {
		return others
	}
	var problems []domain.Problem
	var all *domain.Error
	if errors.As(others, &all) {
		problems = all.Problems
	}
	return domain.WithProblems(domain.CodeInvalidRequest, append(problems,
		domain.Problem{Pointer: "#/secret", Detail: "The secret cannot be used: " + err.Error() + "."}))
}

// Endpoint gives an endpoint. Errors: endpoint_not_found, secret_key_missing.
func (e *Engine) Endpoint(ctx context.Context, name string) (Endpoint, error) {
	ep, err := e.Store.Endpoint(ctx, name)
	if err != nil {
		return Endpoint{}, err
	}
	return shownEndpoint(ep), nil
}

// Endpoints lists the endpoints by name, and gives the cursor of the next page. Errors: invalid_cursor,
// secret_key_missing.
func (e *Engine) Endpoints(ctx context.Context, page Page) ([]Endpoint, string, error) {
	stored, next, err := e.Store.Endpoints(ctx, page)
	if err != nil {
		return nil, "", err
	}
	list := make([]Endpoint, len(stored))
	for i, ep := range stored {
		list[i] = shownEndpoint(ep)
	}
	return list, next, nil
}

// DeleteEndpoint removes an endpoint that nothing uses: neither the newest version of a definition names it,
// nor the version of an open workflow. Errors: endpoint_not_found, endpoint_in_use.
func (e *Engine) DeleteEndpoint(ctx context.Context, name string) error {
	err := e.Store.DeleteEndpoint(context.WithoutCancel(ctx), name)
	e.endpoints.forget(name)
	return err
}
