package handlers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// mostProblems bounds the problems of one request, so that a hostile one cannot make a huge answer.
const mostProblems = 100

// formats are the checks of strings, by the format of their schema. Those of the domain say what is wrong in
// its own words, so that the edge and the engine agree.
var formats = map[string]func(string) error{
	"uuid":           checkUUID,
	"date-time":      checkTime,
	"Name":           domain.CheckName,
	"EndpointName":   domain.CheckName,
	"SubjectType":    domain.CheckSubjectType,
	"SubjectId":      domain.CheckSubjectID,
	"Duration":       func(text string) error { _, err := domain.ParseDuration(text); return err },
	"ReceiverURL":    domain.CheckURL,
	"WebhookTimeout": checkTimeout,
	"WebhookSecret":  checkSecret,
}

func checkUUID(text string) error {
	if _, err := uuid.Parse(text); err != nil || len(text) != 36 {
		return errors.New("expected an id such as 019b7c5a-2f00-7d11-8a51-0f3c2b1a9e70")
	}
	return nil
}

func checkTime(text string) error {
	_, err := domain.ParseTime(text)
	return err
}

// checkByDomain replaces the rules that the contract spells out for readers and generators by the checks of
// the domain, under the name of the component as format. The answers of a speedrun the domain reads whole, so that
// they are judged as those of receivers are.
func checkByDomain(doc *openapi3.T) {
	*doc.Components.Schemas["Answer"].Value = openapi3.Schema{Nullable: true}
	for name, ref := range doc.Components.Schemas {
		if formats[name] == nil {
			continue
		}
		ref.Value.Format = name
		ref.Value.Pattern, ref.Value.MinLength, ref.Value.MaxLength = "", 0, nil
	}
}

func validationOptions() []openapi3.SchemaValidationOption {
	validators := map[string]openapi3.StringFormatValidator{}
	for name, check := range formats {
		validators[name] = openapi3.NewCallbackValidator(check)
	}
	return []openapi3.SchemaValidationOption{
		openapi3.MultiErrors(), openapi3.VisitAsRequest(), openapi3.WithStringFormatValidators(validators),
	}
}

// memberProblems lists for each member of a batch what is wrong with it, nil for nothing.
func (c *contract) memberProblems(op *operation, value any) [][]domain.Problem {
	members, _ := value.(map[string]any)[batchMembers].([]any)
	list := make([][]domain.Problem, len(members))
	for i, member := range members {
		list[i] = c.bodyProblems(op.member, member)
	}
	return list
}

// bodyProblems lists what is wrong with a body, at most one problem a place, in the order of the places.
func (c *contract) bodyProblems(s *shape, value any) []domain.Problem {
	var found []domain.Problem
	if object, ok := value.(map[string]any); ok && has(object, s.exclusive) {
		last := len(s.exclusive) - 1
		found = append(found, domain.Problem{
			Pointer: "#/" + s.exclusive[last],
			Detail:  fmt.Sprintf("it cannot be given together with %s", strings.Join(s.exclusive[:last], ", ")),
		})
	}
	for _, e := range schemaErrors(s.schema.VisitJSON(value, c.options...)) {
		pointer, detail := "#"+pointerOf(e), inWords(e)
		if key, ok := unknownKey(e); ok {
			pointer += "/" + strictjson.PointerToken(key)
			detail = unknownProperty(key, e.Schema)
		}
		found = append(found, domain.Problem{Pointer: pointer, Detail: detail})
	}
	seen := map[string]bool{}
	found = slices.DeleteFunc(found, func(p domain.Problem) bool {
		again := seen[p.Pointer]
		seen[p.Pointer] = true
		return again
	})
	return found[:min(len(found), mostProblems)]
}

func has(object map[string]any, keys []string) bool {
	for _, key := range keys {
		if _, ok := object[key]; !ok {
			return false
		}
	}
	return len(keys) > 0
}

