package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// TestABatchOverHTTP has some members wrong in ways of their own among 1,000; each is answered by itself.
func TestABatchOverHTTP(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, _, url string) {
		service := startService(t, settingsFor(t, url, ""))
		service.register(t, "http://127.0.0.1:9/", "P1D")
		kept := service.create(t)
		members := make([]string, 1000)
		for i := range members {
			members[i] = fmt.Sprintf(`{"type": "SignupWorkflow", "subject": {"type": "User", "id": "n%d"}, "data": {"i": %d}}`, i, i)
		}
		members[3] = `{"type": "SignupWorkflow", "subject": {"type": "User", "id": "42"}}`
		members[4] = `{"type": "SignupWorkflow", "subject": {"type": "User", "id": "42"}, "on_conflict": "return_existing"}`
		members[500] = `{"type": "Missing", "subject": {"type": "User", "id": "42"}}`
		members[501] = members[500-1]
		members[998] = `{"type": "SignupWorkflow", "subject": {"type": "User"}, "data": []}`
		body := `{"workflows": [` + strings.Join(members, ",") + `]}`
		want := map[int]string{3: "409 workflow_exists", 4: "200 ", 500: "404 definition_not_found", 501: "409 workflow_exists", 998: "422 invalid_request"}
		var answer struct {
			Items []struct {
				Status   int
				Workflow *workflow
				Problem  struct {
					Code   string
					Errors []struct{ Pointer string }
				}
			}
		}
		service.call(t, http.StatusOK, "POST", "/v1/workflows/batch", body, &answer)
		if len(answer.Items) != len(members) {
			t.Fatalf("%d items", len(answer.Items))
		}
		for i, item := range answer.Items {
			expected, special := want[i]
			if !special {
				expected = "201 "
			}
			if got := fmt.Sprintf("%d %s", item.Status, item.Problem.Code); got != expected {
				t.Errorf("member %d: %s, want %s", i, got, expected)
			}
			if item.Status == 201 && string(item.Workflow.Data) != fmt.Sprintf(`{"i":%d}`, i) {
				t.Errorf("member %d is %+v", i, item.Workflow)
			}
		}
		if existing := answer.Items[4].Workflow; existing == nil || existing.ID != kept.ID {
			t.Errorf("the existing one is %+v", existing)
		}
		if faults := answer.Items[998].Problem.Errors; len(faults) != 2 || faults[0].Pointer != "#/data" || faults[1].Pointer != "#/subject/id" {
			t.Errorf("the faults are %+v", faults)
		}
	})
}
