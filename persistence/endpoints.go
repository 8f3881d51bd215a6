package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// Endpoint is a named receiver as it is stored.
type Endpoint struct {
	Name string
	domain.Endpoint
	Secrets     EndpointSecrets
	LockVersion int64 // rises with every write, from when it was made: never the same again if it is deleted and made anew; 0: not stored yet
	RotatedAt   *time.Time
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// EndpointSecrets are the signing secrets of an endpoint in their written form. Every way of printing them
// but encoding/json, by which they are sealed, shows a placeholder.
type EndpointSecrets struct {
	Current  string           `json:"current"`
	Previous []PreviousSecret `json:"previous,omitempty"` // newest first
}

// PreviousSecret signs beside the current one until its time.
type PreviousSecret struct {
	Secret string    `json:"secret"`
	Until  time.Time `json:"until"`
}

const redacted = "[redacted]"

// String, GoString and LogValue keep the secrets out of logs and messages; so do those of PreviousSecret.
func (EndpointSecrets) String() string { return redacted }

// GoString is String.
func (EndpointSecrets) GoString() string { return redacted }

// LogValue is String.
func (EndpointSecrets) LogValue() slog.Value { return slog.StringValue(redacted) }

func (PreviousSecret) String() string { return redacted }

// GoString is String.
func (PreviousSecret) GoString() string { return redacted }

// LogValue is String.
func (PreviousSecret) LogValue() slog.Value { return slog.StringValue(redacted) }

// ErrEndpointChanged says that somebody else wrote the endpoint since it was read: read it and decide again.
var ErrEndpointChanged = errors.New("the endpoint was changed meanwhile")

const endpointWidth = 10

// Endpoint gives an endpoint. Errors: endpoint_not_found, secret_key_missing.
func (s *Store) Endpoint(ctx context.Context, name string) (Endpoint, error) {
	found, err := s.endpoints(ctx, name, "", 1)
	if err != nil {
		return Endpoint{}, err
	}
	if len(found) == 0 {
		return Endpoint{}, endpointNotFound(name)
	}
	return found[0], nil
}

// Endpoints lists the endpoints by name, and gives the cursor of the next page. Errors: invalid_cursor,
// secret_key_missing.
func (s *Store) Endpoints(ctx context.Context, p Page) ([]Endpoint, string, error) {
	const list = "endpoints"
	after, err := p.after(list)
	if err != nil {
		return nil, "", err
	}
	found, err := s.endpoints(ctx, "", after, p.Limit+1)
	if err != nil {
		return nil, "", err
	}
	page, next := paged(found, p, list, func(e Endpoint) string { return e.Name })
	return page, next, nil
}

func (s *Store) endpoints(ctx context.Context, name, after string, limit int) ([]Endpoint, error) {
	q := s.read.NewSelect().ColumnExpr("x.name, x.url, x.headers, x.timeout, x.max_in_flight, x.secrets, x.lock_version, " +
		"x.rotated_at, x.created_at, x.updated_at").TableExpr(endpointsTable + " AS x").OrderExpr("x.name").Limit(int64(limit))
	if name != "" {
		q.Where("x.name = ?", name)
	} else {
		q.Where("x.name > ?", after)
	}
	var unreadable error
	found, err := collect(ctx, s, q, endpointWidth, func(r *record) Endpoint {
		e := Endpoint{Name: r.text()}
		e.URL = r.text()
		headers := r.json()
		e.Timeout, e.MaxInFlight = time.Duration(r.int64())*time.Microsecond, r.int()
		sealed := r.text()
		e.LockVersion, e.RotatedAt, e.CreatedAt, e.UpdatedAt = r.int64(), r.timePtr(), r.time(), r.time()
		err := json.Unmarshal(headers, &e.Headers)
		if err == nil {
			var plain []byte
			if plain, err = s.sealer.open(sealedFor(e.Name), sealed); err == nil {
				err = json.Unmarshal(plain, &e.Secrets)
			}
		}
		if err != nil {
			unreadable = errors.Join(unreadable, fmt.Errorf("the endpoint %s cannot be read: %w", e.Name, err))
		}
		return e
	})
	return found, errors.Join(err, unreadable)
}

// sealedFor binds the secrets of an endpoint to it, so that they cannot be passed off as another's.
func sealedFor(name string) string { return "endpoint " + name }

// SaveEndpoint stores an endpoint that was read, or is new, with its secrets sealed. Errors:
// ErrEndpointChanged, secret_key_missing.
func (s *Store) SaveEndpoint(ctx context.Context, e Endpoint) error {
	headers, err := json.Marshal(e.Headers)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(e.Secrets)
	if err != nil {
		return err
	}
	sealed, err := s.sealer.seal(sealedFor(e.Name), plain)
	if err != nil {
		return err
	}
	columns := map[string]any{
		"url": e.URL, "headers": string(headers), "timeout": e.Timeout.Microseconds(), "max_in_flight": e.MaxInFlight,
		"secrets": sealed, "rotated_at": timeOrNull(e.RotatedAt), "updated_at": e.UpdatedAt,
	}
	unsure := false
	return s.again(ctx, func() error {
		err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error { return writeEndpoint(ctx, tx, e, columns) })
		if unsure && errors.Is(err, ErrEndpointChanged) {
			err = s.wrote(ctx, e.Name, sealed)
		}
		unsure = unsure || faultOf(err) == faultAway
		return err
	})
}

func writeEndpoint(ctx context.Context, tx bun.Tx, e Endpoint, columns map[string]any) error {
	if e.LockVersion == 0 {
		columns["name"], columns["created_at"], columns["lock_version"] = e.Name, e.CreatedAt, e.CreatedAt.UnixMicro()
		_, err := tx.NewInsert().TableExpr(endpointsTable).Model(&columns).Exec(ctx)
		if faultOf(err) == faultUnique {
			return ErrEndpointChanged
		}
		return err
	}
	q := tx.NewUpdate().TableExpr(endpointsTable).Where("name = ?", e.Name).Where("lock_version = ?", e.LockVersion)
	for column, value := range columns {
		q.Set(column+" = ?", value)
	}
	q.Set("lock_version = ?", e.LockVersion+1)
	result, err := q.Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return ErrEndpointChanged
}

// wrote tells whether a write that was not acknowledged did happen: no two sealed texts are alike.
func (s *Store) wrote(ctx context.Context, name, sealed string) error {
	q := s.read.NewSelect().ColumnExpr("x.secrets").TableExpr(endpointsTable+" AS x").Where("x.name = ?", name)
	found, err := collect(ctx, s, q, 1, (*record).text)
	if err == nil && (len(found) == 0 || found[0] != sealed) {
		err = ErrEndpointChanged
	}
	return err
}
