package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// shownWorkflow is what these tests look at of a workflow.
type shownWorkflow struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	Pause     *struct{ Reason string }
	Current   *struct {
		ID           string    `json:"id"`
		StepName     string    `json:"step_name"`
		ScheduledFor time.Time `json:"scheduled_for"`
	} `json:"current_execution"`
}

// keyed is exchange outside of the contract's check.
func (c client) keyed(t *testing.T, key, method, path, body string) (int, http.Header, string) {
	t.Helper()
	return c.exchange(t, http.DefaultClient, key, method, path, body)
}

// startWaiting is a service with a definition whose steps all wait for a day, and two API keys.
func startWaiting(t *testing.T) *service {
	t.Helper()
	s := settingsFor(t, testenv.SQLite(t), "")
	s.APIKeys = "one:" + apiKey + ",two:" + apiKey + "2"
	service := startService(t, s)
	service.key = apiKey
	service.register(t, "http://127.0.0.1:9/", "P1D", "P1D", "P1D")
	return service
}

func createOf(subject, more string) string {
	return fmt.Sprintf(`{"type": "SignupWorkflow", "subject": {"type": "User", "id": %q}%s}`, subject, more)
}

func TestIdempotencyKeysOverHTTP(t *testing.T) {
	t.Parallel()
	service := startWaiting(t)
	other := service.client
	other.key = apiKey + "2"
	ids := map[string]string{} // of the workflows, by subject
	for _, tc := range []struct {
		name         string
		as           client
		key, subject string
		more         string
		status       int
		replayed     bool
		code         string
	}{
		{name: "the first request", as: service.client, key: "k", subject: "1", status: 201},
		{name: "the same again", as: service.client, key: "k", subject: "1", status: 201, replayed: true},
		{name: "quoted", as: service.client, key: `"k"`, subject: "1", status: 201, replayed: true},
		{name: "another request under the key", as: service.client, key: "k", subject: "2", status: 422, code: "idempotency_key_reused"},
		{name: "another key", as: service.client, key: "l", subject: "2", status: 201},
		{name: "the key of another client", as: other, key: "k", subject: "3", status: 201},
		{name: "no key", as: service.client, subject: "1", status: 409, code: "workflow_exists"},
		{name: "what exists", as: service.client, key: "m", subject: "1", more: `, "on_conflict": "return_existing"`, status: 200},
		{name: "what exists, again", as: service.client, key: "m", subject: "1", more: `, "on_conflict": "return_existing"`, status: 200, replayed: true},
	} {
		status, header, body := tc.as.keyed(t, tc.key, "POST", "/v1/workflows", createOf(tc.subject, tc.more))
		var got struct{ ID, Code string }
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if status != tc.status || got.Code != tc.code || (header.Get("Idempotent-Replayed") == "true") != tc.replayed {
			t.Errorf("%s: %d %s, replayed %q", tc.name, status, body, header.Get("Idempotent-Replayed"))
		}
		if tc.code != "" {
			continue
		}
		if known, ok := ids[tc.subject]; got.ID == "" || (ok && known != got.ID) {
			t.Errorf("%s: the workflow is %s, and was %s", tc.name, got.ID, known)
		}
		ids[tc.subject] = got.ID
		if at := header.Get("Location"); status == 201 && at != "/v1/workflows/"+got.ID {
			t.Errorf("%s: it stands at %q", tc.name, at)
		}
	}
	for _, again := range []bool{false, true} { // the key of the create is another one for each verb
		for _, verb := range []string{"pause", "skip"} {
			status, header, body := service.keyed(t, "k", "POST", "/v1/workflows/"+ids["1"]+"/"+verb, `{}`)
			if status != 200 || (header.Get("Idempotent-Replayed") == "true") != again || !strings.Contains(body, `"current_step_name":"step`) {
				t.Errorf("%s: %d %s, replayed %q", verb, status, body, header.Get("Idempotent-Replayed"))
			}
		}
	}
	service.wantHistory(t, ids["1"], "step1 skipped/skipped 0", "step2 scheduled/ 0")
}

