package domain

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestNewWorkflow(t *testing.T) {
	empty, slow := &Definition{Type: "Letters", Version: 7}, abc()
	slow.Steps = slow.Steps[1:]
	slow.AllowMultiple = true
	tests := []struct {
		name   string
		def    *Definition
		change func(*CreateParams)
		want   string
	}{
		{"due at once", abc(), func(*CreateParams) {}, "ready at a; a#1 scheduled +0s"},
		{"its own wait", slow, func(*CreateParams) {}, "ready at b; b#1 scheduled +1h0m0s"},
		{"a given wait", slow, func(p *CreateParams) { p.Wait = ptr(time.Duration(0)) }, "ready at b; b#1 scheduled +0s"},
		{"a given time", slow, func(p *CreateParams) { p.At = ptr(t0.Add(time.Minute + 1)) }, "ready at b; b#1 scheduled +1m0s"},
		{"a time that has passed", slow, func(p *CreateParams) { p.At = ptr(t0.Add(-time.Minute)) }, "ready at b; b#1 scheduled +0s"},
		{"no steps", empty, func(p *CreateParams) { p.Wait = ptr(time.Hour) }, "finished"},
	}
	for _, tt := range tests {
		for _, multiple := range []*bool{nil, ptr(true), ptr(false)} {
			for _, data := range []json.RawMessage{nil, json.RawMessage(`{"a":1}`)} {
				p := CreateParams{ID: workflowID, ExecutionID: currentID, SubjectType: "User", SubjectID: "42", Data: data, AllowMultiple: multiple, Traceparent: "00-1-2-00"}
				tt.change(&p)
				c, err := NewWorkflow(tt.def, p, t0)
				expect(t, tt.name, show(c, err, t0), tt.want)
				w := c.Workflow
				before := row{w, nil}
				before.w.State, before.w.CurrentExecutionID, before.w.CurrentStepName = WorkflowReady, uuid.Nil, ""
				for _, fault := range before.faults(c, t0) {
					t.Errorf("%s: %s", tt.name, fault)
				}
				wantData, wantMultiple := `{}`, tt.def.AllowMultiple
				if data != nil {
					wantData = string(data)
				}
				if multiple != nil {
					wantMultiple = *multiple
				}
				if string(w.Data) != wantData || w.AllowMultiple != wantMultiple || w.Type != "Letters" || w.DefinitionVersion != 7 ||
					w.SubjectType != "User" || w.SubjectID != "42" || w.Traceparent != p.Traceparent || w.LockVersion != 1 || w.StartedAt != nil || !w.CreatedAt.Equal(t0) {
					t.Errorf("%s: created %+v", tt.name, w)
				}
				if n := c.Next; n != nil && (n.Attempt != 0 || n.Fence != "" || n.Queue != tt.def.Steps[0].Queue || n.Priority != tt.def.Steps[0].Priority) {
					t.Errorf("%s: scheduled %+v", tt.name, n)
				}
			}
		}
	}
}
