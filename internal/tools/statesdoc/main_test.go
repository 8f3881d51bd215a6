package main

import (
	"os"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
)

func TestPageIsFresh(t *testing.T) {
	committed, err := os.ReadFile("../../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(committed) != page() {
		t.Error("docs/states.md is stale: run make generate")
	}
}

func TestEveryWordIsExplained(t *testing.T) {
	for _, s := range domain.WorkflowStates {
		if workflowStates[s] == "" {
			t.Errorf("the workflow state %s is not explained", s)
		}
	}
	for _, s := range domain.ExecutionStates {
		if executionStates[s] == "" {
			t.Errorf("the execution state %s is not explained", s)
		}
	}
	for _, o := range domain.Outcomes {
		if outcomes[o] == "" {
			t.Errorf("the outcome %s is not explained", o)
		}
	}
}