func TestWhatVerbsAreToldOverHTTP(t *testing.T) {
	t.Parallel()
	service := startWaiting(t)
	at := time.Now().UTC().Add(48 * time.Hour).Truncate(time.Second)
	for i, tc := range []struct {
		name, verb, body string
		paused           bool // before
		state, step      string
		due              func(created time.Time) time.Time // nil: as it was
		reason           string
	}{
		{name: "a reattempt after a wait", verb: "reattempt", body: `{"wait": "PT30M"}`, state: "ready", step: "step1", due: func(created time.Time) time.Time { return created.Add(30 * time.Minute) }},
		{name: "a reattempt at a time", verb: "reattempt", body: fmt.Sprintf(`{"at": %q}`, at.Format(time.RFC3339)), state: "ready", step: "step1", due: func(time.Time) time.Time { return at }},
		{name: "a skip", verb: "skip", body: `{"reason": "known"}`, state: "ready", step: "step2", reason: "known"},
		{name: "a resume", verb: "resume", body: `{}`, paused: true, state: "ready", step: "step1"},
		{name: "a pause with a reason", verb: "pause", body: `{"reason": "on holiday"}`, state: "paused", step: "step1", reason: "on holiday"},
		{name: "a cancel", verb: "cancel", body: `{"reason": "gone"}`, state: "canceled", reason: "gone"},
		{name: "a finish", verb: "finish", body: `{"reason": "enough"}`, state: "finished", reason: "enough"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var w shownWorkflow
			service.call(t, http.StatusCreated, "POST", "/v1/workflows", createOf(fmt.Sprint(i), ""), &w)
			if tc.paused {
				service.call(t, http.StatusOK, "POST", "/v1/workflows/"+w.ID+"/pause", `{}`, &struct{}{})
			}
			path := "/v1/workflows/" + w.ID + "/" + tc.verb
			stale := strings.TrimSuffix(tc.body, "}") + `, "step_execution_id": "` + w.ID + `"}`
			if status, body := service.checked(t, "POST", path, strings.Replace(stale, "{,", "{", 1)); status != http.StatusConflict || !strings.Contains(body, "stale_execution") {
				t.Errorf("about another step execution: %d %s", status, body)
			}
			var got shownWorkflow
			service.call(t, http.StatusOK, "POST", path, tc.body, &got)
			if got.State != tc.state || (got.Current != nil) != (tc.step != "") {
				t.Fatalf("it is %+v", got)
			}
			if got.Current != nil {
				if got.Current.StepName != tc.step {
					t.Errorf("it stands at %s, want %s", got.Current.StepName, tc.step)
				}
				if tc.due != nil {
					if got.Current.ScheduledFor.Before(tc.due(w.CreatedAt)) {
						t.Errorf("it is due at %s, want %s", got.Current.ScheduledFor, tc.due(w.CreatedAt))
					}
				}
			}
			told := service.history(t, w.ID)[0].Reason
			if got.Pause != nil {
				told = got.Pause.Reason
			}
			if told != tc.reason {
				t.Errorf("the reason is %q, want %q", told, tc.reason)
			}
		})
	}
	var w, got shownWorkflow
	service.call(t, http.StatusCreated, "POST", "/v1/workflows", createOf("elsewhere", `, "wait": "PT1H"`), &w)
	if wait := w.Current.ScheduledFor.Sub(w.CreatedAt); wait != time.Hour {
		t.Errorf("the first step waits %s, want an hour", wait)
	}
	service.call(t, http.StatusOK, "POST", "/v1/workflows/"+w.ID+"/pause", `{}`, &got)
	service.call(t, http.StatusUnprocessableEntity, "POST", "/v1/workflows/"+w.ID+"/resume", `{"step": "nowhere"}`, &struct{}{})
	service.call(t, http.StatusOK, "POST", "/v1/workflows/"+w.ID+"/resume", `{"step": "step3"}`, &got)
	if got.State != "ready" || got.Current.StepName != "step3" {
		t.Errorf("resumed elsewhere, it is %+v", got)
	}
	service.call(t, http.StatusCreated, "POST", "/v1/workflows", createOf("at a time", fmt.Sprintf(`, "at": %q`, at.Format(time.RFC3339))), &got)
	if !got.Current.ScheduledFor.Equal(at) {
		t.Errorf("the first step is due at %s, want %s", got.Current.ScheduledFor, at)
	}
}

// Every list is given in pages, which together are all of it, each item once.
func TestListsInPages(t *testing.T) {
	t.Parallel()
	service := startWaiting(t)
	var w shownWorkflow
	for i := range 3 {
		service.call(t, http.StatusCreated, "POST", "/v1/workflows", createOf(fmt.Sprint(i), ""), &w)
		service.call(t, http.StatusCreated, "PUT", "/v1/definitions/Versions", fmt.Sprintf(`{"steps": [], "priority": %d}`, i), &struct{}{})
		for path, tc := range map[string]struct{ body, location string }{
			fmt.Sprintf("/v1/endpoints/app%d", i):     {`{"url": "https://a.example"}`, ""},
			fmt.Sprintf("/v1/definitions/Other%d", i): {`{"steps": []}`, "?version=1"},
		} {
			status, header, body := service.keyed(t, "", "PUT", path, tc.body)
			if status != http.StatusCreated || header.Get("Location") != path+tc.location {
				t.Fatalf("%d %s at %q", status, body, header.Get("Location"))
			}
		}
	}
	for range 2 {
		service.call(t, http.StatusOK, "POST", "/v1/workflows/"+w.ID+"/skip", `{}`, &struct{}{})
	}
	for path, items := range map[string]int{
		"/v1/workflows": 3, "/v1/step-executions": 5, "/v1/workflows/" + w.ID + "/step-executions": 3,
		"/v1/definitions": 5, "/v1/definitions/Versions/versions": 3, "/v1/endpoints": 3,
	} {
		var all, seen []string
		cursor := ""
		for range items {
			var page struct {
				Items []json.RawMessage
				Next  *string `json:"next_cursor"`
			}
			service.call(t, http.StatusOK, "GET", path+"?limit=1"+cursor, "", &page)
			if len(page.Items) != 1 || (page.Next == nil) != (len(seen) == items-1) {
				t.Fatalf("%s: page %d has %d items, and another one after it: %t", path, len(seen), len(page.Items), page.Next != nil)
			}
			seen = append(seen, string(page.Items[0]))
			if page.Next != nil {
				cursor = "&cursor=" + *page.Next
			}
		}
		var list struct{ Items []json.RawMessage }
		service.call(t, http.StatusOK, "GET", path, "", &list)
		for _, item := range list.Items {
			all = append(all, string(item))
		}
		if !slices.Equal(seen, all) {
			t.Errorf("%s: the pages are\n%s\nand all of it\n%s", path, strings.Join(seen, "\n"), strings.Join(all, "\n"))
		}
	}
}
