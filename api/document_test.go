package api

import "testing"

func TestValidationDocumentIsValid30(t *testing.T) {
	doc, err := ValidationDocument()
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	workflow := doc.Components.Schemas["Workflow"].Value
	for _, name := range []string{"current_execution", "pause", "finished_at", "current_step_name"} {
		if p := workflow.Properties[name].Value; !p.Nullable {
			t.Errorf("%s does not take null", name)
		}
	}
	if workflow.Properties["state"].Value.VisitJSON(nil) == nil {
		t.Error("state takes null")
	}
	if err := workflow.Properties["pause"].Value.VisitJSON(nil); err != nil {
		t.Error(err)
	}
}
