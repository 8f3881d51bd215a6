package domain

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// FuzzDefinition: a document is taken, and then stored, read back and read again to the same content; or
// refused with a code and pointers to where its problems are.
func FuzzDefinition(f *testing.F) {
	files, err := filepath.Glob("../examples/definitions/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source, true)
	}
	f.Add([]byte(everything), true)
	for _, s := range []string{
		`{"type":"T","webhook":{"url":"http://a"},"steps":[{},{"name":"a","repeat":3,"after_step":"b"},{"name":"b","before_step":"a"}]}`,
		`{"type":"T","extends":"Base","cancel_if":true,"steps":[{"webhook":{"path":"/x"},"skip_if":{"condition":"closed"},"params":{"a":[1.10,null]}}]}`,
		`{"type":"T","retry":{"initial":"1s"},"on_exception":{"action":"reattempt","wait":"PT1M"},"queue":"low","priority":0,"allow_multiple":true}`,
		`{"steps":[{"after_step":"step_1"}],"hooks":{"before_step_starts":{"headers":{"A":"b","a":"c"}}},"conditions":{"a":5}}`,
	} {
		f.Add([]byte(s), false)
	}
	base := &Definition{Type: "Base", Version: 2, Settings: Settings{Webhook: &Webhook{URL: "http://base/x"}},
		Conditions: map[string]Condition{"closed": {Expression: "subject.closed"}}}
	env := Environment{Queues: testQueues, Parent: func(name string) (*Definition, error) {
		if name == base.Type {
			return base, nil
		}
		return nil, nil
	}}
	f.Fuzz(func(t *testing.T, source []byte, isYAML bool) {
		format := SourceJSON
		if isYAML {
			format = SourceYAML
		}
		def, err := ParseDefinition(source, format, env)
		switch CodeOf(err) {
		case CodeUnreadableBody, CodeBodyTooLarge:
			return
		case CodeInvalidDefinition:
			checkPointers(t, source, format, err.(*Error).Problems)
			return
		}
		if err != nil {
			t.Fatalf("%q gives %v", source, err)
		}
		hash, err := def.ContentHash()
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(def)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := UnmarshalDefinition(FormatVersion, data)
		if err != nil {
			t.Fatal(err)
		}
		if h, err := stored.ContentHash(); h != hash || err != nil {
			t.Fatalf("%q has another content when it was stored: %v", source, err)
		}
		again, err := ParseDefinition(def.Source, SourceJSON, env)
		if err != nil {
			t.Fatalf("%q is refused as %s: %v", source, def.Source, err)
		}
		if h, _ := again.ContentHash(); h != hash {
			t.Fatalf("%q has another content as %s", source, def.Source)
		}
	})
}

// checkPointers: each problem points at something that is there.
func checkPointers(t *testing.T, source []byte, format SourceFormat, problems []Problem) {
	tree, err := readSource(source, format)
	if err != nil || len(problems) == 0 {
		t.Fatalf("%q: %v, problems %v", source, err, problems)
	}
	for _, p := range problems {
		at := tree
		path, ok := strings.CutPrefix(p.Pointer, "#")
		if !ok {
			t.Fatalf("%q is no URI fragment", p.Pointer)
		}
		for _, part := range strings.Split(path, "/")[1:] {
			part, err := url.PathUnescape(part)
			if err != nil {
				t.Fatalf("pointer %q: %v", p.Pointer, err)
			}
			switch v := at.(type) {
			case map[string]any:
				at, ok = v[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
			case []any:
				i, err := strconv.Atoi(part)
				if ok = err == nil && i < len(v); ok {
					at = v[i]
				}
			default:
				ok = false
			}
			if !ok {
				t.Fatalf("%q: the pointer %q leads nowhere: %s", source, p.Pointer, p.Detail)
			}
		}
	}
}
