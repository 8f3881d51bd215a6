//go:build server

// These tests need a running server: make test PKG=./sdk/ starts one and runs them.
package genevadrive_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	genevadrive "github.com/genevadrive/genevadrive/sdk/go"
)

const patience = time.Minute

// connect gives a client of the server that the environment names.
func connect(t *testing.T) *genevadrive.ClientWithResponses {
	t.Helper()
	client, err := genevadrive.New(os.Getenv("GENEVADRIVE_URL"), os.Getenv("GENEVADRIVE_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// register puts a definition of one step, which waits or is due at once.
func register(t *testing.T, client *genevadrive.ClientWithResponses, name, url, wait string) {
	t.Helper()
	put, err := client.PutDefinitionWithResponse(t.Context(), name, genevadrive.Definition{
		Webhook:     &genevadrive.Webhook{URL: &url},
		OnException: map[string]any{"action": "reattempt", "max_reattempts": 3},
		Steps:       []genevadrive.DefinitionStep{{Name: genevadrive.Ptr("send_welcome"), Wait: &wait, Params: []byte(`{"template":"w1"}`), SkipIf: false}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if put.JSON201 == nil || put.JSON201.Version != 1 || put.JSON201.Steps[0].Name != "send_welcome" {
		t.Fatalf("registered: %s", put.Body)
	}
}

func create(t *testing.T, client *genevadrive.ClientWithResponses, name, subject string) genevadrive.Workflow {
	t.Helper()
	created, err := client.CreateWorkflowWithResponse(t.Context(), nil, genevadrive.CreateWorkflow{
		Type: name, Subject: genevadrive.SubjectInput{Type: "User", ID: subject}, Data: []byte(`{"plan":"pro"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if created.JSON201 == nil || created.Headers201.Location == nil || !strings.HasSuffix(*created.Headers201.Location, created.JSON201.ID.String()) {
		t.Fatalf("created: %s", created.Body)
	}
	return *created.JSON201
}

func TestListWithCursor(t *testing.T) {
	client := connect(t)
	register(t, client, "GoList", "http://127.0.0.1:9/", "P1D")
	want := map[uuid.UUID]bool{}
	for _, subject := range []string{"1", "2", "3"} {
		want[create(t, client, "GoList", subject).ID] = true
	}
	params := genevadrive.ListWorkflowsParams{
		Type: []string{"GoList"}, State: []genevadrive.WorkflowState{genevadrive.WorkflowStateReady, genevadrive.WorkflowStatePaused}, Limit: genevadrive.Ptr(2),
	}
	var pages []int
	for {
		page, err := client.ListWorkflowsWithResponse(t.Context(), &params)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range page.JSON200.Items {
			if !want[w.ID] || string(w.Data) != `{"plan":"pro"}` {
				t.Errorf("unexpected: %+v", w)
			}
			delete(want, w.ID)
		}
		pages = append(pages, len(page.JSON200.Items))
		if page.JSON200.NextCursor == nil {
			break
		}
		params.Cursor = page.JSON200.NextCursor
	}
	if len(want) > 0 || len(pages) != 2 {
		t.Errorf("not listed: %v; pages of %v", want, pages)
	}
}

func TestControl(t *testing.T) {
	client := connect(t)
	register(t, client, "GoControl", "http://127.0.0.1:9/", "P1D")
	w := create(t, client, "GoControl", "42")
	for range 2 {
		paused, err := client.PauseWorkflowWithResponse(t.Context(), w.ID,
			&genevadrive.PauseWorkflowParams{IdempotencyKey: genevadrive.Ptr("pause-42")},
			genevadrive.ControlWorkflow{Reason: genevadrive.Ptr("on holiday"), StepExecutionID: &w.CurrentExecution.ID})
		if err != nil {
			t.Fatal(err)
		}
		if got := paused.JSON200; got.State != "paused" || got.Pause == nil || *got.Pause.Reason != "on holiday" || got.PausedAt == nil || got.FinishedAt != nil {
			t.Errorf("paused: %s", paused.Body)
		}
	}
	patched, err := client.PatchWorkflowDataWithResponse(t.Context(), w.ID, []byte(`{"plan":null,"price":12.50}`))
	if err != nil {
		t.Fatal(err)
	}
	if string(patched.JSON200.Data) != `{"price":12.50}` {
		t.Errorf("patched: %s", patched.Body)
	}
}

func TestProblems(t *testing.T) {
	client := connect(t)
	register(t, client, "GoProblems", "http://127.0.0.1:9/", "P1D")
	w := create(t, client, "GoProblems", "42")
	create := func(subject string) error {
		_, err := client.CreateWorkflowWithResponse(t.Context(), nil, genevadrive.CreateWorkflow{
			Type: "GoProblems", Subject: genevadrive.SubjectInput{Type: "User", ID: subject},
		})
		return err
	}

	exists := problem(t, create("42"), http.StatusConflict, "workflow_exists")
	if exists.WorkflowID == nil || *exists.WorkflowID != w.ID {
		t.Errorf("workflow_exists names %v, want %s", exists.WorkflowID, w.ID)
	}
	invalid := problem(t, create(""), http.StatusUnprocessableEntity, "invalid_request")
	if len(invalid.Errors) != 1 || invalid.Errors[0].Pointer == nil || *invalid.Errors[0].Pointer != "#/subject/id" || !strings.Contains(invalid.Error(), "#/subject/id") {
		t.Errorf("the faults are %+v, as text %s", invalid.Errors, invalid)
	}
	_, err := client.GetWorkflowWithResponse(t.Context(), uuid.New())
	problem(t, err, http.StatusNotFound, "workflow_not_found")
	_, err = client.GetWorkflowWithResponse(t.Context(), w.ID, genevadrive.Bearer("not a key of this server"))
	problem(t, err, http.StatusUnauthorized, "unauthorized")
}

func problem(t *testing.T, err error, status int, code string) *genevadrive.Problem {
	t.Helper()
	var p *genevadrive.Problem
	if !errors.As(err, &p) || p.Status != status || p.Code != code {
		t.Fatalf("the error is %v, want %d %s", err, status, code)
	}
	return p
}

func TestDelivery(t *testing.T) {
	deliveries := make(chan genevadrive.StepDelivery, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var d genevadrive.StepDelivery
		if err := json.Unmarshal(body, &d); err != nil {
			t.Errorf("%v in %s", err, body)
		}
		if r.Header.Get("webhook-id") != d.Data.StepExecution.ID.String() {
			t.Errorf("webhook-id %s, body %s", r.Header.Get("webhook-id"), body)
		}
		_ = json.NewEncoder(w).Encode(genevadrive.Answer{
			Action: genevadrive.Ptr(genevadrive.AnswerActionFinish), Reason: genevadrive.Ptr("seen"), Data: []byte(`{"welcomed":true}`),
		})
		deliveries <- d
	}))
	defer receiver.Close()
	client := connect(t)
	register(t, client, "GoDelivery", receiver.URL, "PT0S")
	w := create(t, client, "GoDelivery", "42")

	select {
	case d := <-deliveries:
		step, of := d.Data.StepExecution, d.Data.Workflow
		if d.Type != "step.perform" || step.StepName != "send_welcome" || step.Attempt != 1 || string(step.Params) != `{"template":"w1"}` || step.PreviousError != nil {
			t.Errorf("the step is %+v", step)
		}
		if of.ID != w.ID || of.Subject != (genevadrive.Subject{Type: "User", ID: "42"}) || string(of.Data) != `{"plan":"pro"}` {
			t.Errorf("the workflow is %+v", of)
		}
	case <-time.After(patience):
		t.Fatal("nothing is delivered")
	}
	if end := await(t, client, w.ID, "finished"); string(end.Data) != `{"plan":"pro","welcomed":true}` {
		t.Errorf("the data at the end is %s", end.Data)
	}
	history, err := client.ListWorkflowStepExecutionsWithResponse(t.Context(), w.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if items := history.JSON200.Items; len(items) != 1 || items[0].Outcome == nil || *items[0].Outcome != "finished" || *items[0].Reason != "seen" {
		t.Errorf("the history is %s", history.Body)
	}
}

func TestLateAnswer(t *testing.T) {
	callbacks := make(chan genevadrive.StepDelivery, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var d genevadrive.StepDelivery
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		callbacks <- d
	}))
	defer receiver.Close()
	client := connect(t)
	_, err := client.PutEndpointWithResponse(t.Context(), "go", genevadrive.PutEndpoint{URL: receiver.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.PutDefinitionWithResponse(t.Context(), "GoLate", genevadrive.Definition{
		Webhook: &genevadrive.Webhook{Endpoint: genevadrive.Ptr("go")}, CallbackTimeout: genevadrive.Ptr("PT1H"), Steps: []genevadrive.DefinitionStep{{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := create(t, client, "GoLate", "42")
	select {
	case d := <-callbacks:
		if d.Data.Callback == nil {
			t.Fatalf("the delivery has no callback: %+v", d)
		}
		_, err := client.CompleteStepExecutionWithResponse(t.Context(), d.Data.StepExecution.ID, genevadrive.Answer{}, genevadrive.Bearer(d.Data.Callback.Token))
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("nothing is delivered")
	}
	await(t, client, w.ID, "finished")
	_, err = client.DeleteEndpointWithResponse(t.Context(), "go")
	problem(t, err, http.StatusConflict, "endpoint_in_use")
}

// await polls a workflow until it is in the state.
func await(t *testing.T, client *genevadrive.ClientWithResponses, id uuid.UUID, state string) *genevadrive.Workflow {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		got, err := client.GetWorkflowWithResponse(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got.JSON200.State == state {
			return got.JSON200
		}
		if time.Now().After(deadline) {
			t.Fatalf("the workflow is %s, want %s", got.JSON200.State, state)
		}
	}
}
