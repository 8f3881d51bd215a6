package handlers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// contract finds the operation of a route and checks requests against it. Its checks need only what is in
// the contract; what depends on the database or the configuration is the engine's.
type contract struct {
	operations map[string]*operation // by method and path pattern, "GET /v1/workflows/{id}"
	options    []openapi3.SchemaValidationOption
}

// loadContract reads the embedded contract, once.
var loadContract = sync.OnceValues(newContract)

func newContract() (*contract, error) {
	doc, err := api.ValidationDocument()
	if err != nil {
		return nil, err
	}
	checkByDomain(doc)
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("the embedded contract: %w", err)
	}
	c := &contract{operations: map[string]*operation{}, options: validationOptions()}
	shapes := map[*openapi3.Schema]*shape{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			c.operations[method+" "+path] = newOperation(method, path, item.Parameters, op, shapes)
		}
	}
	return c, nil
}

// routeOf gives the route of a request; middleware of a group can ask for it.
func routeOf(r *http.Request) *chi.Context { return chi.RouteContext(r.Context()) }

// validate checks a request against the contract before the generated code sees it. It runs after routing.
func validate(c *contract, p problems) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := c.check(w, r); err != nil {
				p.write(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func (c *contract) check(w http.ResponseWriter, r *http.Request) error {
	route, op := routeOf(r), c.operationOf(r)
	if op == nil {
		return fmt.Errorf("route %s %s is not in the contract", route.RouteMethod, route.RoutePattern())
	}
	if err := c.checkPath(op, route, r.URL); err != nil {
		return err
	}
	if err := c.checkQuery(op, r.URL.RawQuery); err != nil {
		return err
	}
	if err := checkIdempotencyKey(op, r.Header); err != nil {
		return err
	}
	if op.body == nil {
		return nil
	}
	return c.checkBody(op, w, r)
}

func (c *contract) checkPath(op *operation, route *chi.Context, u *url.URL) error {
	for _, p := range op.path {
		value, err := pathValue(route, u, p.Name)
		if err == nil {
			err = p.Schema.Value.VisitJSON(value, c.options...)
		}
		if err == nil {
			continue
		}
		if op.names { // something is about to get this name, so say what is wrong with it
			return domain.WithProblems(op.badPathCode, parameterProblems(p, err))
		}
		return &domain.Error{Code: op.badPathCode, Detail: notThere(op.badPathCode, value)}
	}
	return nil
}

// pathValue gives a parameter of the path as it was meant.
func pathValue(route *chi.Context, u *url.URL, name string) (string, error) {
	value := route.URLParam(name)
	if u.RawPath != "" {
		return url.PathUnescape(value)
	}
	return value, nil
}

func notThere(code domain.Code, value string) string {
	what := strings.ReplaceAll(strings.TrimSuffix(string(code), "_not_found"), "_", " ")
	if len(value) > 100 {
		return fmt.Sprintf("There is no such %s.", what)
	}
	return fmt.Sprintf("There is no %s %s.", what, strconv.Quote(value))
}

func (c *contract) checkQuery(op *operation, query string) error {
	if query == "" && len(op.query) == 0 {
		return nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return domain.Errorf(domain.CodeInvalidQuery, "The query string is not properly escaped.")
	}
	var faults []domain.Problem
	for name := range values {
		if op.query[name] == nil {
			faults = append(faults, domain.Problem{Parameter: name, Detail: unknownParameter(name, op.queryNames)})
		}
	}
	slices.SortFunc(faults, func(a, b domain.Problem) int { return strings.Compare(a.Parameter, b.Parameter) })
	for _, name := range op.queryNames {
		p, given := op.query[name], values[name]
		switch {
		case given != nil:
			faults = append(faults, c.checkParameter(p, given)...)
		case p.Required:
			faults = append(faults, domain.Problem{Parameter: name, Detail: "it is required"})
		}
	}
	if len(faults) > 0 {
		return domain.WithProblems(domain.CodeInvalidQuery, faults[:min(len(faults), mostProblems)])
	}
	return nil
}

func unknownParameter(name string, known []string) string {
	switch near := strictjson.Nearest(name, known); {
	case len(known) == 0:
		return "there are no query parameters here"
	case near != "":
		return fmt.Sprintf("this is not a query parameter here; did you mean %s?", near)
	}
	return "this is not a query parameter here; known are " + strings.Join(known, ", ")
}

func (c *contract) checkParameter(p *openapi3.Parameter, given []string) []domain.Problem {
	for _, text := range given {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return []domain.Problem{{Parameter: p.Name, Detail: "the value is not proper UTF-8 text without NUL characters"}}
		}
	}
	schema := p.Schema.Value
	var value any
	switch {
	case schema.Type.Is(openapi3.TypeArray):
		list := make([]any, len(given))
		for i, text := range given {
			list[i] = text
		}
		value = list
	case len(given) > 1:
		return []domain.Problem{{Parameter: p.Name, Detail: "it may be given only once"}}
	case schema.Type.Is(openapi3.TypeInteger):
		n, err := strconv.ParseInt(given[0], 10, 64)
		if err != nil {
			return []domain.Problem{{Parameter: p.Name, Detail: "expected a whole number"}}
		}
		value = n
	case schema.Type.Is(openapi3.TypeBoolean):
		if given[0] != "true" && given[0] != "false" {
			return []domain.Problem{{Parameter: p.Name, Detail: "expected true or false"}}
		}
		value = given[0] == "true"
	case schema.Format == "date-time" && strings.Contains(given[0], " ") && checkTime(strings.Replace(given[0], " ", "+", 1)) == nil:
		return []domain.Problem{{Parameter: p.Name, Detail: "a + in a query stands for a space; write the + of the offset as %2B"}}
	default:
		value = given[0]
	}
	return parameterProblems(p, schema.VisitJSON(value, c.options...))
}
