package domain

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Endpoint is a named receiver, looked up at each delivery: it may move while workflows run. What a webhook
// does not say itself comes from here.
type Endpoint struct {
	URL         string            // base; a webhook's path goes below it
	Headers     map[string]string // names in lower case
	Timeout     time.Duration     // 0: DefaultWebhookTimeout
	MaxInFlight int               // 0: DefaultMaxInFlight
}

// CheckEndpoint gives an endpoint with its headers' names in lower case. Errors: invalid_request with
// everything that is wrong, name included.
func CheckEndpoint(name string, e Endpoint) (Endpoint, error) {
	var list problemList
	if err := CheckName(name); err != nil {
		list.found = append(list.found, Problem{Parameter: "name", Detail: sentence(err.Error())})
	}
	if err := CheckURL(e.URL); err != nil {
		list.add(root.key("url"), "%v", err)
	}
	if e.Timeout != 0 && (e.Timeout < MinWebhookTimeout || e.Timeout > MaxWebhookTimeout) {
		list.add(root.key("timeout"), "the timeout must be %s to %s", FormatDuration(MinWebhookTimeout), FormatDuration(MaxWebhookTimeout))
	}
	if e.MaxInFlight < 0 || e.MaxInFlight > MaxInFlightLimit {
		list.add(root.key("max_in_flight"), "it must be 1 to %d", MaxInFlightLimit)
	}
	e.Timeout = e.Timeout.Truncate(time.Microsecond)
	e.Headers = checkHeaders(&list, root.key("headers"), e.Headers)
	return e, list.err(CodeInvalidRequest)
}

func checkHeaders(list *problemList, at place, headers map[string]string) map[string]string {
	out, bytes := make(map[string]string, len(headers)), 0
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value, lower := headers[name], strings.ToLower(name)
		if err := CheckHeader(name, value); err != nil {
			list.add(at.key(name), "%v", err)
		} else if _, twice := out[lower]; twice {
			list.add(at.key(name), "the header %s stands twice; names compare without case", lower)
		}
		out[lower] = value
		bytes += len(name) + len(value)
	}
	if len(headers) > MaxHeaders || bytes > MaxHeaderBytes {
		list.add(at, "at most %d headers of %d bytes together are allowed", MaxHeaders, MaxHeaderBytes)
	}
	return out
}

// At gives a webhook that names an endpoint the address it goes to, and what it leaves to the endpoint.
func (w *Webhook) At(e *Endpoint) Webhook {
	base := Webhook{URL: e.URL, Headers: e.Headers, Timeout: e.Timeout, MaxInFlight: e.MaxInFlight}
	own := *w
	own.URL, own.Endpoint, own.Path = "", "", ""
	out := *own.over(&base)
	if w.Path != "" {
		if u, err := url.Parse(e.URL); err == nil { // it was checked
			out.URL = u.JoinPath(w.Path).String()
		}
	}
	return out
}

// Endpoints names the endpoints that a step goes to, the hook's included, each once.
func (s *Step) Endpoints() []string {
	var names []string
	if s.Webhook.Endpoint != "" {
		names = append(names, s.Webhook.Endpoint)
	}
	if s.Hook != nil && s.Hook.Endpoint != "" && s.Hook.Endpoint != s.Webhook.Endpoint {
		names = append(names, s.Hook.Endpoint)
	}
	return names
}

// NamesEndpoint tells whether a definition goes to an endpoint, or hands it down to those that extend it.
func (d *Definition) NamesEndpoint(name string) bool {
	names := func(w *Webhook) bool { return w != nil && w.Endpoint == name }
	return names(d.Settings.Webhook) || names(d.Hooks.BeforeStepStarts) ||
		slices.ContainsFunc(d.Steps, func(s Step) bool { return names(&s.Webhook) || names(s.Hook) })
}

// EndpointMissing is the error of a step that names an endpoint which is not there. It pauses the workflow.
func EndpointMissing(name string) ExecutionError {
	return ExecutionError{Code: ErrEndpointMissing, Message: fmt.Sprintf("There is no endpoint %q.", name)}
}
