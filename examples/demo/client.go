package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client calls the service's API.
type client struct{ base string }

type workflow struct {
	ID        string
	State     string
	CreatedAt time.Time `json:"created_at"`
}

type execution struct {
	ID           string
	StepName     string `json:"step_name"`
	State        string
	Outcome      string
	Reason       string
	ScheduledFor time.Time  `json:"scheduled_for"`
	StartedAt    *time.Time `json:"started_at"`
	CompletedAt  *time.Time `json:"completed_at"`
	SkippedAt    *time.Time `json:"skipped_at"`
	CanceledAt   *time.Time `json:"canceled_at"`
	FailedAt     *time.Time `json:"failed_at"`
	Error        *struct{ Code, Message string }
}

// call sends a request and reads the answer into out. Anything but 2xx is an error with what the service said.
func (c client) call(ctx context.Context, method, path, contentType, body string, out any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	if body != "" {
		req.Header.Set("content-type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return 0, cause
		}
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, fmt.Errorf("%s %s answered %s: %s", method, path, resp.Status, text)
	}
	return resp.StatusCode, json.Unmarshal(text, out)
}

// told is call for what the demo's reader should see.
func (c client) told(ctx context.Context, method, path, contentType, body, note string, out any) error {
	status, err := c.call(ctx, method, path, contentType, body, out)
	if err == nil {
		fmt.Printf("  %-4s %s  → %d%s\n", method, path, status, note)
	}
	return err
}

const definitionURL = "http://127.0.0.1:9000"

//go:embed definition.yaml
var definition string

// register puts the definition, with the receiver's address in it.
func (c client) register(ctx context.Context, receiver string) error {
	return c.told(ctx, "PUT", "/v1/definitions/DemoWorkflow", "application/yaml",
		strings.ReplaceAll(definition, definitionURL, receiver), "  (examples/demo/definition.yaml)", &struct{}{})
}

// push sets the attributes of a user, which the conditions see.
func (c client) push(ctx context.Context, user, attributes string) error {
	return c.told(ctx, "PUT", "/v1/subjects?type=User&id="+user, "application/json",
		`{"attributes": `+attributes+`}`, "  "+attributes, &struct{}{})
}

// create starts a workflow for a user. The receiver takes its answers from the data.
func (c client) create(ctx context.Context, user, data string) (id string, err error) {
	body := `{"type": "DemoWorkflow", "subject": {"type": "User", "id": "` + user + `"}, "data": ` + data + `}`
	var w workflow
	err = c.told(ctx, "POST", "/v1/workflows", "application/json", body, "  for User "+user, &w)
	return w.ID, err
}

func (c client) workflow(ctx context.Context, id string) (w workflow, err error) {
	_, err = c.call(ctx, "GET", "/v1/workflows/"+id, "", "", &w)
	return w, err
}

func (c client) history(ctx context.Context, id string) ([]execution, error) {
	var page struct{ Items []execution }
	_, err := c.call(ctx, "GET", "/v1/workflows/"+id+"/step-executions", "", "", &page)
	return page.Items, err
}
