package app_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/app"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// eachSystem runs a test on every database with every doorbell that is a supported pair.
func eachSystem(t *testing.T, test func(t *testing.T, s app.Settings)) {
	testenv.Each(t, func(t *testing.T, name, url string) {
		t.Parallel()
		if name != "mysql" {
			t.Run("embedded", func(t *testing.T) { test(t, settingsFor(t, url, "")) })
			if name == "sqlite" {
				url = testenv.SQLite(t)
			} else {
				url = testenv.Postgres(t)
			}
		}
		t.Run("redis", func(t *testing.T) { test(t, settingsFor(t, url, testenv.Redis(t))) })
	})
}

func TestAWorkflowRunsFromStartToEnd(t *testing.T) {
	t.Parallel()
	eachSystem(t, func(t *testing.T, s app.Settings) {
		r := newReceiver(t, func(d delivery) string {
			if d.step == "step2" {
				return `{"action": "complete", "data": {"reminded": true}}`
			}
			return `{}`
		})
		service := startService(t, s)
		service.register(t, r.url, "PT0S", "PT1S", "PT0S")
		w := service.create(t)
		service.awaitFinished(t, w.ID)
		r.want(t, "step1", "step2", "step3")
		service.wantHistory(t, w.ID, "step1 completed/completed 1", "step2 completed/completed 1", "step3 completed/completed 1")
		if got := string(service.workflow(t, w.ID).Data); got != `{"reminded":true}` {
			t.Errorf("the workflow's data is %s", got)
		}
	})
}

