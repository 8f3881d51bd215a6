package domain

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// The core schema of YAML 1.2, and nothing that only YAML 1.1 knew.
func TestYAMLScalars(t *testing.T) {
	source := `
yes: yes
on: off
n: N
true_: [true, True, TRUE]
false_: [false, False, FALSE]
nulls: [null, Null, NULL, ~, ]
date: 2026-01-02
time: 2026-01-02T03:04:05Z
sexagesimal: 12:30:45
octal: 010
newoctal: 0o17
hex: 0xFF
plus: +5
minus: -5
underscore: 1_000
floats: [1.0, 1.10, .5, 5., 1e3, -1.5E-3, +0.25, 00.5]
strings: ["5", 'true', "null", "é\t\x41"]
big: 9007199254740992
merge: {<<: {a: 1}}
block: |
  two
  lines
folded: >-
  one
  line
`
	got, err := readYAML([]byte(source))
	if err != nil {
		t.Fatal(err, problemsOf(err))
	}
	n := func(s string) json.Number { return json.Number(s) }
	want := map[string]any{
		"yes": "yes", "on": "off", "n": "N", "true_": []any{true, true, true}, "false_": []any{false, false, false},
		"nulls": []any{nil, nil, nil, nil}, "date": "2026-01-02", "time": "2026-01-02T03:04:05Z", "sexagesimal": "12:30:45",
		"octal": n("10"), "newoctal": n("15"), "hex": n("255"), "plus": n("5"), "minus": n("-5"), "underscore": "1_000",
		"floats":  []any{n("1.0"), n("1.10"), n("0.5"), n("5.0"), n("1000.0"), n("-1.5E-3"), n("0.25"), n("0.5")},
		"strings": []any{"5", "true", "null", "é\tA"}, "big": n("9007199254740992"), "merge": map[string]any{"<<": map[string]any{"a": n("1")}},
		"block": "two\nlines\n", "folded": "one line",
	}
	for key := range want {
		if !reflect.DeepEqual(got.(map[string]any)[key], want[key]) {
			t.Errorf("%s is %#v, want %#v", key, got.(map[string]any)[key], want[key])
		}
	}
	if _, err := canonicalJSON(got); err != nil {
		t.Error(err)
	}
}

// TestYAMLVersion reads documents that name the version of YAML they are in.
func TestYAMLVersion(t *testing.T) {
	for _, line := range []string{"%YAML 1.2\n---\n", "%YAML 1.2\r\n---\r\n", "# ours\n\n%YAML  1.2 # new\n---\n", "\uFEFF%YAML 1.2\n---\n", "%YAML 1.1\n---\n", "# %YAML 3.0\n"} {
		source := line + "a: yes\nb: &x 1\n"
		tree, err := readYAML([]byte(strings.Replace(source, "&x ", "", 1)))
		if want := map[string]any{"a": "yes", "b": json.Number("1")}; err != nil || !reflect.DeepEqual(tree, want) {
			t.Errorf("%q gives %v, %v", source, tree, err)
		}
		_, err = readYAML([]byte(source))
		if at := fmt.Sprintf("Line %d: anchors", strings.Count(source, "\n")); err == nil || !strings.Contains(err.Error(), at) {
			t.Errorf("%q gives %v, want %s", source, err, at)
		}
	}
	for source, says := range map[string]string{
		"# ours\n%YAML 1.3\n---\na: 1":    `Line 2: YAML "1.3" is not known; leave the line out, or write %YAML 1.2.`,
		"%YAML 1.2\n---\na: 1\n---\nb: 1": "more than one YAML document",
		"%YAML 1.2\n":                     "is empty",
		"%YAML\n---\na: 1":                "cannot be read",
	} {
		if _, err := readYAML([]byte(source)); CodeOf(err) != CodeUnreadableBody || !strings.Contains(err.Error(), says) {
			t.Errorf("%q gives %v, want %q", source, err, says)
		}
	}
}

func TestYAMLRefuses(t *testing.T) {
	tests := []struct{ name, source, says string }{
		{"empty", "", "is empty"}, {"only a comment", "# nothing\n", "is empty"},
		{"two documents", "a: 1\n---\nb: 2\n", "more than one YAML document"},
		{"a second that is broken", "a: 1\n---\nb: [", "cannot be read"},
		{"syntax", "a: [1\nb: 2", "cannot be read"}, {"tab", "a:\n\t- b", "cannot be read"},
		{"UTF-16", "\xff\xfea\x00", "not valid UTF-8"},
		{"NUL", "a: \"x\x00\"", "cannot be read"}, {"escaped NUL", `a: "x\0y"`, "Line 1: a string holds a NUL"}, {"NUL in a key", `"a\0": 1`, "NUL"},
		{"surrogate", `a: "\ud800"`, "cannot be read"},
		{"anchor", "a: &x 1", "#/a: Line 1: anchors (&x) are not allowed"}, {"alias", "a: &x 1\nb: *x", "anchors (&x)"},
		{"anchored map", "a: &x {b: 1}\nc: {<<: *x}", "anchors (&x)"},
		{"tag", "a: !!str 5", "tags (!!str) are not allowed"}, {"own tag", "a: !env HOME", "tags (!env)"}, {"tagged map", "!!map {a: 1}", "tags (!!map)"},
		{"duplicate", "a: 1\nb: {c: 1,\n c: 2}", `#/b/c: Line 3: the key "c" stands twice`},
		{"number as key", "1: a", "a key must be a string, not 1; put it in quotes"}, {"true as key", "true: a", "a key must be a string, not true"},
		{"null as key", "~: a", "a key must be a string, not nothing"}, {"list as key", "[a]: b", "a key must be a string, not a list"},
		{"complex key", "? {a: b}\n: c", "a key must be a string"},
		{"infinity", "a: .inf", ".inf is not a number JSON can hold"}, {"nan", "a: .NaN", ".NaN is not"},
		{"too big", "a: 9007199254740993", "beyond ±2^53"}, {"far too big", "a: -99999999999999999999", "beyond ±2^53"}, {"too large", "a: 1e999", "too large"},
		{"deep", strings.Repeat("[", 65) + strings.Repeat("]", 65), "deeper than 64"},
		{"100,000 deep", strings.Repeat("[", 100_000), ""}, {"100,000 deep maps", strings.Repeat("{a: ", 100_000), ""},
		{"100,000 indents", strings.Repeat("- ", 100_000), ""}, {"100,000 keys", strings.Repeat("? ", 100_000), ""},
		{"laughs", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]", "anchors"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readYAML([]byte(tt.source))
			if CodeOf(err) != CodeUnreadableBody || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("gives %.300v, want %q", err, tt.says)
			} else if len(err.Error()) > 500 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
	_, err := readYAML([]byte("a: &x 1\nb: !!str 2\nc: *x"))
	if got := problemsOf(err); len(got) != 3 {
		t.Errorf("three faults give %q", got)
	}
	for _, broken := range []string{"{", `{"type":"T","type":"U"}`, `{"a":"\u0000"}`, strings.Repeat("[", 100_000), ""} {
		if _, err := ParseDefinition([]byte(broken), SourceJSON, Environment{}); CodeOf(err) != CodeUnreadableBody {
			t.Errorf("JSON %.20s gives %v", broken, err)
		}
	}
}
