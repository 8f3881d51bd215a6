package api

import (
	"fmt"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// ValidationDocument gives the contract as OpenAPI 3.0 for kin-openapi, which recompiles the schemas of a
// 3.1 document at every call. Nullable types are spelt the 3.0 way and the webhooks are left out; what it
// accepts is the same. Each call gives a document of its own, which the caller may change.
func ValidationDocument() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(Document)
	if err != nil {
		return nil, fmt.Errorf("reading the embedded contract: %w", err)
	}
	doc.OpenAPI = "3.0.3"
	doc.Info.Summary = ""
	doc.Webhooks = nil
	doc.Servers = nil // any address serves it
	d := downgrade{seen: map[*openapi3.Schema]bool{}}
	for _, s := range doc.Components.Schemas {
		d.schema(s)
	}
	for _, p := range doc.Components.Parameters {
		d.schema(p.Value.Schema)
	}
	for _, r := range doc.Components.Responses {
		d.response(r.Value)
	}
	for _, b := range doc.Components.RequestBodies {
		d.content(b.Value.Content)
	}
	for _, item := range doc.Paths.Map() {
		d.parameters(item.Parameters)
		for _, op := range item.Operations() {
			d.parameters(op.Parameters)
			if op.RequestBody != nil {
				d.content(op.RequestBody.Value.Content)
			}
			for _, r := range op.Responses.Map() {
				d.response(r.Value)
			}
		}
	}
	return doc, nil
}

// downgrade turns the nullable types of 3.1 into those of 3.0, visiting each schema once.
type downgrade struct{ seen map[*openapi3.Schema]bool }

func (d downgrade) parameters(all openapi3.Parameters) {
	for _, p := range all {
		d.schema(p.Value.Schema)
	}
}

func (d downgrade) response(r *openapi3.Response) {
	d.content(r.Content)
	for _, h := range r.Headers {
		d.schema(h.Value.Schema)
	}
}

func (d downgrade) content(c openapi3.Content) {
	for _, media := range c {
		d.schema(media.Schema)
	}
}

func (d downgrade) schema(ref *openapi3.SchemaRef) {
	if ref == nil || ref.Value == nil || d.seen[ref.Value] {
		return
	}
	s := ref.Value
	d.seen[s] = true
	if types := s.Type.Slice(); len(types) > 1 && slices.Contains(types, "null") {
		s.Nullable = true
		left := openapi3.Types(slices.DeleteFunc(slices.Clone(types), func(t string) bool { return t == "null" }))
		s.Type = &left
		if len(left) > 1 {
			s.Type = nil // 3.0 knows one type or any
		}
	}
	if i := slices.IndexFunc(s.OneOf, isNull); i >= 0 {
		s.Nullable = true
		s.OneOf = slices.Delete(slices.Clone(s.OneOf), i, i+1)
	}
	for _, list := range []openapi3.SchemaRefs{s.OneOf, s.AnyOf, s.AllOf} {
		for _, one := range list {
			d.schema(one)
		}
	}
	for _, p := range s.Properties {
		d.schema(p)
	}
	d.schema(s.Items)
	d.schema(s.Not)
	d.schema(s.AdditionalProperties.Schema)
}

func isNull(ref *openapi3.SchemaRef) bool {
	return ref.Value.Type.Is("null")
}