// TestAttemptsAreInTheSingleReadAlone reads a step execution of which no attempt was made.
func TestAttemptsAreInTheSingleReadAlone(t *testing.T) {
	t.Parallel()
	s := startService(t, settingsFor(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"), ""))
	s.register(t, "http://127.0.0.1:9/", "P1D")
	id := s.history(t, s.create(t).ID)[0].ID
	var single map[string]json.RawMessage
	s.call(t, http.StatusOK, "GET", "/v1/step-executions/"+id, "", &single)
	if string(single["attempts"]) != "[]" {
		t.Errorf("the single read has attempts %q, want []", single["attempts"])
	}
	var list struct{ Items []map[string]json.RawMessage }
	s.call(t, http.StatusOK, "GET", "/v1/step-executions", "", &list)
	if attempts, there := list.Items[0]["attempts"]; there {
		t.Errorf("the list has attempts %s", attempts)
	}
}

func TestWithKeysOnlyTheyOpenTheAPI(t *testing.T) {
	t.Parallel()
	s := settingsFor(t, testenv.SQLite(t), "")
	s.APIKeys, s.OpsAddr = "app:"+apiKey, "127.0.0.1:0"
	service := startService(t, s)
	for _, test := range []struct {
		path, key string
		want      int
	}{
		{"/v1/workflows", "", http.StatusUnauthorized},
		{"/v1/workflows", "fedcba9876543210", http.StatusUnauthorized},
		{"/v1/workflows", apiKey, http.StatusOK},
		{"/metrics", "", http.StatusUnauthorized},
		{"/metrics", apiKey, http.StatusOK},
		{"/healthz", "", http.StatusOK},
		{"/readyz", "", http.StatusOK},
		{"/debug/pprof/", apiKey, http.StatusNotFound},
	} {
		if status, body := (client{service.base, test.key}).do(t, "GET", test.path, ""); status != test.want {
			t.Errorf("GET %s with the key %q answers %d, want %d: %s", test.path, test.key, status, test.want, body)
		}
	}
	ops := client{base: "http://" + service.app.OpsAddr()}
	if status, body := ops.do(t, "GET", "/metrics", ""); status != http.StatusOK || !strings.Contains(body, `genevadrive_build_info{`) ||
		!strings.Contains(body, `genevadrive_ready_steps{queue="default"} 0`) {
		t.Errorf("the ops address answers /metrics with %d: %s", status, body)
	}
	if status, _ := ops.do(t, "GET", "/debug/pprof/cmdline", ""); status != http.StatusOK {
		t.Errorf("the ops address answers pprof with %d", status)
	}
	if status, _ := ops.do(t, "GET", "/v1/workflows", ""); status != http.StatusNotFound {
		t.Errorf("the ops address answers the API with %d", status)
	}
}

func TestAWorkerServesProbesButNotTheAPI(t *testing.T) {
	t.Parallel()
	s := settingsFor(t, testenv.Postgres(t), testenv.Redis(t))
	s.Role = "worker"
	service := startService(t, s)
	if status, body := service.do(t, "GET", "/v1/workflows", ""); status != http.StatusNotFound || !strings.Contains(body, "role worker") {
		t.Errorf("a worker answers the API with %d %s", status, body)
	}
	resp, err := http.Get(service.base + "/v1/workflows")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("X-Request-Id") == "" {
		t.Error("it has no id")
	}
	if status, _ := service.do(t, "GET", "/readyz", ""); status != http.StatusOK {
		t.Errorf("a worker answers /readyz with %d", status)
	}
}

func TestRolesShareTheWork(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	s := settingsFor(t, testenv.Postgres(t), testenv.Redis(t))
	worker, front := s, s
	worker.Role, front.Role = "worker", "api"
	startService(t, worker)
	service := startService(t, front)
	service.register(t, r.url, "PT0S", "PT2S")
	w := service.create(t)
	service.awaitFinished(t, w.ID)
	r.want(t, "step1", "step2")
}

func TestStartsThatAreRefused(t *testing.T) {
	t.Parallel()
	t.Run("a second process on one SQLite file", func(t *testing.T) {
		s := settingsFor(t, testenv.SQLite(t), "")
		startService(t, s)
		wantRefused(t, s, "in use by this process")
	})
	t.Run("an old schema", func(t *testing.T) {
		wantRefused(t, app.Settings{Addr: "127.0.0.1:0", DatabaseURL: testenv.Postgres(t), WebhookSecrets: secret}, "genevadrive migrate up")
	})
	t.Run("an address that is taken", func(t *testing.T) {
		first := startService(t, settingsFor(t, testenv.SQLite(t), ""))
		s := settingsFor(t, testenv.SQLite(t), "")
		s.Addr = first.app.Addr()
		wantRefused(t, s, "GENEVADRIVE_ADDR")
	})
	t.Run("a definition that is not valid", func(t *testing.T) {
		s := settingsFor(t, testenv.SQLite(t), "")
		s.DefinitionsDir = t.TempDir()
		writeFile(t, filepath.Join(s.DefinitionsDir, "bad.yaml"), "type: Bad\nqueue: fast\nsteps:\n  - name: 1a\n    wait: soon\n")
		for _, place := range []string{"#/queue", "#/steps/0/name", "#/steps/0/wait"} {
			wantRefused(t, s, "\n"+filepath.Join(s.DefinitionsDir, "bad.yaml")+": "+place+": ")
		}
	})
}

func wantRefused(t *testing.T, s app.Settings, says string) {
	t.Helper()
	a, err := newApp(t, s)
	if err == nil {
		_ = a.Close()
	}
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("New gives %v, want an error with %q", err, says)
	}
}

func TestDefinitionsOfADirectoryAreRegisteredAtStart(t *testing.T) {
	t.Parallel()
	s := settingsFor(t, testenv.SQLite(t), "")
	s.DefinitionsDir = t.TempDir()
	writeFile(t, filepath.Join(s.DefinitionsDir, "signup.yaml"), "type: SignupWorkflow\nwebhook: {url: \"http://127.0.0.1:9/\"}\nsteps: [{name: one}]\n")
	writeFile(t, filepath.Join(s.DefinitionsDir, "notes.txt"), "not a definition")
	// A child whose file comes before its parent's, and that before its own.
	writeFile(t, filepath.Join(s.DefinitionsDir, "a.yaml"), "type: Child\nextends: Parent\nsteps: [{name: one}]\n")
	writeFile(t, filepath.Join(s.DefinitionsDir, "b.json"), `{"type": "Parent", "extends": "Base", "queue": "low", "steps": []}`)
	writeFile(t, filepath.Join(s.DefinitionsDir, "c.yml"), "type: Base\nwebhook: {url: \"http://127.0.0.1:9/\"}\nsteps: []\n")
	for range 2 { // the second start changes nothing
		service := startService(t, s)
		for _, typ := range []string{"SignupWorkflow", "Child", "Parent"} {
			var d struct{ Version int }
			service.call(t, http.StatusOK, "GET", "/v1/definitions/"+typ, "", &d)
			if d.Version != 1 {
				t.Errorf("the version of %s is %d, want 1", typ, d.Version)
			}
		}
		service.stop(t)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
