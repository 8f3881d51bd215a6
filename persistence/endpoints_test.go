package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/netfault"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// eachSealing runs a test on an empty store that can seal.
func eachSealing(t *testing.T, test func(t *testing.T, s *Store)) {
	testenv.Each(t, func(t *testing.T, _, url string) {
		s := openEmpty(t, url)
		s.sealer = sealerOf(t, 7)
		test(t, s)
	})
}

func someEndpoint(name string) Endpoint {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	return Endpoint{Name: name, Endpoint: domain.Endpoint{URL: "https://" + name + ".example/?a='%\\", Headers: map[string]string{"x-a": `'"\%ü`},
		Timeout: 1500 * time.Millisecond, MaxInFlight: 7},
		Secrets:   EndpointSecrets{Current: "whsec_current", Previous: []PreviousSecret{{Secret: "whsec_previous", Until: at}}},
		RotatedAt: &at, CreatedAt: at, UpdatedAt: at}
}

func TestEndpointsAreStoredWhole(t *testing.T) {
	eachSealing(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		if _, err := s.Endpoint(ctx, "app"); domain.CodeOf(err) != domain.CodeEndpointNotFound {
			t.Errorf("unknown: %v", err)
		}
		want := someEndpoint("app")
		if err := s.SaveEndpoint(ctx, want); err != nil {
			t.Fatal(err)
		}
		want.LockVersion = want.CreatedAt.UnixMicro()
		got, err := s.Endpoint(ctx, "app")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, want %+v (%v)", got, want, err)
		}
		got.RotatedAt, got.Secrets, got.Timeout, got.MaxInFlight = nil, EndpointSecrets{Current: "whsec_next"}, 0, 0
		if err := s.SaveEndpoint(ctx, got); err != nil {
			t.Fatal(err)
		}
		got.LockVersion++
		if read, err := s.Endpoint(ctx, "app"); err != nil || !reflect.DeepEqual(got, read) {
			t.Errorf("read %+v, want %+v (%v)", read, got, err)
		}
		got.LockVersion--
		if err := s.SaveEndpoint(ctx, got); !errors.Is(err, ErrEndpointChanged) {
			t.Errorf("over a newer one: %v", err)
		}
		if err := s.SaveEndpoint(ctx, someEndpoint("app")); !errors.Is(err, ErrEndpointChanged) {
			t.Errorf("twice: %v", err)
		}
		if _, err := s.Endpoint(ctx, "App"); domain.CodeOf(err) != domain.CodeEndpointNotFound {
			t.Errorf("in another case: %v", err)
		}
		var sealed string
		if err := s.db.NewRaw("SELECT secrets FROM geneva_drive_endpoints").Scan(ctx, &sealed); err != nil || strings.Contains(sealed, "whsec") {
			t.Errorf("sealed as %s, %v", sealed, err)
		}
		s.sealer = &sealer{}
		if _, err := s.Endpoint(ctx, "app"); domain.CodeOf(err) != domain.CodeSecretKeyMissing {
			t.Errorf("without the key: %v", err)
		}
	})
}

func TestEndpointsAreListedByName(t *testing.T) {
	eachSealing(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for _, name := range []string{"b", "a", "C", "d", "B"} {
			if err := s.SaveEndpoint(ctx, someEndpoint(name)); err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		page := Page{Limit: 2}
		for {
			list, next, err := s.Endpoints(ctx, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				names = append(names, e.Name)
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
		if got := strings.Join(names, " "); got != "B C a b d" {
			t.Errorf("listed %s", got)
		}
		if _, _, err := s.Endpoints(ctx, Page{Limit: 1, Cursor: "x"}); domain.CodeOf(err) != domain.CodeInvalidCursor {
			t.Errorf("forged cursor: %v", err)
		}
	})
}

func TestAnEndpointWhoseCommitWasNotAcknowledged(t *testing.T) {
	for name, fault := range faultsOfCommit {
		t.Run(name, func(t *testing.T) {
			eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
				ctx := context.Background()
				s.sealer = sealerOf(t, 7)
				e := someEndpoint("app")
				for i := range 2 {
					p.Strike(fault)
					if err := s.SaveEndpoint(ctx, e); err != nil {
						t.Errorf("saving version %d: %v", e.LockVersion, err)
					}
					got, err := s.Endpoint(ctx, "app")
					if err != nil || got.LockVersion != e.CreatedAt.UnixMicro()+int64(i) {
						t.Errorf("stored is version %d, %v", got.LockVersion, err)
					}
					e = got
				}
			})
		})
	}
}

