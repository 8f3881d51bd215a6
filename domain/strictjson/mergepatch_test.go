package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestMergePatch(t *testing.T) {
	tests := []struct{ target, patch, want string }{
		// RFC 7386, appendix A
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		// numbers stay as written, white space goes, an empty target is null
		{` { "n" : 1.10, "big": 9007199254740993 } `, `{"m" : 1e2, "d":0.12345678901234567890123}`,
			`{"n":1.10,"big":9007199254740993,"m":1e2,"d":0.12345678901234567890123}`},
		{``, `{"a": {"b": null, "c": [ null ]}}`, `{"a":{"c":[null]}}`},
		{`null`, `{"a": "x  y\" z"}`, `{"a":"x  y\" z"}`},
		// keys are compared as what they say
		{`{"a":1}`, `{"\u0061":2}`, `{"a":2}`},
		{`{"<":"<&>"}`, `{"x":"<"}`, `{"<":"<&>","x":"<"}`},
		{`{"a":{"x":1,"y":{"z":2}},"b":3}`, `{"a":{"y":{"z":null,"w":[{"k":null}]}},"c":{}}`,
			`{"a":{"x":1,"y":{"w":[{"k":null}]}},"b":3,"c":{}}`},
		{"{" + manyMembers(40) + "}", `{"k39":null,` + strings.ReplaceAll(manyMembers(39), ":", ":1") + `}`,
			"{" + strings.ReplaceAll(manyMembers(39), ":", ":1") + "}"},
	}
	for _, tt := range tests {
		got, err := MergePatch(json.RawMessage(tt.target), json.RawMessage(tt.patch))
		if err != nil || string(got) != tt.want {
			t.Errorf("MergePatch(%s, %s)\n gives %s, %v\n  want %s", tt.target, tt.patch, got, err, tt.want)
		}
	}
}

func TestMergePatchRefuses(t *testing.T) {
	for _, tt := range []struct{ target, patch string }{
		{`{}`, ``}, {`{}`, `{"a":1,"a":2}`}, {`{}`, `{"a":9007199254740993}`}, {`{"a"}`, `{}`}, {`{}{}`, `{}`}, {`{}`, nested(65)},
	} {
		if got, err := MergePatch(json.RawMessage(tt.target), json.RawMessage(tt.patch)); err == nil {
			t.Errorf("MergePatch(%.20s, %.20s) = %.20s", tt.target, tt.patch, got)
		}
	}
}
