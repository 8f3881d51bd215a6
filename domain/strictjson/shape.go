package strictjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// kind is what a JSON value is, or what a Go type wants it to be.
type kind uint8

const (
	anything kind = iota
	object
	array
	text
	number
	whole
	boolean
	null
)

var kindNames = [...]string{
	anything: "a value", object: "an object", array: "an array", text: "a string",
	number: "a number", whole: "a whole number", boolean: "true or false", null: "null",
}

// shape is what a Go type takes: the part of reflection a scan needs, computed once per type.
type shape struct {
	want   kind
	fields map[string]*shape // of a struct; a map from anything has none
	names  []string
	elem   *shape       // of an array or map; nil: anything
	custom reflect.Type // has UnmarshalJSON (then want is anything) or UnmarshalText
}

// unknown is the shape of a field that a struct does not have.
var unknown = &shape{}

// element is the shape of an array's elements, nil when it does not matter.
func (sh *shape) element() *shape {
	if sh == nil || sh.want != array {
		return nil
	}
	return sh.elem
}

// field is the shape of the value under a key: nil when it does not matter, unknown when there is no such
// field.
func (sh *shape) field(key []byte) *shape {
	switch {
	case sh == nil || sh.want != object:
		return nil
	case sh.fields == nil:
		return sh.elem
	}
	if f, ok := sh.fields[string(key)]; ok {
		return f
	}
	return unknown
}

var (
	shapes          sync.Map // reflect.Type → *shape
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	rawMessage      = reflect.TypeFor[json.RawMessage]()
)

// shapeOf gives the shape of a type; nil for one that takes anything.
func shapeOf(t reflect.Type) *shape {
	if known, ok := shapes.Load(t); ok {
		return known.(*shape)
	}
	building := map[reflect.Type]*shape{}
	sh := build(t, building)
	known, _ := shapes.LoadOrStore(t, sh)
	return known.(*shape)
}

func build(t reflect.Type, building map[reflect.Type]*shape) *shape {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if known, ok := building[t]; ok {
		return known
	}
	sh := &shape{}
	building[t] = sh
	switch pointer := reflect.PointerTo(t); {
	case t == rawMessage || t.Kind() == reflect.Interface:
		return sh
	case pointer.Implements(unmarshaler):
		sh.custom = t
		return sh
	case pointer.Implements(textUnmarshaler):
		sh.want, sh.custom = text, t
		return sh
	}
	switch t.Kind() {
	case reflect.String:
		sh.want = text
	case reflect.Bool:
		sh.want = boolean
	case reflect.Float32, reflect.Float64:
		sh.want = number
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		sh.want = whole
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			sh.want = text // base64, as encoding/json has it
			break
		}
		sh.want, sh.elem = array, build(t.Elem(), building)
	case reflect.Map:
		sh.want, sh.elem = object, build(t.Elem(), building)
	case reflect.Struct:
		sh.want, sh.fields = object, map[string]*shape{}
		sh.addFields(t, building)
	}
	return sh
}

func (sh *shape) addFields(t reflect.Type, building map[reflect.Type]*shape) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				sh.addFields(inner, building)
			}
			continue
		case !f.IsExported() || name == "-" && options == "":
			continue
		case name == "":
			name = f.Name
		}
		if _, shadowed := sh.fields[name]; !shadowed {
			sh.names = append(sh.names, name)
		}
		if strings.Contains(options, "string") {
			sh.fields[name] = &shape{}
			continue
		}
		sh.fields[name] = build(f.Type, building)
	}
}

// step is one part of the path to where the scanner is; index is -1 for a key.
type step struct {
	key   []byte
	index int
}

// compare notes a fault when a value is not what the shape wants.
func (s *scanner) compare(sh *shape, found kind, raw []byte) {
	switch {
	case found == null && len(s.path) > 0:
		return
	case sh.want == anything && sh.custom == nil:
		return
	case sh.want != anything && found != sh.want && !(found == whole && sh.want == number):
		s.fault("expected " + kindNames[sh.want] + ", not " + describe(found, raw))
		return
	case sh.custom == nil:
		return
	}
	if err := json.Unmarshal(raw, reflect.New(sh.custom).Interface()); err != nil {
		s.fault(err.Error())
	}
}

func describe(found kind, raw []byte) string {
	if (found == number || found == whole || found == boolean) && len(raw) <= 32 {
		return string(raw)
	}
	return kindNames[found]
}

func (s *scanner) unknownField(sh *shape, key []byte) {
	detail := quote(key) + " is not a known field"
	if near := Nearest(string(key), sh.names); near != "" {
		detail += "; did you mean " + strconv.Quote(near) + "?"
	} else if len(sh.names) > 0 && len(sh.names) <= 12 {
		detail += "; known are " + strings.Join(sh.names, ", ")
	}
	s.fault(detail)
}

// mostFaults bounds the faults of one document, so that a hostile one cannot make a huge answer.
const mostFaults = 100

func (s *scanner) fault(detail string) {
	if len(s.faults) >= mostFaults {
		return
	}
	pointer := []byte{'#'}
	for _, p := range s.path {
		pointer = append(pointer, '/')
		if p.index >= 0 {
			pointer = strconv.AppendInt(pointer, int64(p.index), 10)
			continue
		}
		pointer = append(pointer, PointerToken(string(p.key))...)
	}
	s.faults = append(s.faults, FieldError{Pointer: string(pointer), Detail: detail})
}
