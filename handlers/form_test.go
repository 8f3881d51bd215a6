package handlers

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// inOrder are bodies that fit the contract, by operation.
var inOrder = map[string][]string{
	"POST /v1/workflows": {createWith(""), createWith(`,"at":"2026-01-02T03:04:05Z"`),
		createWith(` , "data":{"a":[1.5,{}],"é":null},"allow_multiple":true,"definition_version":3,"on_conflict":"reject","wait":"2d"`)},
	"POST /v1/workflows/batch":      {`{"workflows":[` + createWith("") + `, ` + createWith(`,"at":"2026-01-02T03:04:05Z"`) + `]}`},
	"POST /v1/workflows/bulk":       {`{"verb":"cancel","filter":{"type":["SignupWorkflow"],"state":["paused"]},"limit":5,"dry_run":false}`},
	"POST /v1/workflows/{id}/skip":  {`{}`, `{"reason":"héhé","step_execution_id":"` + workflowID + `"}`},
	"PATCH /v1/workflows/{id}/data": {`{"a":{"b":null}}`},
	"POST /v1/presence":             {`{"type":"SignupWorkflow","subject_type":"User","subject_ids":["1","2"]}`},
}

func TestBodiesInOrderFitTheirForm(t *testing.T) {
	c := contractOf(t)
	for route, list := range inOrder {
		for _, body := range list {
			if form := c.operations[route].body.form; form == nil || !form.Fits([]byte(body)) {
				t.Errorf("%s %s does not fit", route, body)
			}
		}
	}
}

// A rule that formOf does not know, or a place for one, makes it give up.
func TestUnknownRulesHaveNoForm(t *testing.T) {
	for _, text := range []string{`{"type":"string","pattern":"^a"}`, `{"type":"string","format":"ipv9"}`, `{"type":"string","enum":[1]}`, `{"type":"integer","multipleOf":2}`,
		`{"type":"integer","format":"int32"}`, `{"type":"integer","enum":[1]}`, `{"type":"string","nullable":true}`, `{"type":"object","minProperties":1}`, `{"type":"number"}`, `{}`,
		`{"type":"object","required":["a"]}`, `{"type":"object","additionalProperties":{"type":"string"}}`, `{"type":["string","null"]}`, `{"oneOf":[{"type":"string"}]}`,
		`{"type":"array","uniqueItems":true}`, `{"type":"array","items":{"type":"number"}}`, `{"type":"object","properties":{"a":{"type":"string","readOnly":true}}}`} {
		var schema openapi3.Schema
		if err := json.Unmarshal([]byte(text), &schema); err != nil {
			t.Fatal(err)
		}
		if _, ok := formOf(&schema, nil); ok {
			t.Errorf("%s has a form", text)
		}
	}
}

// FuzzForms: what fits a form, kin-openapi finds nothing wrong with either.
func FuzzForms(f *testing.F) {
	for route, list := range inOrder {
		for _, body := range list {
			f.Add(route, body)
		}
	}
	for _, body := range []string{createWith(`,"wait":"1h","at":"2026-01-02T03:04:05Z"`), createWith(`,"at":"9999-12-31T23:59:59-23:59"`), createWith(`,"definition_version":1.0`), createWith(`,"definition_version":0`),
		createWith(`,"w\u0061it":"1h"`), createWith(`,"data":null`), createWith(`,"data":[]`), createWith(`,"other":1`), createWith(`,"on_conflict":"never"`), `{}`, `[]`, `"x"`} {
		f.Add("POST /v1/workflows", body)
		f.Add("POST /v1/workflows/batch", `{"workflows":[`+body+`]}`)
	}
	f.Add("POST /v1/workflows/batch", `{"workflows":[]}`)
	f.Add("POST /v1/workflows/bulk", `{"verb":"cancel","filter":{"type":[]},"limit":1001}`)
	f.Add("POST /v1/workflows/{id}/skip", `{"reason":"`+strings.Repeat("é", 2000)+`"}`)
	f.Add("POST /v1/presence", `{"type":"A","subject_type":"User","subject_ids":["1"`+strings.Repeat(`,"1"`, 1000)+`]}`)
	c := contractOf(f)
	f.Fuzz(func(t *testing.T, route, body string) { checkForm(t, c, route, body) })
}

// TestABrokenBodyFitsNoForm puts something else in the place of each part of a body that is in order.
func TestABrokenBodyFitsNoForm(t *testing.T) {
	c := contractOf(t)
	for route, list := range inOrder {
		for _, body := range list {
			for at := range len(body) {
				for _, put := range []string{"", "0", "null", "[]", "{}", `""`, "x", "-1", "true"} {
					for end := at; end <= min(len(body), at+14); end++ {
						checkForm(t, c, route, body[:at]+put+body[end:])
					}
				}
			}
		}
	}
}

// checkForm fails if a body fits its form though kin-openapi finds fault with it.
func checkForm(t *testing.T, c *contract, route, body string) {
	op := c.operations[route]
	if op == nil || op.body == nil || op.body.form == nil || strictjson.Check([]byte(body)) != nil || !op.body.form.Fits([]byte(body)) {
		return
	}
	value, err := strictjson.Value([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	faults := c.bodyProblems(op.body, value)
	if op.member != nil {
		faults = append(faults, slices.Concat(c.memberProblems(op, value)...)...)
	}
	if len(faults) > 0 {
		t.Errorf("%s %s fits, but %v", route, body, faults)
	}
}

func contractOf(t testing.TB) *contract {
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
