package engine

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

// Definitions of 4 KB can have 4 MB once they are resolved: what is kept of them is bounded by that.
func TestPlansAreKeptWithinBounds(t *testing.T) {
	c := newPlanCache(nil)
	add := func(n, bytes int) *plan {
		def := &domain.Definition{Type: fmt.Sprintf("T%d", n), Version: 1}
		return c.add(persistence.Definition{Definition: def, Bytes: bytes})
	}
	const each = maxCachedBytes / 10
	for n := range 10 {
		add(n, each)
	}
	if again, _ := c.cached("T0", 1); len(c.plans) != 10 || add(0, each) != again || len(c.plans) != 10 {
		t.Errorf("%d plans fit", len(c.plans))
	}
	newest := add(10, each)
	if kept, ok := c.cached("T10", 1); len(c.plans) != 1 || c.bytes != each || !ok || kept != newest {
		t.Errorf("then there are %d plans of %d bytes", len(c.plans), c.bytes)
	}
	if large := add(11, 2*maxCachedBytes); large == nil || len(c.plans) != 1 {
		t.Errorf("with a large one there are %d", len(c.plans))
	}
}

// TestEveryReceiverHasALimit has steps and hooks at hosts and endpoints, with a max_in_flight of their own and without.
func TestEveryReceiverHasALimit(t *testing.T) {
	e := awayEngine(t, new(atomic.Bool), make(heard, 1000))
	for name, limit := range map[string]int{"wide": 0, "narrow": 3} {
		if _, _, _, err := e.PutEndpoint(t.Context(), name, EndpointSettings{URL: "http://app.example", MaxInFlight: limit}); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := e.RegisterDefinition(t.Context(), "", []byte(`
type: Limits
webhook: {url: "http://host.example/steps"}
hooks: {before_step_starts: {url: "http://hooks.example/"}}
steps:
  - {name: host}
  - {name: host_of_its_own, webhook: {max_in_flight: 5}}
  - {name: wide, webhook: {endpoint: wide}}
  - {name: narrow, webhook: {endpoint: narrow}}
  - {name: narrower, webhook: {endpoint: narrow, max_in_flight: 2}}
`), domain.SourceYAML)
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.plans.get(t.Context(), "Limits", 1)
	if err != nil {
		t.Fatal(err)
	}
	for step, want := range map[string]queue.Receiver{
		"host": {Name: "host.example", MaxInFlight: 64}, "host_of_its_own": {Name: "host.example", MaxInFlight: 5},
		"wide": {Name: "endpoint:wide", MaxInFlight: 64}, "narrow": {Name: "endpoint:narrow", MaxInFlight: 3},
		"narrower": {Name: "endpoint:narrow", MaxInFlight: 2},
	} {
		item := e.item(p, &domain.Execution{StepName: step}, 0)
		if hook := (queue.Receiver{Name: "hooks.example", MaxInFlight: 64}); item.Receiver != want || item.Hook != hook {
			t.Errorf("%s goes to %+v after %+v, want %+v after %+v", step, item.Receiver, item.Hook, want, hook)
		}
	}
}
