package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/internal/contracttest"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

const atOnce = 32

// fleet is the servers of one database.
type fleet []*service

// eachFleet runs a test on every database, on two servers where there may be more than one.
func eachFleet(t *testing.T, test func(*testing.T, fleet)) {
	testenv.Each(t, func(t *testing.T, name, url string) {
		s := settingsFor(t, url, "")
		servers := fleet{startService(t, s)}
		if name != "sqlite" {
			servers = append(servers, startService(t, s))
		}
		test(t, servers)
	})
}

// answered is what one of many requests got.
type answered struct {
	status   int
	replayed bool
	ID       string // of a workflow
	State    string
	Code     string // of a problem
	Existing string `json:"workflow_id"`
}

// together sends the same request many times at once, and counts the answers as "201", "201 replayed" or
// "409 workflow_exists".
func (f fleet) together(t *testing.T, path, body, key string) (map[string]int, []answered) {
	t.Helper()
	all := make([]answered, atOnce)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			<-start
			if err := f[i%len(f)].request(t, path, body, key, &all[i]); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
	counts := map[string]int{}
	for _, a := range all {
		what := fmt.Sprint(a.status)
		if a.replayed {
			what += " replayed"
		}
		if a.Code != "" {
			what += " " + a.Code
		}
		counts[what]++
	}
	return counts, all
}

func (c client) request(t *testing.T, path, body, key string, a *answered) error {
	req, err := http.NewRequestWithContext(t.Context(), "POST", c.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := contracttest.Client(t, http.DefaultClient).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	a.status, a.replayed = resp.StatusCode, resp.Header.Get("Idempotent-Replayed") == "true"
	return json.Unmarshal(text, a)
}

// open lists the open workflows of a subject, and counts all it has.
func (c client) open(t *testing.T, subject string) (open []string, all int) {
	t.Helper()
	var page struct{ Items []workflow }
	c.call(t, http.StatusOK, "GET", "/v1/workflows?limit=200&subject_type=User&subject_id="+subject, "", &page)
	for _, w := range page.Items {
		if w.State != "finished" && w.State != "canceled" {
			open = append(open, w.ID)
		}
	}
	return open, len(page.Items)
}

func TestIdenticalCreatesHaveOneEffect(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(t *testing.T, f fleet) {
		f[0].register(t, "http://127.0.0.1:9/", "P1D")
		const others = atOnce - 1
		for i, test := range []struct {
			conflict      string
			key, existing bool
			want          map[string]int
			all           int // workflows of the subject in the end; one is open
		}{
			{"reject", false, false, map[string]int{"201": 1, "409 workflow_exists": others}, 1},
			{"reject", true, false, map[string]int{"201": 1, "201 replayed": others}, 1},
			{"reject", true, true, map[string]int{"409 workflow_exists": atOnce}, 1}, // only a success is remembered
			{"return_existing", false, false, map[string]int{"201": 1, "200": others}, 1},
			{"return_existing", true, false, map[string]int{"201": 1, "201 replayed": others}, 1},
			{"return_existing", true, true, map[string]int{"200": 1, "200 replayed": others}, 1},
			{"cancel_existing", false, false, map[string]int{"201": atOnce}, atOnce},
			{"cancel_existing", true, false, map[string]int{"201": 1, "201 replayed": others}, 1},
			{"cancel_existing", true, true, map[string]int{"201": 1, "201 replayed": others}, 2},
		} {
			subject := fmt.Sprintf("s%d", i)
			name := fmt.Sprintf("%s, key %t, one there already %t", test.conflict, test.key, test.existing)
			body := func(conflict string) string {
				return fmt.Sprintf(`{"type": "SignupWorkflow", "subject": {"type": "User", "id": %q}, "on_conflict": %q}`, subject, conflict)
			}
			if test.existing {
				f[0].call(t, http.StatusCreated, "POST", "/v1/workflows", body("reject"), new(workflow))
			}
			key := ""
			if test.key {
				key = uuid.NewString()
			}
			counts, answers := f.together(t, "/v1/workflows", body(test.conflict), key)
			if fmt.Sprint(counts) != fmt.Sprint(test.want) {
				t.Errorf("%s: answered %v, want %v", name, counts, test.want)
			}
			open, all := f[0].open(t, subject)
			if len(open) != 1 || all != test.all {
				t.Errorf("%s: %d workflows, open %v, want %d and one", name, all, open, test.all)
				continue
			}
			ids := map[string]bool{}
			for _, a := range answers {
				ids[a.ID+a.Existing] = true
			}
			if !ids[open[0]] || len(ids) != test.all-map[bool]int{true: 1}[test.existing && test.all > 1] {
				t.Errorf("%s: the answers name %v, open is %s", name, ids, open[0])
			}
		}
	})
}