// TestAnEndpointMadeAnewIsAnother: what was read of the one before it cannot be written over it.
func TestAnEndpointMadeAnewIsAnother(t *testing.T) {
	eachSealing(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		e := someEndpoint("app")
		var read []Endpoint
		for i := range 2 {
			e.CreatedAt = e.CreatedAt.Add(time.Minute)
			if err := s.SaveEndpoint(ctx, e); err != nil {
				t.Fatal(err)
			}
			got, err := s.Endpoint(ctx, "app")
			if err != nil {
				t.Fatal(err)
			}
			read = append(read, got)
			if i == 0 {
				if err := s.DeleteEndpoint(ctx, "app"); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.SaveEndpoint(ctx, read[0]); !errors.Is(err, ErrEndpointChanged) {
			t.Errorf("the deleted one over the new one: %v", err)
		}
		if err := s.SaveEndpoint(ctx, read[1]); err != nil {
			t.Error(err)
		}
	})
}

func TestAnEndpointInUseStays(t *testing.T) {
	goesTo := func(typ, endpoint string) *domain.Definition {
		def := chain("one")
		def.Type, def.Steps[0].Webhook = typ, domain.Webhook{Endpoint: endpoint}
		return def
	}
	eachSealing(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		save := func(def *domain.Definition) *domain.Definition {
			t.Helper()
			stored, _, err := s.SaveDefinition(ctx, def, false)
			if err != nil {
				t.Fatal(err)
			}
			return stored.Definition
		}
		expect := func(endpoint string, code domain.Code, says string) {
			t.Helper()
			err := s.DeleteEndpoint(ctx, endpoint)
			if code == "" && err != nil || code != "" && (domain.CodeOf(err) != code || !strings.Contains(err.Error(), says)) {
				t.Errorf("deleting %s: %v, want %q with %q", endpoint, err, code, says)
			}
		}
		for _, name := range []string{"app", "a_p", "free"} {
			if err := s.SaveEndpoint(ctx, someEndpoint(name)); err != nil {
				t.Fatal(err)
			}
		}
		expect("none", domain.CodeEndpointNotFound, "")
		lookalike := chain("one")
		lookalike.Type, lookalike.Steps[0].Params = "Lookalike", json.RawMessage(`{"endpoint":"free"}`)
		save(lookalike)
		first := save(goesTo("Uses", "app"))
		expect("app", domain.CodeEndpointInUse, "version 1 of Uses, the newest")
		expect("a_p", "", "") // matches app where _ means any character
		expect("free", "", "")

		running := create(t, s, first).Workflow
		other := save(goesTo("Uses", "elsewhere"))
		create(t, s, other)
		expect("app", domain.CodeEndpointInUse, fmt.Sprintf("version 1 of Uses, which the open workflow %s runs", running.ID))
		r := s.Apply(ctx, Op{WorkflowID: running.ID, Decide: func(now time.Time, row Row) (domain.Change, error) {
			return domain.Control(first, row.Workflow, row.Execution, domain.Command{Verb: domain.VerbCancel, NextID: newID(), Fence: "f"}, now)
		}})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		expect("app", "", "")
		expect("app", domain.CodeEndpointNotFound, "")
	})
}
