package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func manyMembers(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"k%d":%d`, i, i)
	}
	return strings.Join(members, ",")
}

func TestCheckTakes(t *testing.T) {
	for _, doc := range []string{
		`{}`, `[]`, `null`, `true`, `false`, `0`, `-0`, `"x"`, " \t\r\n{ } ",
		`{"a":1,"b":[1,2.5,-3e4,{"a":null}],"c":{"a":"é\n\u00e9 😀 \ud83d\ude00"}}`,
		`9007199254740992`, `-9007199254740992`, `1.7976931348623157e308`, `1e-400`, `0.1`,
		`{"a":1,"A":2,"":3}`, `[{"a":1},{"a":1}]`, `{"a":{"a":{"a":1}}}`,
		nested(MaxDepth), "{" + manyMembers(1000) + "}", `"\u001f"`, `"` + "\x7f" + `"`,
	} {
		if err := Check([]byte(doc)); err != nil {
			t.Errorf("Check(%.60s): %v", doc, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	tests := []struct {
		doc    string
		offset int
		line   int
		says   string
	}{
		{``, 0, 1, "the document is empty"},
		{" \n ", 3, 2, "the document is empty"},
		{"\xef\xbb\xbf{}", 0, 1, "byte order mark"},
		{`{} {}`, 3, 1, "more after the end"},
		{`{}x`, 2, 1, "more after the end"},
		{`nul`, 0, 1, "expected a value, found 'n'"},
		{`{"a":1,}`, 7, 1, "expected a key in double quotes, found '}'"},
		{`[1,]`, 3, 1, "expected a value, found ']'"},
		{`[1 2]`, 3, 1, "expected a comma"},
		{`{"a" 1}`, 5, 1, "expected a colon"},
		{`{a:1}`, 1, 1, "expected a key in double quotes"},
		{`{'a':1}`, 1, 1, "expected a key in double quotes"},
		{`{"a":1`, 6, 1, "ends inside an object"},
		{`[`, 1, 1, "ends where a value is expected"},
		{`{`, 1, 1, "ends inside an object"},
		{`"abc`, 4, 1, "ends inside a string"},
		{`"\`, 1, 1, "ends inside a string"},
		{`"\x"`, 1, 1, "is not an escape"},
		{`"\u12g4"`, 1, 1, "four hex digits"},
		{`"\u12`, 1, 1, "four hex digits"},
		{"\"a\nb\"", 2, 1, "control character U+000A"},
		{"\"a\x00b\"", 2, 1, "control character U+0000"},
		{"\x00", 0, 1, `expected a value, found '\x00'`},
		{`"\u0000"`, 1, 1, "NUL character"},
		{`"x\ud800"`, 2, 1, "lone surrogate"},
		{`"\udc00"`, 1, 1, "lone surrogate"},
		{`"\ud800\ud800"`, 1, 1, "lone surrogate"},
		{`"\ud800x"`, 1, 1, "lone surrogate"},
		{"\"\xff\"", 1, 1, "0xFF is not valid UTF-8"},
		{"\"\xc3\"", 1, 1, "not valid UTF-8"},
		{"\"\xed\xa0\x80\"", 1, 1, "not valid UTF-8"},
		{`{"a":1,"a":2}`, 7, 1, `"a" stands twice`},
		{"{\"x\": {\n \"a\":1,\n \"\\u0061\":2}}", 17, 3, `"a" stands twice`},
		{"{" + manyMembers(100) + `,"k7":0}`, 0, 1, `"k7" stands twice`},
		{"{" + manyMembers(manyKeys) + `,"k0":0}`, 0, 1, `"k0" stands twice`},
		{"{" + manyMembers(manyKeys+1) + `,"k32":0}`, 0, 1, `"k32" stands twice`},
		{nested(MaxDepth + 1), MaxDepth, 1, "deeper than 64"},
		{nested(100_000), MaxDepth, 1, "deeper than 64"},
		{strings.Repeat(`{"a":`, 100_000), 5 * MaxDepth, 1, "deeper than 64"},
		{`9007199254740993`, 0, 1, "beyond ±2^53"},
		{`{"n": -9007199254740993}`, 6, 1, "beyond ±2^53"},
		{`123456789012345678901234567890`, 0, 1, "beyond ±2^53"},
		{`1e309`, 0, 1, "too large"}, {`-1.5E+999999999`, 0, 1, "too large"},
		{`01`, 0, 1, "start with a zero"}, {`-`, 0, 1, "digit after the minus"}, {`1.`, 0, 1, "decimal point"},
		{`1e`, 0, 1, "exponent"}, {`.5`, 0, 1, "expected a value"}, {`+1`, 0, 1, "expected a value"},
		{`NaN`, 0, 1, "expected a value"}, {`Infinity`, 0, 1, "expected a value"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%.40q", tt.doc), func(t *testing.T) {
			var got *SyntaxError
			if err := Check([]byte(tt.doc)); !errors.As(err, &got) {
				t.Fatalf("Check(%.40q) = %v", tt.doc, err)
			}
			if tt.offset != 0 && got.Offset != tt.offset || got.Line != tt.line {
				t.Errorf("at offset %d line %d, want %d, %d", got.Offset, got.Line, tt.offset, tt.line)
			}
			if !strings.Contains(got.Error(), tt.says) || !strings.HasPrefix(got.Error(), fmt.Sprintf("line %d, column ", tt.line)) {
				t.Errorf("says %q, want %q", got, tt.says)
			}
		})
	}
}

func TestErrorsStayShort(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	err := Check([]byte(`{"` + long + `":1,"` + long + `":1}`))
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("a duplicate of a long key gives %d bytes of error", len(fmt.Sprint(err)))
	}
	var v struct{}
	if err := Decode([]byte("{"+manyMembers(50_000)+"}"), &v); len(err.(FieldErrors)) != mostFaults {
		t.Errorf("50,000 unknown fields give %d faults", len(err.(FieldErrors)))
	}
}

// halfHour stands for a type with an opinion of its own.
type halfHour int

func (h *halfHour) UnmarshalJSON(b []byte) error {
	if string(b) != `"30m"` {
		return errors.New("expected 30m")
	}
	*h = 30
	return nil
}

type embedded struct {
	Shared string `json:"shared"`
}

type target struct {
	Action string            `json:"action"`
	Wait   *halfHour         `json:"wait,omitempty"`
	Tries  int               `json:"tries"`
	Small  int8              `json:"small"`
	Ratio  float64           `json:"ratio"`
	Flag   *bool             `json:"flag"`
	Data   json.RawMessage   `json:"data"`
	Any    any               `json:"any"`
	ID     uuid.UUID         `json:"id"`
	At     *time.Time        `json:"at"`
	Map    map[string]string `json:"map"`
	List   []target          `json:"list"`
	Next   *target           `json:"next"`
	Hidden string            `json:"-"`
	embedded
}

func TestDecode(t *testing.T) {
	const doc = `{"action":"skip","wait":"30m","tries":3,"ratio":1,"flag":false,"data":{"x":[1,{"y":null}]},"any":{"q":1},
		"id":"0190d3f0-0000-7000-8000-000000000001","at":"2026-01-02T03:04:05Z","map":{"a/b":"c"},"list":[{"tries":1},{}],
		"next":{"action":"x","next":null},"shared":"s"}`
	var got, want target
	if err := Decode([]byte(doc), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(doc), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Decode gives %+v, encoding/json %+v", got, want)
	}
}

func TestDecodeFaults(t *testing.T) {
	tests := []struct{ doc, want string }{
		{`{"Action":"skip"}`, `#/Action: "Action" is not a known field; did you mean "action"?`},
		{`{"next":{"actoin":"skip"}}`, `#/next/actoin: "actoin" is not a known field; did you mean "action"?`},
		{`{"zzzzzz":1}`, `#/zzzzzz: "zzzzzz" is not a known field`},
		{`{"Hidden":""}`, `#/Hidden: "Hidden" is not a known field`},
		{`{"tries":"3"}`, `#/tries: expected a whole number, not a string`},
		{`{"tries":1.5,"ratio":"x"}`, `#/tries: expected a whole number, not 1.5; #/ratio: expected a number, not a string`},
		{`{"list":[{},{"action":false}]}`, `#/list/1/action: expected a string, not false`},
		{`{"list":{}}`, `#/list: expected an array, not an object`},
		{`{"map":{"a/b~c d":1}}`, `#/map/a~1b~0c%20d: expected a string, not 1`},
		{`{"wait":"1h","action":7}`, `#/wait: expected 30m; #/action: expected a string, not 7`},
		{`{"next":{"wait":5}}`, `#/next/wait: expected 30m`},
		{`{"id":"x"}`, `#/id: invalid UUID length: 1`},
		{`{"id":4}`, `#/id: expected a string, not 4`},
		{`[]`, `#: expected an object, not an array`},
		{`null`, `#: expected an object, not null`},
		{`{"small":300}`, `#: cannot unmarshal number 300 into Go struct field target.small of type int8`},
	}
	for _, tt := range tests {
		var v target
		err := Decode([]byte(tt.doc), &v)
		var faults FieldErrors
		if !errors.As(err, &faults) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("Decode(%s)\n gives %v\n  want %s", tt.doc, err, tt.want)
		}
	}
	var v target
	var syntax *SyntaxError
	if err := Decode([]byte(`{"action":"x","action":"y"}`), &v); !errors.As(err, &syntax) || v.Action != "" {
		t.Errorf("a duplicate key gives %v and %+v", err, v)
	}
	if err := Decode([]byte(`{}`), v); err == nil {
		t.Error("Decode takes a value that is no pointer")
	}
}

