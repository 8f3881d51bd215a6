package engine

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// TestBulkTellsHowFarItCame has the database go away while the first slice of a call is made ready, or the second one.
func TestBulkTellsHowFarItCame(t *testing.T) {
	for _, slices := range []int{0, 1} {
		var away atomic.Bool
		e := awayEngine(t, &away, make(heard, 1000))
		yaml := "type: Outage\nwebhook: {url: \"http://127.0.0.1:1/\"}\nsteps: [{name: one, wait: 1d}]"
		if _, _, err := e.RegisterDefinition(t.Context(), "", []byte(yaml), domain.SourceYAML); err != nil {
			t.Fatal(err)
		}
		const all = bulkSlice + 2
		for i := range all {
			if _, err := e.Create(t.Context(), CreateRequest{Type: "Outage", SubjectType: "User", SubjectID: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		fences, newFence := 0, e.NewFence // one for each workflow
		e.NewFence = func() domain.Fence {
			fences++
			away.Store(fences > slices*bulkSlice)
			return newFence()
		}
		request := BulkRequest{Verb: domain.VerbPause, Filter: WorkflowFilter{Types: []string{"Outage"}}}
		result, err := e.Bulk(t.Context(), request)
		if result.Matched != all || result.Changed != slices*bulkSlice || errors.Is(err, persistence.ErrUnavailable) != (slices == 0) {
			t.Errorf("%d slices before the outage: %d matched, %d changed, %v", slices, result.Matched, result.Changed, err)
		}
		e.NewFence = newFence
		away.Store(false)
		rest, err := e.Bulk(t.Context(), request)
		if err != nil || rest.Changed != all-result.Changed || len(rest.Errors) != 0 {
			t.Errorf("%d slices before the outage: then %d changed, %v, %v", slices, rest.Changed, rest.Errors, err)
		}
	}
}
