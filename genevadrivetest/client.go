package genevadrivetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// Subject is whom or what a workflow is about.
type Subject struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Workflow is a workflow as the API shows it, as far as tests look at it; Do reads the rest.
type Workflow struct {
	ID                string          `json:"id"`
	Type              string          `json:"type"`
	DefinitionVersion int             `json:"definition_version"`
	Subject           Subject         `json:"subject"`
	State             string          `json:"state"`
	CurrentStepName   string          `json:"current_step_name"`
	CurrentExecution  *Execution      `json:"current_execution"`
	Data              json.RawMessage `json:"data"`
	Pause             *Pause          `json:"pause"`
}

// Pause says who paused a workflow, and why.
type Pause struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// Execution is a step execution as the API shows it, as far as tests look at it.
type Execution struct {
	ID           string    `json:"id"`
	Seq          int       `json:"seq"`
	StepName     string    `json:"step_name"`
	State        string    `json:"state"`
	Outcome      string    `json:"outcome"`
	Attempt      int       `json:"attempt"`
	ScheduledFor time.Time `json:"scheduled_for"`
	Reason       string    `json:"reason"`
	Error        *Error    `json:"error"`
}

// Error is what went wrong with a step.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Status  int    `json:"status"`
}

// Explanation says why a workflow stands where it stands.
type Explanation struct {
	State   string `json:"state"`
	Code    string `json:"code"`
	Summary string `json:"summary"`
}

// Register registers a definition, in YAML or JSON.
func (s *Server) Register(definition string) {
	s.t.Helper()
	var named struct {
		Type string `yaml:"type"`
	}
	if err := yaml.Unmarshal([]byte(definition), &named); err != nil || named.Type == "" {
		s.t.Fatalf("genevadrivetest: a definition with a type is needed (%v):\n%s", err, definition)
	}
	status, body := s.request("PUT", "/v1/definitions/"+url.PathEscape(named.Type), "application/yaml", []byte(definition))
	s.decode("PUT definition", status, body, nil)
}

// PushSubject sets the attributes that conditions see as subject.*; attributes is anything that makes a JSON
// object.
func (s *Server) PushSubject(subject Subject, attributes any) {
	s.t.Helper()
	query := url.Values{"type": {subject.Type}, "id": {subject.ID}}
	s.must("PUT", "/v1/subjects?"+query.Encode(), map[string]any{"attributes": attributes}, nil)
}

// Create makes a workflow; data is nil or anything that makes a JSON object.
func (s *Server) Create(typ string, subject Subject, data any) Workflow {
	s.t.Helper()
	body := map[string]any{"type": typ, "subject": subject}
	if data != nil {
		body["data"] = data
	}
	var w Workflow
	s.must("POST", "/v1/workflows", body, &w)
	return w
}

// Workflow gives a workflow as it is now.
func (s *Server) Workflow(id string) Workflow {
	s.t.Helper()
	var w Workflow
	s.must("GET", "/v1/workflows/"+id, nil, &w)
	return w
}

// Control performs a verb: pause, resume, skip, reattempt, cancel or finish.
func (s *Server) Control(id, verb string) Workflow {
	s.t.Helper()
	var w Workflow
	s.must("POST", "/v1/workflows/"+id+"/"+verb, struct{}{}, &w)
	return w
}

// Explain says why a workflow stands where it stands.
func (s *Server) Explain(id string) Explanation {
	s.t.Helper()
	var x Explanation
	s.must("GET", "/v1/workflows/"+id+"/explain", nil, &x)
	return x
}

// Answers are what stands in for the receivers of the steps they name: for each attempt one JSON object as a
// receiver would answer it, the last one again and again.
type Answers map[string][]string

// Option alters a speedrun.
type Option func(request map[string]any)

// MaxSteps stops a speedrun after so many attempts.
func MaxSteps(n int) Option { return func(request map[string]any) { request["max_steps"] = n } }

// Run is what a speedrun led to.
type Run struct {
	Workflow   Workflow    `json:"workflow"`
	Executions []Execution `json:"step_executions"` // the whole history
	StoppedBy  string      `json:"stopped_by"`      // finished, canceled, paused, max_steps or time_limit
}

// Speedrun performs the steps that are left of a workflow now. Steps without answers are delivered.
func (s *Server) Speedrun(id string, answers Answers, options ...Option) Run {
	s.t.Helper()
	request := map[string]any{}
	if len(answers) > 0 {
		raw := map[string][]json.RawMessage{}
		for step, list := range answers {
			for _, answer := range list {
				if !json.Valid([]byte(answer)) {
					s.t.Fatalf("genevadrivetest: an answer of %s is not JSON: %s", step, answer)
				}
				raw[step] = append(raw[step], json.RawMessage(answer))
			}
		}
		request["answers"] = raw
	}
	for _, option := range options {
		option(request)
	}
	var run Run
	s.must("POST", "/v1/workflows/"+id+"/speedrun", request, &run)
	return run
}

// History writes each step execution as "step state/outcome", oldest first; the outcome of an open one is empty.
func (r Run) History() []string {
	lines := make([]string, len(r.Executions))
	for i, x := range r.Executions {
		lines[i] = fmt.Sprintf("%s %s/%s", x.StepName, x.State, x.Outcome)
	}
	return lines
}

// Expect reports a run that did not stop like that, or has another history.
func (r Run) Expect(t testing.TB, stoppedBy string, history ...string) {
	t.Helper()
	if r.StoppedBy != stoppedBy || !slices.Equal(r.History(), history) {
		t.Errorf("the workflow stopped by %s with the history\n\t%s\nwant %s with\n\t%s", r.StoppedBy, strings.Join(r.History(), "\n\t"),
			stoppedBy, strings.Join(history, "\n\t"))
	}
}

// Do sends any request of the API, with body as JSON unless it is nil, and gives the status and the body of
// the response.
func (s *Server) Do(method, path string, body any) (int, []byte) {
	s.t.Helper()
	if body == nil {
		return s.request(method, path, "", nil)
	}
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatalf("genevadrivetest: %s %s: %v", method, path, err)
	}
	return s.request(method, path, "application/json", text)
}

func (s *Server) must(method, path string, body, into any) {
	s.t.Helper()
	status, answer := s.Do(method, path, body)
	s.decode(method+" "+path, status, answer, into)
}

func (s *Server) decode(what string, status int, body []byte, into any) {
	s.t.Helper()
	if status/100 != 2 {
		s.t.Fatalf("genevadrivetest: %s: %d %s", what, status, body)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(body, into); err != nil {
		s.t.Fatalf("genevadrivetest: %s: %v in %s", what, err, body)
	}
}

func (s *Server) request(method, path, contentType string, body []byte) (int, []byte) {
	s.t.Helper()
	request, err := http.NewRequest(method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatalf("genevadrivetest: %v", err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatalf("genevadrivetest: %v", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("genevadrivetest: %s %s: %v", method, path, err)
	}
	return response.StatusCode, answer
}