func TestValue(t *testing.T) {
	got, err := Value([]byte(` {"i": 1, "big": 9007199254740993, "huge": 123456789012345678901234567890, "f": 1.0, "e": 1e2,
		"s": "a\n\u00e9\ud83d\ude00\/", "t": true, "no": false, "n": null, "l": [ ], "m": [ 1 , "x" , { } ], "\u006b": -3} `))
	want := map[string]any{"i": int64(1), "big": int64(9007199254740993), "huge": 123456789012345678901234567890.0, "f": 1.0,
		"e": 100.0, "s": "a\né😀/", "t": true, "no": false, "n": nil, "l": []any{}, "m": []any{int64(1), "x", map[string]any{}},
		"k": int64(-3)}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Value gives %#v, %v", got, err)
	}
	if _, err := Value([]byte(`{"a":`)); err == nil {
		t.Error("Value takes half a document")
	}
}

// TestExactValue tells numbers apart that Value does not, and gives the others as Value does.
func TestExactValue(t *testing.T) {
	for doc, want := range map[string]any{
		`1`: int64(1), `-0`: int64(0), `1.0`: 1.0, `0.10`: 0.1, `-0.0`: math.Copysign(0, -1), `1234567890.12345`: 1234567890.12345,
		`1234567890.123456`:                 json.Number(`1234567890.123456`),
		`-123456789012345678901234567890.5`: json.Number(`-123456789012345678901234567890.5`),
		`123456789012345678901`:             json.Number(`123456789012345678901`),
		`1e-400`:                            json.Number(`1e-400`), `1E2`: json.Number(`1E2`),
		`[{"a": 0.12345678901234567}]`: []any{map[string]any{"a": json.Number(`0.12345678901234567`)}},
	} {
		if got, err := ExactValue([]byte(doc)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s gives %#v, %v, want %#v", doc, got, err, want)
		}
	}
	if _, err := ExactValue([]byte(`{"a":`)); err == nil {
		t.Error("ExactValue takes half a document")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"complete", "skip", "reattempt", "pause", "cancel", "finish", "fail"}
	for word, want := range map[string]string{
		"compelte": "complete", "Complete": "complete", "completed": "complete", "skp": "skip", "retempt": "reattempt",
		"cancelled": "cancel", "finished": "finish", "xyz": "", "": "", "fial": "fail", strings.Repeat("a", 1000): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	doc := sample()
	var s scanner // not from the pool, which the race detector empties at random
	n := testing.AllocsPerRun(100, func() {
		s = scanner{data: doc, keys: s.keys[:0]}
		if err := s.document(nil); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("the scan of an ordinary document allocates %v times", n)
	}
}

func sample() []byte {
	return []byte(`{"action":"complete","reason":"done after ` + strings.Repeat("some words ", 40) + `","data":{` +
		`"tries":2,"tags":["a","b","c"],"user":{"name":"Zoë","age":41,"ratio":0.25},` + manyMembers(14) + `}}`)
}

func BenchmarkCheck(b *testing.B) {
	doc := sample()
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		_ = Check(doc)
	}
}

func BenchmarkDecode(b *testing.B) {
	doc := []byte(`{"action":"complete","ratio":1,"data":{"tries":2,"tags":["a","b","c"]}}`)
	b.ReportAllocs()
	for b.Loop() {
		var v target
		if err := Decode(doc, &v); err != nil {
			b.Fatal(err)
		}
	}
}
