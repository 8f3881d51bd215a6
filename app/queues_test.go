package app_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/app"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// backlogged is how many workflows of each kind wait at once.
const backlogged = 12

// TestBacklogIsOvertaken has servers with one slot each meet a backlog in which what matters most was created
// last: critical overtakes low and a lower priority number a higher one, whether the definition says so, the step,
// or the answer before.
func TestBacklogIsOvertaken(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, name, url string) {
		t.Run("one server", func(t *testing.T) { overtake(t, settingsFor(t, url, ""), 1) })
		if name != "sqlite" { // which has one server
			t.Run("two servers", func(t *testing.T) { overtake(t, settingsFor(t, url, testenv.Redis(t)), 2) })
		}
	})
}

func overtake(t *testing.T, s app.Settings, servers int) {
	s.Concurrency = "1"
	release := make(chan struct{})
	r := newReceiver(t, func(d delivery) string {
		switch d.step {
		case "plug":
			<-release
		case "tells_critical":
			return `{"next": {"queue": "critical", "wait": "PT1H"}}`
		case "tells_low":
			return `{"next": {"queue": "low", "wait": "PT1H"}}`
		}
		return `{}`
	})
	released := false
	open := func() {
		if !released {
			close(release)
		}
		released = true
	}
	t.Cleanup(open)
	var all fleet
	for range servers {
		all = append(all, startService(t, s))
	}
	c := all[0]
	typ := fmt.Sprintf("T%d", servers) // the database may have those of the other run
	define := func(name, rest string) {
		c.call(t, http.StatusCreated, "PUT", "/v1/definitions/"+name+typ,
			fmt.Sprintf(`{"webhook": {"url": %q, "timeout": "PT5M"}, %s}`, r.url, rest), &struct{}{})
	}
	start := func(name string, n int) {
		for range n {
			c.call(t, http.StatusCreated, "POST", "/v1/workflows", fmt.Sprintf(`{"type": %q, "subject": {"type": "User", "id": %q}}`, name+typ, uuid.NewString()), new(workflow))
		}
	}
	define("Low", `"queue": "low", "steps": [{"name": "low"}]`)
	define("Later", `"priority": 9, "steps": [{"name": "later"}]`)
	define("Sooner", `"steps": [{"name": "sooner", "priority": 0}]`)
	define("Critical", `"steps": [{"name": "critical", "queue": "critical"}]`)
	define("ToldLow", `"steps": [{"name": "tells_low"}, {"name": "told_low", "wait": "PT1H"}]`)
	define("ToldCritical", `"steps": [{"name": "tells_critical"}, {"name": "told_critical", "wait": "PT1H"}]`)
	define("Plug", `"steps": [{"name": "plug"}]`)

	start("ToldLow", backlogged)
	start("ToldCritical", backlogged)
	for range 2 * backlogged {
		r.next(t)
	}
	waitUntil(t, "the told steps wait", func() bool {
		var list struct{ Items []workflow }
		c.call(t, http.StatusOK, "GET", "/v1/workflows?limit=200&state=ready&type=ToldLow"+typ+"&type=ToldCritical"+typ+"&step_name=told_low&step_name=told_critical", "", &list)
		return len(list.Items) == 2*backlogged
	})
	start("Plug", servers)
	for range servers {
		if d := r.next(t); d.step != "plug" {
			t.Fatalf("%s is delivered", d.step)
		}
	}
	for _, name := range []string{"ToldLow", "ToldCritical"} {
		var bulk struct{ Changed int }
		c.call(t, http.StatusOK, "POST", "/v1/workflows/bulk", fmt.Sprintf(`{"verb": "reattempt", "filter": {"type": [%q], "step_name": ["told_low", "told_critical"]}, "limit": %d}`, name+typ, backlogged), &bulk)
		if bulk.Changed != backlogged {
			t.Fatalf("%d of %s are brought forward", bulk.Changed, name)
		}
	}
	for _, name := range []string{"Low", "Later", "Sooner", "Critical"} {
		start(name, backlogged)
	}
	const total = 6 * backlogged
	for i, server := range all { // a bell reaches one of them, the sweep brings the rest; a plug may be left over
		waitUntil(t, fmt.Sprintf("server %d knows the backlog", i), func() bool {
			got := server.scrape(t)
			return got["genevadrive_ready_steps{queue=critical}"]+got["genevadrive_ready_steps{queue=default}"]+got["genevadrive_ready_steps{queue=low}"] >= total
		})
	}
	open()
	place := map[string]int{} // sum of the places at which the steps of a kind were delivered
	for i := range total {
		place[r.next(t).step] += i
	}
	for _, pair := range [][2]string{{"critical", "low"}, {"sooner", "later"}, {"told_critical", "told_low"}} {
		if place[pair[0]] >= place[pair[1]] {
			t.Errorf("%s has not overtaken %s: %v", pair[0], pair[1], place)
		}
	}
}

// waitUntil polls for what must happen.
func waitUntil(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	over := time.After(2 * patience)
	for !so() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("not so after %s: %s", 2*patience, what)
		}
	}
}
