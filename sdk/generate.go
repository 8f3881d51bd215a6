// Package sdk has no code: the clients are in the directories below, go as a module of its own and typescript as a
// package for npm, both written from the contract. The test here starts the real server and lets the tests of both
// loose on it.
package sdk

//go:generate go tool oapi-codegen -config go/oapi-codegen.yaml ../api/openapi.yaml
