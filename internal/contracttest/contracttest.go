// Package contracttest checks every response a test gets, and every delivery its receivers get, against the
// published contract. It is stricter than the contract is with clients: in tests neither may have a property that
// is not documented, times have six decimals, and a status that the operation does not list is a fault. It knows
// nothing of handlers.
package contracttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/genevadrive/genevadrive/api"
)

// Client gives a copy of base (nil: http.DefaultClient) that reports to t every response that breaks the
// contract. The response reaches the caller all the same.
func Client(t testing.TB, base *http.Client) *http.Client {
	t.Helper()
	if base == nil {
		base = http.DefaultClient
	}
	checked := *base
	next := base.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	checked.Transport = transport{t: t, next: next, contract: loaded(t)}
	return &checked
}

// Handler is Client for tests that call a handler without a server.
func Handler(t testing.TB, next http.Handler) http.Handler {
	t.Helper()
	c := loaded(t)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		response := recorder.Result()
		body := recorder.Body.Bytes()
		if err := c.Check(r, response.StatusCode, response.Header, body); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		for name, values := range response.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(response.StatusCode)
		_, _ = w.Write(body)
	})
}

// Delivery reports to t how the body of a delivery breaks the contract.
func Delivery(t testing.TB, body []byte) {
	t.Helper()
	if err := loaded(t).checkDelivery(body); err != nil {
		t.Errorf("%v\ndelivery: %s", err, body)
	}
}

type transport struct {
	t        testing.TB
	next     http.RoundTripper
	contract *contract
}

func (tr transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := tr.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if closed := response.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if err := tr.contract.Check(r, response.StatusCode, response.Header, body); err != nil {
		tr.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	return response, nil
}

// contract is the published document, made strict for tests.
type contract struct {
	router     routers.Router
	problem    *openapi3.Schema
	deliveries map[string]*openapi3.Schema // by the delivery's type
}

var load = sync.OnceValues(func() (*contract, error) {
	doc, err := api.ValidationDocument()
	if err != nil {
		return nil, err
	}
	schemas := doc.Components.Schemas
	step, hook := schemas["StepDelivery"], schemas["HookDelivery"]
	tighten(doc, step, hook)
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation())
	if err != nil {
		return nil, err
	}
	return &contract{router: router, problem: schemas["Problem"].Value,
		deliveries: map[string]*openapi3.Schema{"step.perform": step.Value, "hook.before_step_starts": hook.Value}}, nil
})

func loaded(t testing.TB) *contract {
	t.Helper()
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const problemType = "application/problem+json"

// Check reports how a response breaks the contract.
func (c *contract) Check(r *http.Request, status int, header http.Header, body []byte) error {
	if header.Get("X-Request-Id") == "" {
		return errors.New("the response has no x-request-id")
	}
	if status >= 400 && r.Method != http.MethodHead {
		code, err := c.checkProblem(status, header, body)
		if err != nil || code == "not_found" || code == "method_not_allowed" {
			return err // the latter two belong to no operation
		}
	}
	lookup := r.Clone(r.Context())
	if r.Method == http.MethodHead {
		lookup.Method = http.MethodGet
	}
	route, params, err := c.router.FindRoute(lookup)
	if err != nil {
		if status == http.StatusNotFound {
			return nil // a name with an escaped slash, which this router takes for two segments
		}
		return fmt.Errorf("answered with %d, but the contract has no such operation", status)
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: lookup, PathParams: params, Route: route},
		Status:                 status,
		Header:                 header,
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			MultiError:            true,
			ExcludeResponseBody:   r.Method == http.MethodHead || !strings.Contains(header.Get("Content-Type"), "json"),
		},
	}
	input.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(r.Context(), input); err != nil {
		return fmt.Errorf("%w\nbody: %s", err, body)
	}
	return nil
}

// checkProblem gives the code of a problem that is as documented.
func (c *contract) checkProblem(status int, header http.Header, body []byte) (code string, err error) {
	if got := header.Get("Content-Type"); got != problemType {
		return "", fmt.Errorf("a %d with content type %q, not %s: %s", status, got, problemType, body)
	}
	var value map[string]any
	if err := json.Unmarshal(body, &value); err != nil {
		return "", fmt.Errorf("a problem that is no JSON object: %w: %s", err, body)
	}
	if value["status"] != float64(status) {
		return "", fmt.Errorf("a problem with status %v in a response with %d", value["status"], status)
	}
	if err := c.problem.VisitJSON(value, openapi3.MultiErrors()); err != nil {
		return "", fmt.Errorf("a problem that is not as documented: %w: %s", err, body)
	}
	return fmt.Sprint(value["code"]), nil
}

func (c *contract) checkDelivery(body []byte) error {
	var value map[string]any
	if err := json.Unmarshal(body, &value); err != nil {
		return fmt.Errorf("a delivery that is no JSON object: %w", err)
	}
	schema := c.deliveries[fmt.Sprint(value["type"])]
	if schema == nil {
		return fmt.Errorf("a delivery of the type %v, which is not documented", value["type"])
	}
	return schema.VisitJSON(value, openapi3.MultiErrors())
}

// tighten closes the objects of responses and of those schemas, and fixes the form of times and ids.
func tighten(doc *openapi3.T, schemas ...*openapi3.SchemaRef) {
	seen := map[*openapi3.Schema]bool{}
	var walk func(ref *openapi3.SchemaRef)
	walk = func(ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil || seen[ref.Value] {
			return
		}
		s := ref.Value
		seen[s] = true
		if len(s.Properties) > 0 {
			no := false
			s.AdditionalProperties.Has = &no
		}
		switch s.Format {
		case "date-time":
			s.Pattern = `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`
		case "uuid":
			s.Pattern = `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`
		}
		for _, p := range s.Properties {
			walk(p)
		}
		for _, one := range s.OneOf {
			walk(one)
		}
		walk(s.Items)
	}
	for _, ref := range schemas {
		walk(ref)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, response := range op.Responses.Map() {
				for _, media := range response.Value.Content {
					walk(media.Schema)
				}
			}
		}
	}
}
