package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
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
	ScheduledFor time.Time  `json:"scheduled_for"`
	StartedAt    *time.Time `json:"started_at"`
	CompletedAt  *time.Time `json:"completed_at"`
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

const definitionURL = "http://127.0.0.1:9000"

// register puts examples/definitions/signup.yaml, with the receiver's address in it.
func (c client) register(ctx context.Context, receiver string) error {
	source, err := os.ReadFile("examples/definitions/signup.yaml")
	if err != nil {
		return fmt.Errorf("the demo runs in the repository's directory: %w", err)
	}
	definition := strings.ReplaceAll(string(source), definitionURL, receiver)
	var registered struct{ Version int }
	status, err := c.call(ctx, "PUT", "/v1/definitions/SignupWorkflow", "application/yaml", definition, &registered)
	if err == nil {
		fmt.Printf("  PUT  /v1/definitions/SignupWorkflow  → %d, version %d (examples/definitions/signup.yaml)\n", status, registered.Version)
	}
	return err
}

func (c client) create(ctx context.Context) (id string, err error) {
	body := `{"type": "SignupWorkflow", "subject": {"type": "User", "id": "42"}}`
	var w workflow
	status, err := c.call(ctx, "POST", "/v1/workflows", "application/json", body, &w)
	if err == nil {
		fmt.Printf("  POST /v1/workflows                   → %d, %s\n\n", status, w.ID)
	}
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