// parameterProblems is bodyProblems for one parameter.
func parameterProblems(p *openapi3.Parameter, err error) []domain.Problem {
	var found []domain.Problem
	for _, e := range schemaErrors(err) {
		problem := domain.Problem{Parameter: p.Name, Detail: inWords(e)}
		if !slices.Contains(found, problem) {
			found = append(found, problem)
		}
	}
	return found
}

// schemaErrors flattens what kin-openapi reports.
func schemaErrors(err error) []*openapi3.SchemaError {
	switch e := err.(type) { //nolint:errorlint // the list itself is wanted, not what it wraps
	case nil:
		return nil
	case openapi3.MultiError:
		var all []*openapi3.SchemaError
		for _, one := range e {
			all = append(all, schemaErrors(one)...)
		}
		return all
	case *openapi3.SchemaError:
		return []*openapi3.SchemaError{e}
	}
	return []*openapi3.SchemaError{{Reason: "it does not fit the contract", Schema: &openapi3.Schema{}}}
}

func pointerOf(e *openapi3.SchemaError) string {
	var b strings.Builder
	for _, token := range e.JSONPointer() {
		b.WriteString("/" + strictjson.PointerToken(token))
	}
	return b.String()
}

// unknownKey gives the property that a closed object does not have; kin-openapi names it in the reason only.
func unknownKey(e *openapi3.SchemaError) (string, bool) {
	if e.SchemaField != "properties" {
		return "", false
	}
	quoted := strings.TrimSuffix(strings.TrimPrefix(e.Reason, "property "), " is unsupported")
	key, err := strconv.Unquote(quoted)
	return key, err == nil
}

func unknownProperty(key string, schema *openapi3.Schema) string {
	known := slices.Sorted(maps.Keys(schema.Properties))
	switch near := strictjson.Nearest(key, known); {
	case len(known) == 0:
		return "there are no fields here"
	case near != "":
		return fmt.Sprintf("this is not a known field; did you mean %q?", near)
	}
	return "this is not a known field; known are " + strings.Join(known, ", ")
}

var typeNames = map[string]string{
	openapi3.TypeString: "a string", openapi3.TypeInteger: "a whole number", openapi3.TypeNumber: "a number",
	openapi3.TypeBoolean: "true or false", openapi3.TypeObject: "an object", openapi3.TypeArray: "an array",
}

// inWords says what is wrong with a value in words, never quoting it.
func inWords(e *openapi3.SchemaError) string {
	s := e.Schema
	switch e.SchemaField {
	case "required":
		return "it is required"
	case "type":
		return fmt.Sprintf("expected %s, not %s", expected(s), describe(e.Value))
	case "nullable":
		return fmt.Sprintf("expected %s, not null", expected(s))
	case "enum":
		return "expected one of " + joined(s.Enum)
	case "format":
		if cause := errors.Unwrap(e.Origin); cause != nil {
			return cause.Error()
		}
	case "minLength":
		if s.MinLength == 1 {
			return "it must not be empty"
		}
		return fmt.Sprintf("it must have at least %d characters", s.MinLength)
	case "maxLength":
		return fmt.Sprintf("it must have at most %d characters", *s.MaxLength)
	case "minimum":
		return "it must be at least " + number(*s.Min)
	case "maximum":
		return "it must be at most " + number(*s.Max)
	case "minItems":
		return fmt.Sprintf("there must be at least %d of them", s.MinItems)
	case "maxItems":
		return fmt.Sprintf("there may be at most %d of them", *s.MaxItems)
	case "maxProperties":
		return fmt.Sprintf("it may have at most %d members", *s.MaxProps)
	}
	return "it does not fit the contract: " + e.Reason
}

func expected(s *openapi3.Schema) string {
	if types := s.Type.Slice(); len(types) == 1 {
		return typeNames[types[0]]
	}
	return "another type"
}

func describe(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "true or false"
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	}
	return "a number"
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func joined(words []any) string {
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = fmt.Sprint(word)
	}
	return strings.Join(texts, ", ")
}
