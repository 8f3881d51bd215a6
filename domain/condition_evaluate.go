package domain

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// Activation is what the variables of an expression stand for. Nothing of it is decoded unless an expression
// names it; whole numbers become integers.
type Activation struct {
	SubjectType       string
	SubjectID         string
	Attributes        json.RawMessage // pushed for the subject: an object, or empty
	Data              json.RawMessage // of the workflow; empty: {}
	WorkflowID        string
	WorkflowType      string
	DefinitionVersion int
	CreatedAt         time.Time
	StepName          string
	Params            json.RawMessage // of the step; empty: {}
	Attempt           int
	ScheduledFor      time.Time
	Now               time.Time
}

// anyOf gives the first of the conditions that holds, nil when none does. The first that fails ends it.
func (d *Definition) anyOf(ctx context.Context, list []Condition, vars *variables) (*Condition, error) {
	for i := range list {
		holds, err := d.evaluate(ctx, list[i], vars)
		if err != nil {
			return nil, err
		}
		if holds {
			return &list[i], nil
		}
	}
	return nil, nil
}

// evaluate says whether a condition of this definition holds. It stops when ctx ends, or after a bounded
// number of operations. The error is a *ConditionError; a missing key is one, and so is a result that is
// neither true nor false.
func (d *Definition) evaluate(ctx context.Context, c Condition, vars *variables) (bool, error) {
	expression := c
	if c.Named != "" {
		named, ok := d.Conditions[c.Named]
		if !ok {
			return false, &ConditionError{Condition: c, Cause: "there is no condition of this name"}
		}
		expression = named
	}
	switch {
	case expression.Literal != nil:
		return *expression.Literal, nil
	case expression.Expression == "":
		return false, &ConditionError{Condition: c, Cause: "it is empty"}
	}
	program, err := d.programs.compile(expression.Expression)
	if err != nil {
		return false, &ConditionError{Condition: c, Cause: err.Error()}
	}
	holds, cause := evaluate(ctx, program, vars)
	if cause != "" {
		return false, &ConditionError{Condition: c, Cause: cause}
	}
	return holds, nil
}

// variables resolves the variables of expressions, each when it is first used.
type variables struct {
	a     *Activation
	known map[string]any
	err   error // of a document that could not be decoded
}

func newVariables(a *Activation) *variables { return &variables{a: a, known: make(map[string]any, 5)} }

// ResolveName gives a variable to the evaluator.
func (v *variables) ResolveName(name string) (any, bool) {
	value, ok := v.known[name]
	if !ok {
		if value, ok = v.make(name); ok {
			v.known[name] = value
		}
	}
	return value, ok
}

// Parent ends the chain of scopes.
func (v *variables) Parent() cel.Activation { return nil }

func (v *variables) make(name string) (any, bool) {
	a := v.a
	switch name {
	case "now":
		return a.Now, true
	case "data":
		return v.decode("data", a.Data), true
	case "subject":
		subject := v.decode("the subject's attributes", a.Attributes)
		subject["type"], subject["id"] = a.SubjectType, a.SubjectID
		return subject, true
	case "workflow":
		return map[string]any{"id": a.WorkflowID, "type": a.WorkflowType,
			"definition_version": int64(a.DefinitionVersion), "created_at": a.CreatedAt}, true
	case "step":
		return map[string]any{"name": a.StepName, "params": v.decode("params", a.Params),
			"attempt": int64(a.Attempt), "scheduled_for": a.ScheduledFor}, true
	}
	return nil, false
}

func (v *variables) decode(what string, document json.RawMessage) map[string]any {
	if len(document) == 0 {
		return map[string]any{}
	}
	value, err := strictjson.Value(document)
	object, ok := value.(map[string]any)
	switch {
	case err != nil:
		v.err = fmt.Errorf("%s cannot be read: %w", what, err)
	case value != nil && !ok:
		v.err = fmt.Errorf("%s is not an object", what)
	}
	if object == nil {
		object = map[string]any{}
	}
	return object
}
