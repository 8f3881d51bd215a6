package main

import (
	"os"
	"testing"
)

func TestPageIsFresh(t *testing.T) {
	committed, err := os.ReadFile("../../../docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(committed) != page() {
		t.Error("docs/explain.md is stale: run make generate")
	}
}
