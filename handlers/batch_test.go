package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

const batch = "/v1/workflows/batch"

// batchWith is a batch of members.
func batchWith(members ...string) string {
	return `{"workflows":[` + strings.Join(members, ",") + `]}`
}

func TestBadBatch(t *testing.T) {
	const request = "POST " + batch
	refuseAll(t, []badInput{
		{name: "nothing", request: request, code: domain.CodeUnreadableBody},
		{name: "no list", request: request, body: `{}`, code: domain.CodeInvalidRequest, places: []string{"#/workflows"}},
		{name: "an empty list", request: request, body: batchWith(), code: domain.CodeInvalidRequest, places: []string{"#/workflows"}},
		{name: "too many", request: request, body: batchWith(slices.Repeat([]string{`{}`}, engine.MaxCreateBatch+1)...), code: domain.CodeInvalidRequest, places: []string{"#/workflows"}},
		{name: "a list that is none", request: request, body: `{"workflows":{}}`, code: domain.CodeInvalidRequest, places: []string{"#/workflows"}},
		{name: "an unknown property", request: request, body: `{"workflows":[{}],"x":1}`, code: domain.CodeInvalidRequest, places: []string{"#/x"}},
		{name: "a bare list", request: request, body: `[]`, code: domain.CodeInvalidRequest, places: []string{"#"}},
		{name: "a duplicate key in a member", request: request, body: batchWith(createWith(""), createWith(`,"type":"B"`)), code: domain.CodeUnreadableBody},
		{name: "over 8 MiB", request: request, body: batchWith(strings.Repeat(" ", maxBatchBytes)), code: domain.CodeBodyTooLarge},
		{name: "a bad key", request: request, body: batchWith(createWith("")), headers: []string{"Idempotency-Key", "a b"}, code: domain.CodeInvalidIdempotencyKey, places: []string{"Idempotency-Key"}},
		{name: "a query", request: request + "?x=1", body: batchWith(createWith("")), code: domain.CodeInvalidQuery, places: []string{"x"}},
	})
}

// Each member of a batch has the problem that it would have alone, with pointers into it.
func TestBadMembersOfABatch(t *testing.T) {
	tests := []struct {
		name, member string
		places       []string
	}{
		{"no object", `7`, []string{"#"}},
		{"nothing", `null`, []string{"#"}},
		{"empty", `{}`, []string{"#/type", "#/subject"}},
		{"an unknown property", createWith(`,"dta":{}`), []string{"#/dta"}},
		{"wait and at", createWith(`,"wait":"1h","at":"2026-01-02T03:04:05Z"`), []string{"#/at"}},
		{"a wait that is none", createWith(`,"wait":"soon"`), []string{"#/wait"}},
		{"a version that is no whole number as written", createWith(`,"definition_version":1e0`), []string{"#/definition_version"}},
		{"a subject with space at its edge", `{"type":"A","subject":{"type":"User","id":" 1"}}`, []string{"#/subject/id"}},
		{"a type that is no name", `{"type":"9","subject":{"type":"User","id":"1"}}`, []string{"#/type"}},
	}
	members := make([]string, len(tests))
	for i, tt := range tests {
		members[i] = tt.member
	}
	e := newEdge(t, overRealHandlers)
	w := e.do("POST", batch, batchWith(members...))
	var answer struct {
		Items []struct {
			Status  int
			Problem problem
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK || len(answer.Items) != len(tests) {
		t.Fatalf("%d %v: %s", w.Code, err, w.Body)
	}
	for i, tt := range tests {
		item := answer.Items[i]
		if item.Status != 422 || item.Problem.Code != domain.CodeInvalidRequest || !slices.Equal(places(item.Problem), tt.places) {
			t.Errorf("%s: %d %s at %q, want places %q", tt.name, item.Status, item.Problem.Code, places(item.Problem), tt.places)
		}
	}
}

// A create and a batch share the schema of a member, whichever the contract names first.
func TestABatchLeavesCreatesAlone(t *testing.T) {
	for i := range 5 { // the contract's paths come in another order each time
		c, err := newContract()
		if err != nil {
			t.Fatal(err)
		}
		create, many := c.operations["POST /v1/workflows"], c.operations["POST "+batch]
		if create.body != many.member || fmt.Sprint(create.body.exclusive) != "[wait at]" || create.member != nil {
			t.Errorf("reading %d: %+v, %+v", i, create.body, many.member)
		}
		if create.maxBytes != maxBodyBytes || many.maxBytes != maxBatchBytes || many.timeLimit != slowTimeout {
			t.Errorf("reading %d: bounds of %d and %d bytes, %v", i, create.maxBytes, many.maxBytes, many.timeLimit)
		}
	}
}
