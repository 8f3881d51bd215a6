package handlers

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// slowTimeout is requestTimeout for the operations that do many things, one after the other. The minute that a
// speedrun gives itself ends before.
const slowTimeout = 75 * time.Second

// What the edge does differently for some operations, by operationId.
var (
	// slow lists those that may take slowTimeout.
	slow = []string{"bulkWorkflows", "speedrunWorkflow", "createWorkflows"}
	// unrepeatable lists those that change something, not always the same by a repeated request, but have no first answer to
	// give again. They refuse an Idempotency-Key, since a client that sends one relies on it.
	unrepeatable = []string{"bulkWorkflows", "speedrunWorkflow", "rotateEndpoint", "patchWorkflowData"}
	// naming has the problem of a malformed name in the path for those that would create what it names; what
	// the others name cannot exist.
	naming = map[string]domain.Code{"putDefinition": domain.CodeInvalidDefinition, "putEndpoint": domain.CodeInvalidRequest}
)

// Bodies that are read by the domain, with rules that no schema tells.
var domainBodies = []string{"#/components/schemas/Definition", "#/components/schemas/Answer"}

// nothing is what a POST that takes no body may be sent all the same: an object without members. Whatever else
// somebody asks for there would not be done.
var nothing = openapi3.NewObjectSchema().WithoutAdditionalProperties()

// callbackScheme is the security scheme of the operations that take a callback's token in place of an API key.
const callbackScheme = "callbackToken"

// operation is what the edge needs of one operation of the contract.
type operation struct {
	path         []*openapi3.Parameter
	query        map[string]*openapi3.Parameter
	queryNames   []string
	idempotent   bool // takes an Idempotency-Key
	unrepeatable bool // refuses one
	callback     bool // takes a callback's token
	timeLimit    time.Duration
	body         *shape
	member       *shape // of each member of a batch, which is not part of body; nil: it is no batch
	maxBytes     int64  // of the body
	bodyNeeded   bool
	mediaTypes   []string
	raw          bool        // the body is read by the domain, whatever it is
	badPathCode  domain.Code // problem of a malformed id or name in the path
	names        bool        // the path names what this operation would create
}

// shape is what the contract says of a JSON value.
type shape struct {
	schema    *openapi3.Schema
	exclusive []string         // properties of which only one may be given
	form      *strictjson.Form // nil: the schema has rules that no form tells
}

// shapeOf gives the shape of a schema, which is one of many places' in the contract.
func shapeOf(schema *openapi3.Schema, known map[*openapi3.Schema]*shape) *shape {
	if s, ok := known[schema]; ok {
		return s
	}
	s := &shape{schema: schema}
	if not := schema.Not; not != nil {
		// kin-openapi would stop at a failed "not" and hide every other fault.
		s.exclusive, schema.Not = not.Value.Required, nil
	}
	known[schema] = s
	if form, ok := formOf(schema, s.exclusive); ok {
		s.form = form
	}
	return s
}

// A batch is an object with one list, whose members are checked by themselves.
const (
	batchOperation = "createWorkflows"
	batchMembers   = "workflows"
)

// batchShapes gives the shape of a batch, whose schema takes anything as a member, and that of a member.
func batchShapes(schema *openapi3.Schema, known map[*openapi3.Schema]*shape) (batch, member *shape) {
	envelope, list := *schema, *schema.Properties[batchMembers].Value
	member = shapeOf(list.Items.Value, known)
	list.Items = nil
	envelope.Properties = maps.Clone(schema.Properties)
	envelope.Properties[batchMembers] = &openapi3.SchemaRef{Value: &list}
	batch = &shape{schema: &envelope}
	if form, ok := formOf(&envelope, nil); ok && member.form != nil {
		form.Object.Members[batchMembers].Form.Array.Elements = member.form
		batch.form = form
	}
	return batch, member
}

func newOperation(method, path string, shared openapi3.Parameters, op *openapi3.Operation, shapes map[*openapi3.Schema]*shape) *operation {
	o := &operation{query: map[string]*openapi3.Parameter{}, badPathCode: badPathCode(path), timeLimit: requestTimeout,
		maxBytes:     maxBodyBytes,
		unrepeatable: slices.Contains(unrepeatable, op.OperationID), callback: takes(op, callbackScheme)}
	if slices.Contains(slow, op.OperationID) {
		o.timeLimit = slowTimeout
	}
	if code, ok := naming[op.OperationID]; ok {
		o.badPathCode, o.names = code, true
	}
	for _, ref := range slices.Concat(shared, op.Parameters) {
		switch p := ref.Value; p.In {
		case openapi3.ParameterInPath:
			o.path = append(o.path, p)
		case openapi3.ParameterInQuery:
			o.query[p.Name] = p
			o.queryNames = append(o.queryNames, p.Name)
		case openapi3.ParameterInHeader:
			o.idempotent = o.idempotent || p.Name == idempotencyHeader
		}
	}
	if op.RequestBody == nil {
		if method == http.MethodPost {
			o.body, o.mediaTypes = shapeOf(nothing, shapes), []string{"application/json"}
		}
		return o
	}
	body := op.RequestBody.Value
	o.bodyNeeded = body.Required
	for mediaType, media := range body.Content {
		o.mediaTypes = append(o.mediaTypes, mediaType)
		switch {
		case slices.Contains(domainBodies, media.Schema.Ref):
			o.raw, o.body = true, &shape{schema: media.Schema.Value}
		case op.OperationID == batchOperation:
			o.body, o.member = batchShapes(media.Schema.Value, shapes)
			o.maxBytes = maxBatchBytes
		default:
			o.body = shapeOf(media.Schema.Value, shapes)
		}
	}
	slices.Sort(o.mediaTypes)
	return o
}

// takes reports whether an operation has a security scheme of its own.
func takes(op *openapi3.Operation, scheme string) bool {
	return op.Security != nil && slices.ContainsFunc(*op.Security, func(r openapi3.SecurityRequirement) bool {
		_, ok := r[scheme]
		return ok
	})
}

// badPathCode is the problem of a malformed id or name in a path: what it names cannot exist.
func badPathCode(path string) domain.Code {
	switch {
	case strings.HasPrefix(path, "/v1/workflows/"):
		return domain.CodeWorkflowNotFound
	case strings.HasPrefix(path, "/v1/step-executions/"):
		return domain.CodeExecutionNotFound
	case strings.HasPrefix(path, "/v1/definitions/"):
		return domain.CodeDefinitionNotFound
	case strings.HasPrefix(path, "/v1/endpoints/"):
		return domain.CodeEndpointNotFound
	}
	return domain.CodeNotFound
}

// operationOf gives the operation of a request that has been routed, nil for one that is not in the contract.
func (c *contract) operationOf(r *http.Request) *operation {
	route := routeOf(r)
	return c.operations[route.RouteMethod+" "+route.RoutePattern()]
}
