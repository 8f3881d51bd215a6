package domain

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Bounds of conditions.
const (
	MaxExpressionBytes  = 2 << 10
	MaxExpressionsBytes = 64 << 10 // of all different expressions of one definition: compiling takes time
	MaxCancelConditions = 100
	MaxNamedConditions  = 200
)

// String shows a condition as its author wrote it.
func (c Condition) String() string {
	switch {
	case c.Literal != nil:
		return strconv.FormatBool(*c.Literal)
	case c.Named != "":
		return "{condition: " + c.Named + "}"
	}
	return c.Expression
}

// ConditionError says that a condition gave no answer. It becomes the error condition_error of the attempt.
type ConditionError struct {
	Condition Condition
	Cause     string // a sentence without the expression
}

func (e *ConditionError) Error() string {
	return fmt.Sprintf("The condition %s failed: %s", shorten(e.Condition.String(), 200), sentence(e.Cause))
}

// condition reads true, false, an expression or {condition: name}. Whether the expression compiles and the
// name exists is checkConditions' business.
func (o object) condition(key string) *Condition {
	v, at, ok := o.get(key)
	if !ok {
		return nil
	}
	c, ok := o.r.oneCondition(v, at)
	if !ok {
		return nil
	}
	return &c
}

func (r *reading) oneCondition(v any, at place) (Condition, bool) {
	if members, isObject := v.(map[string]any); isObject {
		o, _ := r.object(members, at, []string{"condition"})
		if !o.has("condition") {
			r.add(at, "expected {condition: name}; the name is missing")
		}
		name, _, ok := o.text("condition")
		return Condition{Named: name}, ok
	}
	return r.plainCondition(v, at)
}

func (r *reading) plainCondition(v any, at place) (Condition, bool) {
	switch v := v.(type) {
	case bool:
		return Condition{Literal: &v}, true
	case string:
		switch {
		case v == "":
			r.add(at, "the expression is empty")
		case len(v) > MaxExpressionBytes:
			r.add(at, "the expression has %d bytes; %d are allowed", len(v), MaxExpressionBytes)
		default:
			return Condition{Expression: v}, true
		}
		return Condition{}, false
	}
	r.add(at, "expected true, false or an expression in a string, not %s", describeValue(v))
	return Condition{}, false
}

// conditions reads the named conditions; those are not named in turn, so that there can be no circle.
func (o object) conditions(key string) map[string]Condition {
	v, at, ok := o.get(key)
	if !ok {
		return nil
	}
	members, ok := v.(map[string]any)
	if !ok {
		o.r.add(at, "expected an object of names and conditions, not %s", describeValue(v))
		return nil
	}
	if len(members) > MaxNamedConditions {
		o.r.add(at, "there are %d named conditions; %d are allowed", len(members), MaxNamedConditions)
		return nil
	}
	out := make(map[string]Condition, len(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		here := at.key(name)
		if err := CheckName(name); err != nil {
			o.r.add(here, "%v", err)
		}
		if c, ok := o.r.plainCondition(members[name], here); ok {
			out[name] = c
		} else {
			out[name] = Condition{Literal: new(bool)} // noted; what refers to it finds it
		}
	}
	return out
}

// conditionList reads cancel_if: one condition or a list of them, any of which cancels. Entries that are no
// condition are kept as false, so that positions stay.
func (o object) conditionList(key string) []Condition {
	v, at, ok := o.get(key)
	if !ok {
		return nil
	}
	list, isList := v.([]any)
	if !isList {
		if c, ok := o.r.oneCondition(v, at); ok {
			return []Condition{c}
		}
		return nil
	}
	if len(list) > MaxCancelConditions {
		o.r.add(at, "there are %d conditions; %d are allowed", len(list), MaxCancelConditions)
		return nil
	}
	out := make([]Condition, 0, len(list))
	for i, item := range list {
		c, ok := o.r.oneCondition(item, at.index(i))
		if !ok {
			c = Condition{Literal: new(bool)}
		}
		out = append(out, c)
	}
	return out
}

// checkConditions compiles every expression of the document and looks up every name. What was inherited has
// been checked when the parent was registered.
func (r *reading) checkConditions(def *Definition, o object, written []writtenStep) {
	defer func() {
		if r.expressions > MaxExpressionsBytes {
			r.add(root, "the expressions of the definition have more than %d bytes together; name the ones that are used often under conditions", MaxExpressionsBytes)
		}
	}()
	if own, ok := o.members["conditions"].(map[string]any); ok {
		for _, name := range slices.Sorted(maps.Keys(own)) {
			r.checkCondition(def, def.Conditions[name], root.key("conditions").key(name))
		}
	}
	inherited := len(def.CancelIf) - countConditions(o.members["cancel_if"])
	for i, c := range def.CancelIf[max(0, inherited):] {
		at := root.key("cancel_if")
		if _, list := o.members["cancel_if"].([]any); list {
			at = at.index(i)
		}
		r.checkCondition(def, c, at)
	}
	for _, w := range written {
		if w.step.SkipIf != nil {
			r.checkCondition(def, *w.step.SkipIf, w.at.key("skip_if"))
		}
		if w.step.If != nil {
			r.checkCondition(def, *w.step.If, w.at.key("if"))
		}
	}
}

func countConditions(written any) int {
	switch v := written.(type) {
	case nil:
		return 0
	case []any:
		return len(v)
	}
	return 1
}

func (r *reading) checkCondition(def *Definition, c Condition, at place) {
	switch {
	case c.Named != "":
		if _, known := def.Conditions[c.Named]; known {
			return
		}
		names := slices.Sorted(maps.Keys(def.Conditions))
		hint := didYouMean(c.Named, names)
		if hint == "" && len(names) == 0 {
			hint = "; the definition has none under conditions"
		}
		r.add(at, "there is no condition named %s%s", quoted(c.Named), hint)
	case c.Expression != "" && r.expressions <= MaxExpressionsBytes:
		if !def.programs.has(c.Expression) {
			r.expressions += len(c.Expression)
		}
		if _, err := def.programs.compile(c.Expression); err != nil {
			r.add(at, "%v", err)
		}
	}
}
