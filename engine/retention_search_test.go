package engine

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// TestASearchForVersionsGoesOnInTheNextRun has runs whose time is over, one in which the database is away, and then one
// that has time for it.
func TestASearchForVersionsGoesOnInTheNextRun(t *testing.T) {
	ctx := t.Context()
	var away atomic.Bool
	e := awayEngine(t, &away, make(heard, 1000))
	e.Retention = time.Hour
	oneStep(t, e, nil)
	for wait := 1; wait <= 2; wait++ {
		yaml := fmt.Sprintf("type: Loop\nwebhook: {url: \"http://127.0.0.1:1/\"}\nsteps: [{name: one, wait: %dd}]", wait)
		if _, _, err := e.RegisterDefinition(ctx, "", []byte(yaml), domain.SourceYAML); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Store.DB().ExecContext(ctx, "UPDATE geneva_drive_definitions SET created_at = 0"); err != nil {
		t.Fatal(err)
	}
	versions := func() (all []int) {
		list, _, err := e.Store.DefinitionVersions(ctx, "Loop", persistence.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			all = append(all, d.Version)
		}
		return all
	}
	r, over := &retention{e: e}, e.Now()
	if err := r.versions(ctx, over); err != nil || r.search == nil {
		t.Fatalf("no search is under way: %v", err)
	}
	begun := r.search
	away.Store(true)
	if err := r.versions(ctx, over.Add(time.Second)); err == nil {
		t.Error("no error while the database is away")
	}
	away.Store(false)
	if err := r.versions(ctx, over); err != nil || r.search != begun {
		t.Errorf("the search was begun anew: %v", err)
	}
	if got := fmt.Sprint(versions()); got != "[3 2 1]" {
		t.Errorf("the versions before the end of the search are %v", got)
	}
	if err := r.versions(ctx, over.Add(time.Second)); err != nil || r.search != nil {
		t.Errorf("the search is not over: %v", err)
	}
	if got := fmt.Sprint(versions()); got != "[3 1]" {
		t.Errorf("the versions after the search are %v", got)
	}
	if err := r.versions(ctx, over.Add(time.Second)); err != nil || r.search != nil {
		t.Errorf("there is another search at once: %v", err)
	}
	// A server may have known such a version as the newest one, and had to make room for other plans since then.
	e.plans.last["Loop"] = 2
	clear(e.plans.plans)
	if p, err := e.plans.newest(ctx, "Loop"); err != nil || p.Version != 3 {
		t.Errorf("the newest version is %v, %v", p, err)
	}
}
