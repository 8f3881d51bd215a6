// Package genevadrive is a client of the GenevaDrive API, and the types of what a receiver is sent and answers.
// Everything but this file is generated from the contract.
//
// A method of the client gives an error for every status of 400 and above: a *Problem, whose Code is stable.
//
//	client, err := genevadrive.New("http://127.0.0.1:8080", os.Getenv("GENEVADRIVE_KEY"))
//	created, err := client.CreateWorkflowWithResponse(ctx, nil, genevadrive.CreateWorkflow{
//		Type: "SignupWorkflow", Subject: genevadrive.SubjectInput{Type: "User", ID: "42"},
//	})
//	if p := (*genevadrive.Problem)(nil); errors.As(err, &p) && p.Code == "workflow_exists" {
//		// p.WorkflowID is the one that is in the way
//	}
package genevadrive

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// New gives a client of the server at baseURL. The key is one of the server's API keys; empty for a server without
// any. Requests are not repeated and have no time limit but their context's; WithHTTPClient changes that.
func New(baseURL, key string, options ...ClientOption) (*ClientWithResponses, error) {
	if key != "" {
		options = append([]ClientOption{WithRequestEditorFn(Bearer(key))}, options...)
	}
	return NewClientWithResponses(baseURL, append(options, problemsAsErrors)...)
}

// Bearer authenticates a request; given to a single call it takes the place of the client's key.
func Bearer(token string) RequestEditorFn {
	return func(_ context.Context, req *http.Request) error {
		req.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

// Ptr gives a pointer to a value, for optional fields.
func Ptr[T any](value T) *T { return &value }

// Error gives the code, what is wrong for people, and every fault of the request with its place.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s: %s", p.Status, p.Code, p.Detail)
	for _, f := range p.Errors {
		place := "request"
		switch {
		case f.Pointer != nil:
			place = *f.Pointer
		case f.Parameter != nil:
			place = *f.Parameter
		}
		fmt.Fprintf(&b, "; %s %s", place, f.Detail)
	}
	return b.String()
}

// problemsAsErrors is the last option: it wraps the HTTP client that the others have chosen.
func problemsAsErrors(c *Client) error {
	if c.Client == nil {
		c.Client = &http.Client{}
	}
	c.Client = problems{c.Client}
	return nil
}

// problems turns every response of 400 and above into a *Problem.
type problems struct{ next HttpRequestDoer }

// maxProblem bounds what is read of an error's body.
const maxProblem = 1 << 20

func (d problems) Do(req *http.Request) (*http.Response, error) {
	response, err := d.next.Do(req)
	if err != nil || response.StatusCode < 400 {
		return response, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err != nil {
		return nil, fmt.Errorf("reading the body of a %d: %w", response.StatusCode, err)
	}
	return nil, problemOf(response, body)
}

// problemOf reads a problem. What is none, such as the page of a proxy, becomes one of the code unknown_response.
func problemOf(response *http.Response, body []byte) *Problem {
	var p Problem
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") && json.Unmarshal(body, &p) == nil && p.Code != "" {
		return &p
	}
	return &Problem{
		Code: "unknown_response", Status: response.StatusCode, Title: http.StatusText(response.StatusCode),
		Type: "about:blank", Detail: strings.ToValidUTF8(string(body[:min(len(body), 200)]), ""),
	}
}
