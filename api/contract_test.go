package api

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

// The published document is valid OpenAPI 3.1, its examples fit their schemas, and every operation has what
// the generators of clients and documentation need.
func TestContract(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(Document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("openapi is %s", doc.OpenAPI)
	}
	ids := map[string]string{}
	check := func(where string, op *openapi3.Operation) {
		if op.OperationID == "" || op.Summary == "" || op.Description == "" || len(op.Tags) == 0 {
			t.Errorf("%s lacks an operationId, a summary, a description or a tag", where)
		}
		if other, taken := ids[op.OperationID]; taken {
			t.Errorf("%s and %s share the operationId %s", where, other, op.OperationID)
		}
		ids[op.OperationID] = where
		for status, response := range op.Responses.Map() {
			for kind, media := range response.Value.Content {
				if media.Example == nil && len(media.Examples) == 0 {
					t.Errorf("%s: response %s %s has no example", where, status, kind)
				}
			}
		}
		if op.RequestBody != nil {
			for kind, media := range op.RequestBody.Value.Content {
				if media.Example == nil && len(media.Examples) == 0 {
					t.Errorf("%s: request %s has no example", where, kind)
				}
			}
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			check(method+" "+path, op)
		}
	}
	for name, item := range doc.Webhooks {
		for method, op := range item.Operations() {
			check(method+" "+name, op)
		}
	}
}

// What generators of clients were seen to stop at, or to make bad names of, though OpenAPI has it (docs/decisions/0045).
func TestGeneratorsCanReadIt(t *testing.T) {
	var text yaml.Node
	if err := yaml.Unmarshal(Document, &text); err != nil {
		t.Fatal(err)
	}
	var plain func(n *yaml.Node)
	plain = func(n *yaml.Node) {
		if n.Anchor != "" || n.Kind == yaml.AliasNode {
			t.Errorf("line %d has an anchor or an alias of YAML", n.Line)
		}
		for _, inner := range n.Content {
			plain(inner)
		}
	}
	plain(&text)

	doc, err := openapi3.NewLoader().LoadFromData(Document)
	if err != nil {
		t.Fatal(err)
	}
	// Their types share one space of names.
	kinds := map[string]string{}
	named := func(kind string, names iter.Seq[string]) {
		for name := range names {
			if other := kinds[strings.ToLower(name)]; other != "" {
				t.Errorf("%s is the name of two components, in %s and %s", name, other, kind)
			}
			kinds[strings.ToLower(name)] = kind
		}
	}
	c := doc.Components
	named("schemas", maps.Keys(c.Schemas))
	named("parameters", maps.Keys(c.Parameters))
	named("requestBodies", maps.Keys(c.RequestBodies))
	named("responses", maps.Keys(c.Responses))
	named("securitySchemes", maps.Keys(c.SecuritySchemes))

	var walk func(where string, ref *openapi3.SchemaRef)
	walk = func(where string, ref *openapi3.SchemaRef) {
		if ref == nil || ref.Ref != "" {
			return
		}
		s := ref.Value
		if len(slices.DeleteFunc(slices.Clone(s.Type.Slice()), func(t string) bool { return t == "null" })) > 1 {
			t.Errorf("%s has several types; make it a oneOf", where)
		}
		if strings.Contains(where, "/") && len(s.Properties) > 0 {
			t.Errorf("%s is an object without a name; make it a component", where)
		}
		for name, p := range s.Properties {
			walk(where+"/"+name, p)
		}
		for _, one := range slices.Concat(s.OneOf, s.AnyOf, s.AllOf, openapi3.SchemaRefs{s.Items, s.AdditionalProperties.Schema}) {
			walk(where+"/*", one)
		}
	}
	for name, s := range c.Schemas {
		walk(name, s)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for _, p := range op.Parameters {
				walk(method+" "+path+" "+p.Value.Name, p.Value.Schema)
			}
			if op.RequestBody != nil {
				for _, media := range op.RequestBody.Value.Content {
					walk(method+" "+path, media.Schema)
				}
			}
			for _, r := range op.Responses.Map() {
				for _, media := range r.Value.Content {
					walk(method+" "+path, media.Schema)
				}
			}
		}
	}
}

// Whatever can go wrong with every operation of its kind is among its responses.
func TestErrorsAreListed(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(Document)
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		if !strings.HasPrefix(path, "/v1/") {
			continue
		}
		for method, op := range item.Operations() {
			want := []string{"400", "401", "403", "500", "503"}
			if strings.Contains(path, "{") && method != "PUT" { // which creates what is not there
				want = append(want, "404")
			}
			if op.RequestBody != nil {
				want = append(want, "413", "415", "422")
			}
			for _, status := range want {
				if op.Responses.Value(status) == nil {
					t.Errorf("%s %s does not list %s", method, path, status)
				}
			}
		}
	}
}

// Objects in requests are closed, so that a misspelt property is an error.
func TestRequestsAreClosed(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(Document)
	if err != nil {
		t.Fatal(err)
	}
	free := doc.Components.Schemas["JsonObject"].Value
	var walk func(where string, s *openapi3.Schema)
	walk = func(where string, s *openapi3.Schema) {
		if s == nil || s == free {
			return
		}
		if len(s.Properties) > 0 && (s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has) {
			t.Errorf("%s takes unknown properties", where)
		}
		for name, p := range s.Properties {
			walk(where+"/"+name, p.Value)
		}
		if s.Items != nil {
			walk(where+"/items", s.Items.Value)
		}
		for _, one := range s.OneOf {
			walk(where+"/oneOf", one.Value)
		}
		if s.AdditionalProperties.Schema != nil {
			walk(where+"/*", s.AdditionalProperties.Schema.Value)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.RequestBody == nil {
				continue
			}
			for _, media := range op.RequestBody.Value.Content {
				walk(method+" "+path, media.Schema.Value)
			}
		}
	}
	walk("Answer", doc.Components.Schemas["Answer"].Value)
}

// A definition's cancel_if is one condition or a list of them.
func TestCancelIfIsAConditionOrAList(t *testing.T) {
	doc, err := ValidationDocument()
	if err != nil {
		t.Fatal(err)
	}
	for text, fits := range map[string]bool{
		`"data.spam"`: true, `true`: true, `{"condition": "closed"}`: true,
		`[]`: true, `["data.spam", false, {"condition": "closed"}]`: true,
		`1`: false, `{"name": "closed"}`: false, `[["data.spam"]]`: false, `[1]`: false,
	} {
		var value any
		if err := json.Unmarshal([]byte(`{"cancel_if": `+text+`}`), &value); err != nil {
			t.Fatal(err)
		}
		if err := doc.Components.Schemas["Definition"].Value.VisitJSON(value); (err == nil) != fits {
			t.Errorf("cancel_if: %s: %v", text, err)
		}
	}
}
