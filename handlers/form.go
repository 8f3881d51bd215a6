package handlers

import (
	"math"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// formOf gives the rules of a schema as a form, by which a body that is in order is known at a glance. kin-openapi
// judges all others, and says what is wrong with them. ok is false if the schema has a rule that is unknown here.
func formOf(schema *openapi3.Schema, notAll []string) (form *strictjson.Form, ok bool) {
	if !knownRules(schema) {
		return nil, false
	}
	switch {
	case schema.Type.Is(openapi3.TypeObject):
		object, ok := objectForm(schema)
		object.NotAll = notAll
		return &strictjson.Form{Object: object}, ok
	case schema.Type.Is(openapi3.TypeArray):
		elements, ok := &strictjson.Form{}, true
		if schema.Items != nil {
			elements, ok = formOf(schema.Items.Value, nil)
		}
		most := math.MaxInt
		if schema.MaxItems != nil {
			most = int(*schema.MaxItems)
		}
		return &strictjson.Form{Array: &strictjson.ArrayForm{Elements: elements, Least: int(schema.MinItems), Most: most}}, ok
	case schema.Type.Is(openapi3.TypeString):
		check, ok := textRules(schema)
		return &strictjson.Form{Text: check}, ok
	case schema.Type.Is(openapi3.TypeInteger):
		return &strictjson.Form{Whole: func(n int64) bool {
			return (schema.Min == nil || float64(n) >= *schema.Min) && (schema.Max == nil || float64(n) <= *schema.Max)
		}}, true
	case schema.Type.Is(openapi3.TypeBoolean):
		return &strictjson.Form{Bool: true}, true
	}
	return nil, false
}

func objectForm(schema *openapi3.Schema) (*strictjson.ObjectForm, bool) {
	others := schema.AdditionalProperties.Has
	form := &strictjson.ObjectForm{Members: map[string]strictjson.Member{}, Others: others == nil || *others, Required: len(schema.Required)}
	for name, property := range schema.Properties {
		member, ok := formOf(property.Value, nil)
		if !ok {
			return form, false
		}
		form.Members[name] = strictjson.Member{Form: member, Required: slices.Contains(schema.Required, name)}
	}
	for _, name := range schema.Required {
		if _, known := form.Members[name]; !known {
			return form, false
		}
	}
	return form, schema.AdditionalProperties.Schema == nil
}

// textRules gives the check of a string.
func textRules(schema *openapi3.Schema) (check func(string) bool, ok bool) {
	format, known := formats[schema.Format]
	if schema.Format != "" && !known {
		return nil, false
	}
	var words []string
	for _, word := range schema.Enum {
		text, isText := word.(string)
		if !isText {
			return nil, false
		}
		words = append(words, text)
	}
	return func(text string) bool {
		return (words == nil || slices.Contains(words, text)) && (format == nil || format(text) == nil) && hasLength(text, schema)
	}, true
}

func hasLength(text string, schema *openapi3.Schema) bool {
	if schema.MinLength == 0 && schema.MaxLength == nil {
		return true
	}
	n := uint64(utf8.RuneCountInString(text))
	return n >= schema.MinLength && (schema.MaxLength == nil || n <= *schema.MaxLength)
}

// knownRules tells whether formOf knows each rule of a schema.
func knownRules(schema *openapi3.Schema) bool {
	rest := *schema
	rest.Extensions, rest.Origin, rest.Title, rest.Description, rest.Example, rest.Examples = nil, nil, "", "", nil, nil
	rest.Type, rest.Format, rest.Enum = nil, "", nil
	rest.Required, rest.Properties, rest.AdditionalProperties = nil, nil, openapi3.AdditionalProperties{}
	rest.Items, rest.MinItems, rest.MaxItems = nil, 0, nil
	rest.MinLength, rest.MaxLength, rest.Min, rest.Max = 0, nil, nil, nil
	return reflect.ValueOf(rest).IsZero() && (schema.Type.Is(openapi3.TypeString) || schema.Enum == nil && schema.Format == "")
}
