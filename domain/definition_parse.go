package domain

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Environment is what a definition may refer to outside itself.
type Environment struct {
	// Type is the type the definition is registered under; empty when only the document says it.
	Type string
	// Queues are the queues that may be named; nil: any.
	Queues []string
	// Parent gives the newest version of a type, for extends; nil, or an error with
	// CodeDefinitionNotFound, when there is none. Any other error ends ParseDefinition with it.
	Parent func(typeName string) (*Definition, error)
}

var definitionKeys = append([]string{"type", "extends", "allow_multiple", "conditions", "cancel_if", "hooks", "steps"}, settingsKeys...)

// ParseDefinition reads, resolves and validates a definition. The error has CodeUnreadableBody or
// CodeBodyTooLarge when the document cannot be read, and CodeInvalidDefinition, with every problem found and
// a pointer into the document as it was written, when it can.
func ParseDefinition(source []byte, format SourceFormat, env Environment) (*Definition, error) {
	tree, err := readSource(source, format)
	if err != nil {
		return nil, err
	}
	r := &reading{env: env}
	o, ok := r.object(tree, root, definitionKeys)
	if !ok {
		return nil, r.err(CodeInvalidDefinition)
	}
	def := &Definition{Format: FormatVersion, Settings: o.settings(), programs: newPrograms()}
	def.Type = o.typeName()
	def.AllowMultiple, _ = o.boolean("allow_multiple")
	def.Conditions = o.conditions("conditions")
	def.CancelIf = o.conditionList("cancel_if")
	def.Hooks = o.hooks("hooks")
	if err := o.inherit(def); err != nil {
		return nil, err
	}
	written := o.steps("steps")
	def.Steps = r.resolve(def, o, written)
	if def.Source, err = canonicalJSON(tree); err != nil {
		return nil, fmt.Errorf("definition source: %w", err)
	}
	r.checkConditions(def, o, written)
	if len(r.found) == 0 {
		r.checkSize(def)
	}
	if err := r.err(CodeInvalidDefinition); err != nil {
		return nil, err
	}
	return def, nil
}

// typeName reads type, which may be left out where the environment gives it.
func (o object) typeName() string {
	name, ok := o.name("type")
	want := o.r.env.Type
	switch {
	case ok && want != "" && name != want:
		o.r.add(o.at.key("type"), "the document is of type %s but is registered as %s", quoted(name), quoted(want))
	case ok:
		return name
	case !o.has("type") && want == "":
		o.r.add(o.at, "the type is missing; name the workflow type, for example SignupWorkflow")
	case !o.has("type"):
		if err := CheckName(want); err != nil {
			o.r.add(o.at, "the type it is registered as is no name: %v", err)
		}
	}
	return want
}

func (o object) hooks(key string) Hooks {
	v, at, ok := o.get(key)
	if !ok {
		return Hooks{}
	}
	h, ok := o.r.object(v, at, []string{"before_step_starts"})
	if !ok {
		return Hooks{}
	}
	return Hooks{BeforeStepStarts: h.webhook("before_step_starts")}
}

// inherit merges the definition over the one it extends: settings as a step's over a definition's, conditions
// by name, hooks key by key, and its cancel_if after the parent's.
func (o object) inherit(def *Definition) error {
	name, ok := o.name("extends")
	if !ok || CheckName(name) != nil {
		return nil
	}
	at := o.at.key("extends")
	parent, err := o.parent(name)
	if err != nil {
		return err
	}
	switch {
	case name == def.Type:
		o.r.add(at, "a definition cannot extend itself")
		return nil
	case parent == nil:
		o.r.add(at, "there is no definition %s to extend; register it first", quoted(name))
		return nil
	}
	line := []string{def.Type, name}
	for _, a := range parent.Extends {
		line = append(line, a.Type)
		if a.Type == def.Type {
			o.r.add(at, "the definitions extend each other in a circle: %s", strings.Join(line, " → "))
			return nil
		}
	}
	def.Extends = append([]Ancestor{{Type: parent.Type, Version: parent.Version}}, parent.Extends...)
	headersAt := at
	if own := def.Settings.Webhook; own != nil && len(own.Headers) > 0 {
		headersAt = o.at.key("webhook").key("headers")
	}
	def.Settings = def.Settings.over(parent.Settings)
	o.r.checkMergedHeaders(def.Settings.Webhook, headersAt)
	if !o.has("allow_multiple") {
		def.AllowMultiple = parent.AllowMultiple
	}
	if len(parent.Conditions) > 0 {
		merged := maps.Clone(parent.Conditions)
		maps.Copy(merged, def.Conditions)
		def.Conditions = merged
	}
	def.CancelIf = append(slices.Clone(parent.CancelIf), def.CancelIf...)
	if hook := parent.Hooks.BeforeStepStarts; hook != nil {
		def.Hooks.BeforeStepStarts = def.Hooks.BeforeStepStarts.over(hook)
	}
	return nil
}

func (o object) parent(name string) (*Definition, error) {
	if o.r.env.Parent == nil {
		return nil, nil
	}
	parent, err := o.r.env.Parent(name)
	if err != nil && CodeOf(err) == CodeDefinitionNotFound {
		return nil, nil
	}
	return parent, err
}

// resolve gives the steps in order, with everything they inherit.
func (r *reading) resolve(def *Definition, o object, written []writtenStep) []Step {
	var hook *Webhook
	tellHeaders := def.Settings.Webhook.headersFit() // else that has been told
	if h := def.Hooks.BeforeStepStarts; h != nil {
		merged, at := h.over(def.Settings.Webhook), o.at
		if o.has("hooks") {
			at = at.key("hooks").key("before_step_starts")
		}
		if tellHeaders {
			r.checkMergedHeaders(merged, at)
		}
		w, ok := merged.resolved()
		if !ok && len(written) > 0 {
			r.add(at, "the hook has no receiver; give webhook of the definition, or the hook itself, a url or an endpoint")
		}
		hook = &w
	}
	resolved := make([]Step, len(written))
	for i := range written {
		w := &written[i]
		settings := w.settings.over(def.Settings)
		w.step.Hook = hook
		settings.apply(&w.step)
		if tellHeaders {
			r.checkMergedHeaders(settings.Webhook, w.at.key("webhook").key("headers"))
		}
		var ok bool
		if w.step.Webhook, ok = settings.Webhook.resolved(); !ok {
			r.add(w.at, "the step %s has no receiver; give its webhook, or the definition's, a url or an endpoint", quoted(w.name))
		}
		resolved[i] = w.step
	}
	steps := make([]Step, 0, len(written))
	for _, s := range r.orderSteps(written) {
		step := resolved[s.block]
		step.Name = s.name
		steps = append(steps, step)
	}
	return steps
}

// checkSize bounds what is stored: headers and params that many steps share are stored with each of them.
func (r *reading) checkSize(def *Definition) {
	data, err := json.Marshal(def)
	if err != nil {
		r.add(root, "the definition cannot be stored: %v", err)
	} else if len(data) > MaxResolvedBytes {
		r.add(root, "the definition has %d bytes once every step has its settings; %d are allowed. Use fewer steps, headers or params",
			len(data), MaxResolvedBytes)
	}
}
