package engine

import (
	"fmt"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
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
