package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// A filter that is read and then forgotten would have a bulk call move what nobody asked it to. Each finds one of two
// workflows that differ in everything.
func TestEveryFilterIsTaken(t *testing.T) {
	t.Parallel()
	service := startService(t, settingsFor(t, testenv.SQLite(t), ""))
	for typ, step := range map[string]string{"Failing": `{"name": "first"}`, "Waiting": `{"name": "later", "wait": "PT1H"}`} {
		service.call(t, http.StatusCreated, "PUT", "/v1/definitions/"+typ,
			fmt.Sprintf(`{"webhook": {"url": "http://127.0.0.1:9/"}, "retry": {"max_attempts": 1}, "steps": [%s]}`, step), &struct{}{})
	}
	type created struct {
		ID        string    `json:"id"`
		CreatedAt time.Time `json:"created_at"`
		Current   struct {
			ID           string    `json:"id"`
			ScheduledFor time.Time `json:"scheduled_for"`
		} `json:"current_execution"`
	}
	var failing, waiting created
	service.call(t, http.StatusCreated, "POST", "/v1/workflows", `{"type": "Failing", "subject": {"type": "User", "id": "1"}}`, &failing)
	service.await(t, failing.ID, "paused", func(w workflow) bool { return w.State == "paused" })
	service.call(t, http.StatusCreated, "POST", "/v1/workflows", `{"type": "Waiting", "subject": {"type": "Order", "id": "2"}}`, &waiting)
	created2, due2 := waiting.CreatedAt.Format(time.RFC3339Nano), waiting.Current.ScheduledFor.Format(time.RFC3339Nano)

	for _, tc := range []struct {
		name, value string
		want        created
		array       bool
	}{
		{"type", "Failing", failing, true}, {"type", "Waiting", waiting, true},
		{"state", "paused", failing, true}, {"state", "ready", waiting, true},
		{"step_name", "first", failing, true}, {"step_name", "later", waiting, true},
		{"subject_type", "User", failing, true}, {"subject_type", "Order", waiting, true},
		{"subject_id", "1", failing, true}, {"subject_id", "2", waiting, true},
		{"outcome", "failed", failing, true},
		{"error_code", "connection", failing, true},
		{"created_before", created2, failing, false}, {"created_after", created2, waiting, false},
	} {
		var list struct{ Items []created }
		service.call(t, http.StatusOK, "GET", "/v1/workflows?"+url.Values{tc.name: {tc.value}}.Encode(), "", &list)
		if len(list.Items) != 1 || list.Items[0].ID != tc.want.ID {
			t.Errorf("%s=%s lists %+v, want %s", tc.name, tc.value, list.Items, tc.want.ID)
		}
		var value any = tc.value
		if tc.array {
			value = []string{tc.value}
		}
		body, err := json.Marshal(map[string]any{"verb": "cancel", "dry_run": true, "filter": map[string]any{tc.name: value}})
		if err != nil {
			t.Fatal(err)
		}
		var bulk struct{ Matched, Changed int }
		service.call(t, http.StatusOK, "POST", "/v1/workflows/bulk", string(body), &bulk)
		if bulk.Matched != 1 || bulk.Changed != 0 {
			t.Errorf("%s matches and changes %+v, want one and none", body, bulk)
		}
	}
	for _, tc := range []struct {
		name, value string
		want        created
	}{
		{"state", "failed", failing}, {"state", "scheduled", waiting},
		{"step_name", "first", failing}, {"step_name", "later", waiting},
		{"workflow_id", failing.ID, failing}, {"workflow_id", waiting.ID, waiting},
		{"due_before", due2, failing}, {"due_after", due2, waiting},
	} {
		var list struct{ Items []execution }
		service.call(t, http.StatusOK, "GET", "/v1/step-executions?"+url.Values{tc.name: {tc.value}}.Encode(), "", &list)
		if len(list.Items) != 1 || list.Items[0].ID != tc.want.Current.ID {
			t.Errorf("%s=%s lists %+v, want %s", tc.name, tc.value, list.Items, tc.want.Current.ID)
		}
	}

	var bulk struct{ Matched, Changed int }
	service.call(t, http.StatusOK, "POST", "/v1/workflows/bulk", `{"verb": "cancel", "filter": {"subject_id": ["1", "2"], "subject_type": ["User"]}, "reason": "gone"}`, &bulk)
	if bulk.Matched != 1 || bulk.Changed != 1 || service.workflow(t, failing.ID).State != "canceled" || service.workflow(t, waiting.ID).State != "ready" {
		t.Errorf("canceled %+v, want the failing one alone", bulk)
	}
}
