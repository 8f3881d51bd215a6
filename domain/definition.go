package domain

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// FormatVersion is the number stored with every definition. A server does not claim workflows whose
// definition has a higher one (DESIGN section 6).
const FormatVersion = 1

// Limits and defaults of a definition (DESIGN section 6).
const (
	MaxSourceBytes   = 1 << 20 // of the document as it was sent
	MaxResolvedBytes = 4 << 20 // of the definition as it is stored
	MaxParamsBytes   = 16 << 10
	MaxSteps         = 1000 // repetitions counted
	MaxDuration      = 10 * 365 * 24 * time.Hour
	DefaultQueue     = "default"
	DefaultPriority  = 5
)

// Definition is a workflow type as registered: resolved (extends, order, inheritance of settings), validated
// and immutable per (Type, Version). Every setting a step can inherit has been resolved into the step.
//
// Its JSON is what is stored; UnmarshalDefinition reads it back.
type Definition struct {
	Type          string               `json:"type"`
	Version       int                  `json:"-"`
	Format        int                  `json:"-"`
	Source        json.RawMessage      `json:"-"`                 // the document as its author wrote it, as JSON with sorted keys
	Extends       []Ancestor           `json:"extends,omitempty"` // parent, grandparent, …
	Settings      Settings             `json:"settings,omitzero"` // the parent's included: what a child starts from
	AllowMultiple bool                 `json:"allow_multiple,omitempty"`
	CancelIf      []Condition          `json:"cancel_if,omitempty"`
	Conditions    map[string]Condition `json:"conditions,omitempty"`
	Hooks         Hooks                `json:"hooks,omitzero"`
	Steps         []Step               `json:"steps"`

	programs *programs // compiled expressions; nil: each evaluation compiles
}

// Ancestor is a definition that another one extends, in the version its settings were taken from.
type Ancestor struct {
	Type    string `json:"type"`
	Version int    `json:"version"`
}

// Settings are what both a definition and a step may say; the step's win. A zero field says nothing.
type Settings struct {
	Webhook         *Webhook       `json:"webhook,omitempty"`
	Queue           string         `json:"queue,omitempty"`
	Priority        *int           `json:"priority,omitempty"`
	OnException     *OnException   `json:"on_exception,omitempty"`
	Retry           *Retry         `json:"retry,omitempty"` // its zero fields say nothing
	CallbackTimeout *time.Duration `json:"callback_timeout,omitempty"`
}

// Step is one step of a definition with all its effective settings.
type Step struct {
	Name            string          `json:"name"`
	Wait            time.Duration   `json:"wait,omitempty"`
	Params          json.RawMessage `json:"params,omitempty"` // a JSON object, or absent
	Webhook         Webhook         `json:"webhook"`
	Hook            *Webhook        `json:"hook,omitempty"` // before_step_starts; nil: none
	SkipIf          *Condition      `json:"skip_if,omitempty"`
	If              *Condition      `json:"if,omitempty"`
	OnException     OnException     `json:"on_exception"`
	Retry           Retry           `json:"retry"`
	CallbackTimeout time.Duration   `json:"callback_timeout,omitempty"` // 0: a 202 is unexpected_202
	Queue           string          `json:"queue"`
	Priority        int             `json:"priority"`
}

// Webhook says where a step is delivered: a URL, or a named endpoint and a path below its base URL.
type Webhook struct {
	URL         string            `json:"url,omitempty"`
	Endpoint    string            `json:"endpoint,omitempty"`
	Path        string            `json:"path,omitempty"`
	Timeout     time.Duration     `json:"timeout,omitempty"` // 0: the endpoint's, else DefaultWebhookTimeout
	Headers     map[string]string `json:"headers,omitempty"`
	MaxInFlight int               `json:"max_in_flight,omitempty"` // 0: the endpoint's, else DefaultMaxInFlight
}

// Defaults and bounds of a delivery (DESIGN section 5).
const (
	DefaultWebhookTimeout = 30 * time.Second
	MaxWebhookTimeout     = 10 * time.Minute
	DefaultMaxInFlight    = 64
)

// Hooks are the definition's hooks as written, merged over the parent's. Step.Hook has them resolved.
type Hooks struct {
	BeforeStepStarts *Webhook `json:"before_step_starts,omitempty"`
}

// Condition is true, false, an expression (CEL) or the name of a condition of the definition. Exactly one
// of the three is set.
type Condition struct {
	Literal    *bool  `json:"literal,omitempty"`
	Expression string `json:"expression,omitempty"`
	Named      string `json:"condition,omitempty"`
}

// ExceptionAction is what happens to a workflow whose step has failed for good.
type ExceptionAction string

// The exception actions.
const (
	OnExceptionPause     ExceptionAction = "pause"
	OnExceptionCancel    ExceptionAction = "cancel"
	OnExceptionSkip      ExceptionAction = "skip"
	OnExceptionReattempt ExceptionAction = "reattempt"
)

// OnException is the policy for a step that has failed for good.
type OnException struct {
	Action        ExceptionAction `json:"action"`
	MaxReattempts int             `json:"max_reattempts,omitempty"` // with reattempt: exceptions in a row, default 25
	Then          ExceptionAction `json:"then,omitempty"`           // with reattempt: after that, default pause; never reattempt
	Wait          *time.Duration  `json:"wait,omitempty"`           // with reattempt: nil means the step's own wait, at least 1 s
}

// Retry is the backoff between failed attempts of one execution.
type Retry struct {
	MaxAttempts int           `json:"max_attempts"`
	Initial     time.Duration `json:"initial"`
	Multiplier  float64       `json:"multiplier"`
	Max         time.Duration `json:"max"`
}

// DefaultRetry rides out an outage of several hours (DESIGN section 5).
var DefaultRetry = Retry{MaxAttempts: 12, Initial: 5 * time.Second, Multiplier: 4, Max: time.Hour}

// UsesCallbacks reports whether a step takes late answers, for which the server must know its public URL.
func (d *Definition) UsesCallbacks() bool {
	return slices.ContainsFunc(d.Steps, func(s Step) bool { return s.CallbackTimeout > 0 })
}

// Step gives the step of that name and its position, or ok=false.
func (d *Definition) Step(name string) (step *Step, index int, ok bool) {
	for i := range d.Steps {
		if d.Steps[i].Name == name {
			return &d.Steps[i], i, true
		}
	}
	return nil, -1, false
}

// StepMissing is the error of an execution whose step is not there. It pauses the workflow.
func (d *Definition) StepMissing(name string) ExecutionError {
	return ExecutionError{Code: ErrStepMissing, Message: fmt.Sprintf("Version %d of %s has no step %q.", d.Version, d.Type, name)}
}

// StepAfter gives the step that follows the named one; nil when that is the last. ok is false when the
// named step is not there.
func (d *Definition) StepAfter(name string) (next *Step, ok bool) {
	_, i, ok := d.Step(name)
	if !ok || i+1 == len(d.Steps) {
		return nil, ok
	}
	return &d.Steps[i+1], true
}