func TestIdenticalVerbsHaveOneEffect(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(d delivery) string {
		return `{"action": "fail", "error": {"message": "no"}}`
	})
	eachFleet(t, func(t *testing.T, f fleet) {
		register := func(typ, first string) {
			body := fmt.Sprintf(`{"type": %q, "webhook": {"url": %q}, "steps": [{"name": "a", "wait": %q}, {"name": "b", "wait": "P1D"}, {"name": "c", "wait": "P1D"}]}`, typ, r.url, first)
			f[0].call(t, http.StatusCreated, "PUT", "/v1/definitions/"+typ, body, new(struct{}))
		}
		register("Waiting", "P1D")
		register("Failing", "PT0S")
		const others = atOnce - 1
		every := map[string]int{"200": atOnce}
		one := map[string]int{"200": 1, "409 stale_execution": others}
		for i, test := range []struct {
			verb, typ, before string
			body              string // beside step_execution_id
			want              map[string]int
			state             string
			history           []string
		}{
			{"pause", "Waiting", "", "", every, "paused", []string{"a scheduled/ 0"}},
			{"resume", "Waiting", "pause", "", every, "ready", []string{"a scheduled/ 0"}},
			{"resume", "Waiting", "pause", `, "step": "c"`, one, "", []string{"a canceled/superseded 0", "c "}},
			{"skip", "Waiting", "", "", one, "ready", []string{"a skipped/skipped 0", "b scheduled/ 0"}},
			{"skip", "Failing", "", "", one, "paused", []string{"a failed/failed 1", "b scheduled/ 0"}},
			{"reattempt", "Waiting", "", `, "wait": "PT1H"`, every, "ready", []string{"a scheduled/ 0"}},
			{"reattempt", "Failing", "", `, "wait": "PT1H"`, one, "ready", []string{"a failed/failed 1", "a scheduled/ 0"}},
			{"cancel", "Waiting", "", "", every, "canceled", []string{"a canceled/canceled 0"}},
			{"finish", "Waiting", "", "", every, "finished", []string{"a canceled/superseded 0"}},
		} {
			for _, keyed := range []bool{false, true} {
				name := fmt.Sprintf("%s of %s%s, key %t", test.verb, test.typ, test.body, keyed)
				var w workflow
				f[0].call(t, http.StatusCreated, "POST", "/v1/workflows",
					fmt.Sprintf(`{"type": %q, "subject": {"type": "User", "id": "%d %t"}}`, test.typ, i, keyed), &w)
				if test.typ == "Failing" {
					f[0].await(t, w.ID, "paused", func(w workflow) bool { return w.State == "paused" })
				}
				if test.before != "" {
					f[0].call(t, http.StatusOK, "POST", "/v1/workflows/"+w.ID+"/"+test.before, "{}", new(workflow))
				}
				body := fmt.Sprintf(`{"step_execution_id": %q%s}`, f[0].history(t, w.ID)[0].ID, test.body)
				key, want := "", test.want
				if keyed {
					key, want = uuid.NewString(), map[string]int{"200": 1, "200 replayed": others}
				}
				if counts, _ := f.together(t, "/v1/workflows/"+w.ID+"/"+test.verb, body, key); fmt.Sprint(counts) != fmt.Sprint(want) {
					t.Errorf("%s: answered %v, want %v", name, counts, want)
				}
				if now := f[0].workflow(t, w.ID); test.state != "" && now.State != test.state {
					t.Errorf("%s: the workflow is %s, want %s", name, now.State, test.state)
				}
				got := f[0].history(t, w.ID)
				for i, e := range got {
					line := fmt.Sprintf("%s %s/%s %d", e.StepName, e.State, e.Outcome, e.Attempt)
					if i >= len(test.history) || !strings.HasPrefix(line, test.history[i]) {
						t.Errorf("%s: execution %d is %s, want %q", name, i+1, line, test.history)
					}
				}
				if len(got) != len(test.history) {
					t.Errorf("%s: %d executions, want %d", name, len(got), len(test.history))
				}
			}
		}
	})
}
