package domain

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// SourceFormat is the language a definition is written in.
type SourceFormat string

// The source formats.
const (
	SourceJSON SourceFormat = "json"
	SourceYAML SourceFormat = "yaml"
)

// readSource reads a document into map[string]any, []any, string, json.Number, bool and nil, whichever
// language it is in. The error has CodeUnreadableBody or CodeBodyTooLarge.
func readSource(source []byte, format SourceFormat) (any, error) {
	if len(source) > MaxSourceBytes {
		return nil, Errorf(CodeBodyTooLarge, "The definition has %d bytes; %d are allowed.", len(source), MaxSourceBytes)
	}
	switch format {
	case SourceJSON:
		return readJSON(source)
	case SourceYAML:
		return readYAML(source)
	}
	return nil, fmt.Errorf("definition source: unknown format %q", format)
}

func readJSON(source []byte) (any, error) {
	if err := strictjson.Check(source); err != nil {
		return nil, ReadError(err, CodeInvalidDefinition)
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(source))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, Errorf(CodeUnreadableBody, "The document cannot be read: %v.", err)
	}
	return tree, nil
}

// canonicalJSON writes a tree with sorted keys, numbers as they were written and no HTML escapes.
func canonicalJSON(tree any) (json.RawMessage, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(tree); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// namesIn gives the type that a document says it is of and the one it extends, "" for what it does not say or
// cannot be read: whatever is wrong is for ParseDefinition to tell.
func namesIn(source []byte, format SourceFormat) (typ, extends string) {
	tree, _ := readSource(source, format)
	o, _ := tree.(map[string]any)
	typ, _ = o["type"].(string)
	extends, _ = o["extends"].(string)
	return typ, extends
}

// SourceFormatOf gives the format of a file by its extension, the dot included.
func SourceFormatOf(extension string) (SourceFormat, bool) {
	switch extension {
	case ".json":
		return SourceJSON, true
	case ".yaml", ".yml":
		return SourceYAML, true
	}
	return "", false
}
