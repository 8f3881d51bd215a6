// Package api is the HTTP contract: openapi.yaml, written by hand, and the server types and routes generated
// from it. It knows nothing of the engine or of how requests are served.
package api

import _ "embed"

// Document is the published contract, OpenAPI 3.1 in YAML.
//
//go:embed openapi.yaml
var Document []byte
