package strictjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

var seeds = []string{
	`{"a":[1,-2.5e3,true,false,null,"x\n\ud83d\ude00"],"b":{"a":{}}}`, `{"a":1,"a":2}`, `[[[[]]]]`, `"\u0000"`, `"\ud800"`,
	`9007199254740993`, `1e309`, `{} `, `{}x`, "\"\xff\"", ` { "k" : [ 1 , 2 ] } `, `{"\u0061":1}`, `-0`, `0.10e-2`, ``, `{"":""}`,
}

// FuzzCheck holds Check, Value and Compact against encoding/json: what Check takes, that must take and read
// alike; what Check calls malformed, that must refuse too.
func FuzzCheck(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := Check(data); err != nil {
			if !err.(*SyntaxError).refused && json.Valid(data) {
				t.Fatalf("Check calls valid JSON %q malformed: %v", data, err)
			}
			return
		}
		var want any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatalf("Check takes %q, encoding/json: %v", data, err)
		}
		got, err := Value(data)
		if err != nil || !reflect.DeepEqual(got, plainNumbers(want)) {
			t.Fatalf("Value(%q) = %#v, %v, want %#v", data, got, err, plainNumbers(want))
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, data); err != nil || !bytes.Equal(compact.Bytes(), Compact(data)) {
			t.Fatalf("Compact(%q) = %q, want %q", data, Compact(data), compact.Bytes())
		}
	})
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	}
	return v
}

// FuzzDecode: whatever Decode takes, encoding/json reads to the same value.
func FuzzDecode(f *testing.F) {
	for _, s := range append(seeds, `{"action":"x","wait":"30m","list":[{"tries":1}],"data":{"q":1},"flag":null,"map":{"a":"b"}}`) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want target
		if Decode(data, &got) != nil {
			return
		}
		if err := json.Unmarshal(data, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("Decode(%q) = %+v, want %+v, %v", data, got, want, err)
		}
	})
}

// FuzzMergePatch holds MergePatch against the RFC's pseudocode.
func FuzzMergePatch(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), []byte(`{"a":{"b":null},"b":1}`))
		f.Add([]byte(`{"a":{"b":1},"b":[1]}`), []byte(s))
	}
	f.Fuzz(func(t *testing.T, target, patch []byte) {
		got, err := MergePatch(target, patch)
		if err != nil {
			return
		}
		if len(target) == 0 {
			target = []byte("null")
		}
		want := merge(decode(t, target), decode(t, patch))
		if !reflect.DeepEqual(decode(t, got), want) {
			t.Fatalf("MergePatch(%q, %q) = %q, want %v", target, patch, got, want)
		}
	})
}

func decode(t *testing.T, data []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	return v
}

func merge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for k, v := range changes {
		if v == nil {
			delete(object, k)
		} else {
			object[k] = merge(object[k], v)
		}
	}
	return object
}
