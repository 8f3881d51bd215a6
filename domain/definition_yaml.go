package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// yamlReader turns a YAML document into the tree that JSON gives, by the core schema of YAML 1.2: yes, no, on
// and off are strings, and so are dates. What JSON cannot say is a problem.
type yamlReader struct {
	problems problemList
}

// readYAML reads one document without anchors, aliases or tags. The error has CodeUnreadableBody, and a
// problem with its line for everything that is not allowed.
func readYAML(source []byte) (any, error) {
	if !utf8.Valid(source) {
		return nil, Errorf(CodeUnreadableBody, "The document is not valid UTF-8.")
	}
	source, err := withoutVersion(source)
	if err != nil {
		return nil, err
	}
	d := yaml.NewDecoder(bytes.NewReader(source))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, Errorf(CodeUnreadableBody, "The document is empty; expected one YAML document.")
	case err != nil:
		return nil, unreadableYAML(err)
	}
	switch err := d.Decode(&more); {
	case err == nil:
		return nil, Errorf(CodeUnreadableBody, "The file holds more than one YAML document; register each definition by itself.")
	case !errors.Is(err, io.EOF):
		return nil, unreadableYAML(err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, Errorf(CodeUnreadableBody, "The document is empty; expected one YAML document.")
	}
	r := yamlReader{}
	tree := r.value(doc.Content[0], root, 1)
	return tree, r.problems.err(CodeUnreadableBody)
}

var yamlVersion = regexp.MustCompile(`^\x{FEFF}?(?:[ \t]*(?:#.*)?\r?\n)*(%)YAML[ \t]+(\S+)`)

// withoutVersion makes a comment of the line %YAML 1.2, which the library does not know; every line keeps its number.
func withoutVersion(source []byte) ([]byte, error) {
	found := yamlVersion.FindSubmatchIndex(source)
	if found == nil {
		return source, nil
	}
	switch version := string(source[found[4]:found[5]]); version {
	case "1.2":
		source = bytes.Clone(source)
		source[found[2]] = '#'
	case "1.1": // of which only what 1.2 has is read
	default:
		return nil, Errorf(CodeUnreadableBody, "Line %d: YAML %s is not known; leave the line out, or write %%YAML 1.2.",
			1+bytes.Count(source[:found[2]], []byte("\n")), quoted(version))
	}
	return source, nil
}

func unreadableYAML(err error) error {
	return Errorf(CodeUnreadableBody, "The YAML cannot be read: %s.", strings.TrimPrefix(err.Error(), "yaml: "))
}

func (r *yamlReader) refuse(at place, n *yaml.Node, format string, args ...any) {
	r.problems.add(at, "line %d: %s", n.Line, fmt.Sprintf(format, args...))
}

func (r *yamlReader) value(n *yaml.Node, at place, depth int) any {
	if !r.allowed(n, at) {
		return nil
	}
	if n.Kind != yaml.ScalarNode && depth > strictjson.MaxDepth {
		r.refuse(at, n, "lists and objects nest deeper than %d levels", strictjson.MaxDepth)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			name, ok := r.key(key, at)
			if !ok {
				continue
			}
			if _, twice := m[name]; twice {
				r.refuse(at.key(name), key, "the key %s stands twice in one object", quoted(name))
				continue
			}
			m[name] = r.value(value, at.key(name), depth+1)
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = r.value(item, at.index(i), depth+1)
		}
		return list
	}
	return r.scalar(n, at)
}

// allowed refuses what this language leaves out of YAML.
func (r *yamlReader) allowed(n *yaml.Node, at place) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		r.refuse(at, n, "aliases (*%s) are not allowed; write the value out, or use extends", shorten(n.Value, 40))
	case n.Anchor != "":
		r.refuse(at, n, "anchors (&%s) are not allowed; write the value out, or use extends", shorten(n.Anchor, 40))
	case n.Style&yaml.TaggedStyle != 0:
		r.refuse(at, n, "tags (%s) are not allowed; quote a value to make it a string", shorten(n.Tag, 40))
	default:
		return true
	}
	return false
}

func (r *yamlReader) key(n *yaml.Node, at place) (string, bool) {
	if !r.allowed(n, at) {
		return "", false
	}
	if n.Kind != yaml.ScalarNode {
		r.refuse(at, n, "a key must be a string, not a list or an object")
		return "", false
	}
	value := r.scalar(n, at)
	name, ok := value.(string)
	if !ok {
		r.refuse(at, n, "a key must be a string, not %s; put it in quotes", describeValue(value))
	}
	return name, ok
}

var (
	yamlNull  = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	yamlTrue  = regexp.MustCompile(`^(?:true|True|TRUE)$`)
	yamlFalse = regexp.MustCompile(`^(?:false|False|FALSE)$`)
	yamlInt   = regexp.MustCompile(`^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	yamlFloat = regexp.MustCompile(`^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$`)
	yamlOther = regexp.MustCompile(`^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
)

// scalar resolves a scalar by the core schema; whatever is quoted or a block is a string.
func (r *yamlReader) scalar(n *yaml.Node, at place) any {
	const written = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	text := n.Value
	if n.Style&written == 0 {
		switch {
		case yamlNull.MatchString(text):
			return nil
		case yamlTrue.MatchString(text):
			return true
		case yamlFalse.MatchString(text):
			return false
		case yamlInt.MatchString(text):
			return r.whole(n, at)
		case yamlFloat.MatchString(text):
			return r.float(n, at)
		case yamlOther.MatchString(text):
			r.refuse(at, n, "%s is not a number JSON can hold", text)
			return nil
		}
	}
	if strings.ContainsRune(text, 0) {
		r.refuse(at, n, "a string holds a NUL character, which databases cannot store")
		return ""
	}
	if !utf8.ValidString(text) {
		r.refuse(at, n, "a string holds an escape that is not a character")
		return ""
	}
	return text
}

func (r *yamlReader) whole(n *yaml.Node, at place) any {
	digits, base := strings.TrimPrefix(n.Value, "+"), 10
	switch {
	case strings.HasPrefix(digits, "0x"):
		digits, base = digits[2:], 16
	case strings.HasPrefix(digits, "0o"):
		digits, base = digits[2:], 8
	}
	i, err := strconv.ParseInt(digits, base, 64)
	if err != nil || i > strictjson.MaxInteger || i < -strictjson.MaxInteger {
		r.refuse(at, n, "the whole number %s lies beyond ±2^53, where readers of JSON disagree; write it as a string", shorten(n.Value, 40))
		return json.Number("0")
	}
	return json.Number(strconv.FormatInt(i, 10))
}

var jsonFloat = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?$`)

func (r *yamlReader) float(n *yaml.Node, at place) any {
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || math.IsInf(f, 0) {
		r.refuse(at, n, "the number %s is too large for a 64-bit float", shorten(n.Value, 40))
		return json.Number("0")
	}
	if jsonFloat.MatchString(n.Value) {
		return json.Number(n.Value)
	}
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return json.Number(text)
}
