package genevadrive

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// doer is an HTTP client with one answer for everything.
type doer struct {
	status            int
	contentType, body string
	request           *http.Request
}

func (d *doer) Do(req *http.Request) (*http.Response, error) {
	d.request = req
	return &http.Response{
		StatusCode: d.status, Header: http.Header{"Content-Type": {d.contentType}}, Body: io.NopCloser(strings.NewReader(d.body)),
	}, nil
}

func TestEveryErrorIsAProblem(t *testing.T) {
	const problemType = "application/problem+json"
	for name, test := range map[string]struct {
		contentType, body string
		want              string
	}{
		"a problem": {problemType, `{"type":"urn:genevadrive:problem:invalid_query","title":"Invalid query","status":400,"code":"invalid_query","detail":"One query parameter is wrong.",
			"errors":[{"parameter":"limit","detail":"must be at most 200"},{"pointer":"#/subject/id","detail":"is required"},{"detail":"is odd"}]}`,
			"400 invalid_query: One query parameter is wrong.; limit must be at most 200; #/subject/id is required; request is odd"},
		"a problem with a charset": {problemType + "; charset=utf-8", `{"code":"x","status":400,"detail":"y"}`, "400 x: y"},
		"the page of a proxy":      {"text/html", "<h1>Bad request</h1>", "400 unknown_response: <h1>Bad request</h1>"},
		"a problem cut short":      {problemType, `{"code":"x`, `400 unknown_response: {"code":"x`},
		"somebody else's problem":  {problemType, `{"title":"x"}`, `400 unknown_response: {"title":"x"}`},
		"nothing":                  {"", "", "400 unknown_response: "},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := New("http://example.com", "", WithHTTPClient(&doer{status: 400, contentType: test.contentType, body: test.body}))
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.ListWorkflowsWithResponse(t.Context(), nil)
			var p *Problem
			if !errors.As(err, &p) || p.Status != 400 || response != nil {
				t.Fatalf("the error is %v, the response %v", err, response)
			}
			if p.Error() != test.want {
				t.Errorf("got  %s\nwant %s", p, test.want)
			}
		})
	}
}

func TestKeyOfACallWins(t *testing.T) {
	d := &doer{status: 200, contentType: "application/json", body: `{"items":[],"next_cursor":null}`}
	for name, test := range map[string]struct {
		key  string
		call []RequestEditorFn
		want string
	}{
		"the client's": {"one", nil, "Bearer one"},
		"the call's":   {"one", []RequestEditorFn{Bearer("two")}, "Bearer two"},
		"none":         {"", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := New("http://example.com/base/", test.key, WithHTTPClient(d))
			if err != nil {
				t.Fatal(err)
			}
			page, err := client.ListWorkflowsWithResponse(t.Context(), nil, test.call...)
			if err != nil || page.JSON200 == nil {
				t.Fatal(err)
			}
			if got := d.request.Header.Get("Authorization"); got != test.want {
				t.Errorf("Authorization is %q, want %q", got, test.want)
			}
			if got := d.request.URL.Path; got != "/base/v1/workflows" {
				t.Errorf("the path is %s", got)
			}
		})
	}
}
