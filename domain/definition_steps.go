package domain

import (
	"encoding/json"
	"fmt"
)

var (
	settingsKeys = []string{"webhook", "queue", "priority", "on_exception", "retry", "callback_timeout"}
	stepKeys     = append([]string{"name", "wait", "params", "repeat", "skip_if", "if", "before_step", "after_step"}, settingsKeys...)
)

// writtenStep is a step as its author wrote it.
type writtenStep struct {
	at       place
	name     string // "step_{position}" for an anonymous one
	repeat   int
	step     Step // wait, params and conditions
	settings Settings
	before   string // the step it is placed before, or
	after    string // after
}

// anchorKey is the key under which a step that is placed beside another one names that.
func (w *writtenStep) anchorKey() string {
	if w.before != "" {
		return "before_step"
	}
	return "after_step"
}

func (o object) steps(key string) []writtenStep {
	v, at, ok := o.get(key)
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		o.r.add(at, "expected a list of steps, not %s", describeValue(v))
		return nil
	}
	steps := make([]writtenStep, 0, len(list))
	total := 0
	for i, item := range list {
		s, ok := o.r.object(item, at.index(i), stepKeys)
		if !ok {
			continue
		}
		steps = append(steps, s.step(i))
		total += steps[len(steps)-1].repeat
	}
	if total > MaxSteps {
		o.r.add(at, "the definition has %d steps, repetitions counted; %d are allowed", total, MaxSteps)
		return nil
	}
	return steps
}

func (o object) step(i int) writtenStep {
	w := writtenStep{at: o.at, name: fmt.Sprintf("step_%d", i+1), repeat: 1, settings: o.settings()}
	if name, ok := o.name("name"); ok {
		w.name = name
	}
	if n, ok := o.whole("repeat", 1, MaxSteps); ok {
		w.repeat = n
	}
	w.step.Wait, _ = o.duration("wait", 0, MaxDuration, true)
	w.step.Params = o.params("params")
	if o.has("skip_if") && o.has("if") {
		o.r.add(o.at.key("if"), "give either skip_if or its opposite if, not both")
	}
	w.step.SkipIf = o.condition("skip_if")
	w.step.If = o.condition("if")
	w.before = o.anchor("before_step")
	w.after = o.anchor("after_step")
	if o.has("before_step") && o.has("after_step") {
		o.r.add(o.at.key("after_step"), "the step %q has both before_step and after_step; give one of them", w.name)
		w.before, w.after = "", ""
	}
	return w
}

// anchor reads the name of the step beside which this one is placed; "" if there is none.
func (o object) anchor(key string) string {
	name, at, ok := o.text(key)
	if ok && name == "" {
		o.r.add(at, "the name is empty; name a step, or leave %s out", key)
	}
	return name
}

func (o object) params(key string) json.RawMessage {
	v, at, ok := o.get(key)
	if !ok {
		return nil
	}
	if _, ok := v.(map[string]any); !ok {
		o.r.add(at, "expected an object, not %s", describeValue(v))
		return nil
	}
	raw, err := canonicalJSON(v)
	switch {
	case err != nil:
		o.r.add(at, "the params cannot be written as JSON")
	case len(raw) > MaxParamsBytes:
		o.r.add(at, "the params have %d bytes as JSON; %d are allowed", len(raw), MaxParamsBytes)
	}
	return raw
}
