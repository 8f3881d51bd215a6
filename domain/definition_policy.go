package domain

import (
	"slices"
	"time"
)

// Bounds of the policies as written.
const (
	DefaultMaxReattempts = 25
	MaxMaxReattempts     = 10_000
	MaxMaxAttempts       = 100
	MinBackoff           = time.Millisecond
	MaxMultiplier        = 100
	MinCallbackTimeout   = time.Second
	MaxPriority          = 9
)

var (
	retryKeys       = []string{"max_attempts", "initial", "multiplier", "max"}
	onExceptionKeys = []string{"action", "max_reattempts", "then", "wait"}

	exceptionWords = []string{string(OnExceptionPause), string(OnExceptionCancel), string(OnExceptionSkip), string(OnExceptionReattempt)}
	thenWords      = exceptionWords[:3]
)

// settings reads what definition and step have in common.
func (o object) settings() Settings {
	s := Settings{Webhook: o.webhook("webhook"), OnException: o.onException("on_exception"), Retry: o.retry("retry"), Queue: o.queue("queue")}
	if p, ok := o.whole("priority", 0, MaxPriority); ok {
		s.Priority = &p
	}
	if d, ok := o.duration("callback_timeout", MinCallbackTimeout, MaxDuration, true); ok {
		s.CallbackTimeout = &d
	}
	return s
}

func (o object) queue(key string) string {
	name, at, ok := o.text(key)
	if !ok {
		return ""
	}
	if err := CheckQueueName(name); err != nil {
		o.r.add(at, "%v", err)
	} else if known := o.r.env.Queues; known != nil && !slices.Contains(known, name) {
		o.r.add(at, "there is no queue %s%s", quoted(name), hintOrList(name, known))
	}
	return name
}

func (o object) retry(key string) *Retry {
	v, at, ok := o.get(key)
	if !ok {
		return nil
	}
	r, ok := o.r.object(v, at, retryKeys)
	if !ok {
		return nil
	}
	out := &Retry{}
	out.MaxAttempts, _ = r.whole("max_attempts", 1, MaxMaxAttempts)
	out.Initial, _ = r.duration("initial", MinBackoff, MaxDuration, false)
	out.Multiplier, _ = r.number("multiplier", 1, MaxMultiplier)
	out.Max, _ = r.duration("max", MinBackoff, MaxDuration, false)
	if out.Initial > 0 && out.Max > 0 && out.Initial > out.Max {
		o.r.add(r.at.key("max"), "the longest wait, max (%s), is less than the first, initial (%s)", FormatDuration(out.Max), FormatDuration(out.Initial))
	}
	return out
}

// over merges a retry policy over the one it inherits, key by key.
func (r *Retry) over(base *Retry) *Retry {
	switch {
	case r == nil:
		return base
	case base == nil:
		return r
	}
	out := *base
	if r.MaxAttempts != 0 {
		out.MaxAttempts = r.MaxAttempts
	}
	if r.Initial != 0 {
		out.Initial = r.Initial
	}
	if r.Multiplier != 0 {
		out.Multiplier = r.Multiplier
	}
	if r.Max != 0 {
		out.Max = r.Max
	}
	return &out
}

// onException reads a word, or an object; with defaults filled in.
func (o object) onException(key string) *OnException {
	v, at, ok := o.get(key)
	if !ok {
		return nil
	}
	if word, isText := v.(string); isText {
		out := &OnException{Action: ExceptionAction(word)}
		o.r.word(at, word, exceptionWords)
		return out.withDefaults()
	}
	e, ok := o.r.object(v, at, onExceptionKeys)
	if !ok {
		return nil
	}
	out := &OnException{}
	if word, where, ok := e.text("action"); ok {
		o.r.word(where, word, exceptionWords)
		out.Action = ExceptionAction(word)
	} else if !e.has("action") {
		o.r.add(at, "the action is missing; it is one of pause, cancel, skip and reattempt")
	}
	if out.Action != OnExceptionReattempt && slices.Contains(exceptionWords, string(out.Action)) {
		for _, key := range onExceptionKeys[1:] {
			if e.has(key) {
				o.r.add(e.at.key(key), "the key %s goes only with the action reattempt", key)
			}
		}
		return out
	}
	out.MaxReattempts, _ = e.whole("max_reattempts", 1, MaxMaxReattempts)
	if word, at, ok := e.text("then"); ok {
		if word == string(OnExceptionReattempt) {
			o.r.add(at, "what follows when reattempting did not help cannot be reattempt")
		} else {
			o.r.word(at, word, thenWords)
		}
		out.Then = ExceptionAction(word)
	}
	if d, ok := e.duration("wait", 0, MaxDuration, true); ok {
		out.Wait = &d
	}
	return out.withDefaults()
}

func (e *OnException) withDefaults() *OnException {
	if e.Action != OnExceptionReattempt {
		return e
	}
	if e.MaxReattempts == 0 {
		e.MaxReattempts = DefaultMaxReattempts
	}
	if e.Then == "" {
		e.Then = OnExceptionPause
	}
	return e
}

// word notes a problem when a word is not one of the known ones.
func (r *reading) word(at place, word string, known []string) {
	if !slices.Contains(known, word) {
		r.add(at, "%s is not one of the words allowed here%s", quoted(word), hintOrList(word, known))
	}
}

// over merges settings over inherited ones: webhook and retry key by key, the others whole.
func (s Settings) over(base Settings) Settings {
	s.Webhook = s.Webhook.over(base.Webhook)
	s.Retry = s.Retry.over(base.Retry)
	if s.Queue == "" {
		s.Queue = base.Queue
	}
	if s.Priority == nil {
		s.Priority = base.Priority
	}
	if s.OnException == nil {
		s.OnException = base.OnException
	}
	if s.CallbackTimeout == nil {
		s.CallbackTimeout = base.CallbackTimeout
	}
	return s
}

// apply gives a step these settings, and the defaults for what they do not say.
func (s Settings) apply(step *Step) {
	step.Queue, step.Priority = DefaultQueue, DefaultPriority
	step.OnException = OnException{Action: OnExceptionPause}
	step.Retry = *s.Retry.over(&DefaultRetry)
	if s.Queue != "" {
		step.Queue = s.Queue
	}
	if s.Priority != nil {
		step.Priority = *s.Priority
	}
	if s.OnException != nil {
		step.OnException = *s.OnException
	}
	if s.CallbackTimeout != nil {
		step.CallbackTimeout = *s.CallbackTimeout
	}
}
