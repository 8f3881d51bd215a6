package domain

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reading is one definition being read: what it may refer to and what was found wrong so far.
type reading struct {
	problemList
	env         Environment
	expressions int // bytes of the different expressions compiled so far
}

// object is an object of the document being read. Its getters note a problem for a value of the wrong type
// or outside its bounds; ok is false then, and when the key is not there.
type object struct {
	r       *reading
	at      place
	members map[string]any
}

// homes says under which key one belongs that people put on the wrong level.
var homes = map[string]string{
	"url": "webhook", "endpoint": "webhook", "path": "webhook", "timeout": "webhook", "headers": "webhook", "max_in_flight": "webhook",
	"max_attempts": "retry", "initial": "retry", "multiplier": "retry", "max_reattempts": "on_exception", "then": "on_exception",
	"before_step_starts": "hooks",
}

// object begins to read an object that may have the known keys.
func (r *reading) object(v any, at place, known []string) (object, bool) {
	members, ok := v.(map[string]any)
	if !ok {
		r.add(at, "expected an object, not %s", describeValue(v))
		return object{}, false
	}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if slices.Contains(known, key) {
			continue
		}
		switch home, elsewhere := homes[key]; {
		case key == "at" && slices.Contains(known, "wait"):
			r.add(at.key(key), "a step waits by wait; at is for creating, for reattempt and for next in an answer")
		case elsewhere && slices.Contains(known, home):
			r.add(at.key(key), "%q is not known here; it goes under %s", key, home)
		default:
			r.add(at.key(key), "%s is not known here%s", quoted(key), hintOrList(key, known))
		}
	}
	return object{r: r, at: at, members: members}, true
}

func hintOrList(word string, known []string) string {
	if hint := didYouMean(word, known); hint != "" {
		return hint
	}
	return "; known are " + strings.Join(known, ", ")
}

// get gives what is under a key. An empty value is a problem: it is a forgotten one, or a try to unset what
// cannot be unset.
func (o object) get(key string) (v any, at place, ok bool) {
	v, ok = o.members[key]
	at = o.at.key(key)
	if ok && v == nil {
		o.r.add(at, "the value is missing; give one, or leave %s out", key)
		return nil, at, false
	}
	return v, at, ok
}

func (o object) has(key string) bool { _, ok := o.members[key]; return ok }

func (o object) text(key string) (string, place, bool) {
	v, at, ok := o.get(key)
	if !ok {
		return "", at, false
	}
	s, ok := v.(string)
	if !ok {
		o.r.add(at, "expected a string, not %s%s", describeValue(v), quoteIt(v))
	}
	return s, at, ok
}

// quoteIt tells how to make a string of a value that YAML read as something else.
func quoteIt(v any) string {
	switch v.(type) {
	case bool, json.Number:
		return "; put it in quotes"
	}
	return ""
}

func (o object) boolean(key string) (bool, bool) {
	v, at, ok := o.get(key)
	if !ok {
		return false, false
	}
	b, ok := v.(bool)
	if ok {
		return b, true
	}
	hint := ""
	if s, text := v.(string); text && slices.Contains([]string{"yes", "no", "on", "off", "y", "n"}, strings.ToLower(s)) {
		hint = "; YAML 1.2 has only true and false"
	}
	o.r.add(at, "expected true or false, not %s%s", describeValue(v), hint)
	return false, false
}

func (o object) whole(key string, lo, hi int) (int, bool) {
	v, at, ok := o.get(key)
	if !ok {
		return 0, false
	}
	number, isNumber := v.(json.Number)
	n, err := strconv.Atoi(string(number))
	switch {
	case !isNumber:
		o.r.add(at, "expected a whole number from %d to %d, not %s%s", lo, hi, describeValue(v), unquoteIt(v))
		return 0, false
	case err != nil || n < lo || n > hi:
		o.r.add(at, "expected a whole number from %d to %d, not %s", lo, hi, describeValue(v))
		return 0, false
	}
	return n, true
}

// unquoteIt tells that a number was written as a string.
func unquoteIt(v any) string {
	if s, ok := v.(string); ok {
		if _, err := strconv.ParseFloat(s, 64); err == nil {
			return "; leave out the quotes"
		}
	}
	return ""
}

func (o object) number(key string, lo, hi float64) (float64, bool) {
	v, at, ok := o.get(key)
	if !ok {
		return 0, false
	}
	number, isNumber := v.(json.Number)
	f, err := number.Float64()
	if !isNumber || err != nil || f < lo || f > hi {
		o.r.add(at, "expected a number from %v to %v, not %s%s", lo, hi, describeValue(v), unquoteIt(v))
		return 0, false
	}
	return f, true
}

// duration reads a duration of at least lo (0 is let pass where zero is set) and at most hi.
func (o object) duration(key string, lo, hi time.Duration, zero bool) (time.Duration, bool) {
	v, at, ok := o.get(key)
	if !ok {
		return 0, false
	}
	s, isText := v.(string)
	if !isText {
		shown, _ := v.(json.Number)
		o.r.add(at, "%v", notADuration(string(shown)))
		return 0, false
	}
	d, err := ParseDuration(s)
	switch {
	case err != nil:
		o.r.add(at, "%v", err)
		return 0, false
	case d < lo && !(d == 0 && zero) || d > hi:
		o.r.add(at, "%s is out of bounds; %s may be %s to %s", quoted(s), key, FormatDuration(lo), FormatDuration(hi))
		return 0, false
	}
	return d, true
}

// name reads a name of the kind CheckName takes. A bad one is given too, so that what refers to it finds it.
func (o object) name(key string) (string, bool) {
	s, at, ok := o.text(key)
	if !ok {
		return "", false
	}
	if err := CheckName(s); err != nil {
		o.r.add(at, "%v", err)
	}
	return s, true
}

// describeValue says what a value of the tree is, for messages.
func describeValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return "the string " + quoted(v)
	case json.Number:
		return shorten(string(v), 40)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "a list"
	}
	return "an object"
}
