package domain

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	for _, tt := range []struct {
		name, yaml, attributes string
		want                   string // action and reason; "": the step runs
		reads                  bool
	}{
		{"nothing", ``, ``, "", false},
		{"cancel_if", `cancel_if: has(subject.gone) && subject.gone`, `{"gone": true}`, "cancel cancel_if: has(subject.gone) && subject.gone", true},
		{"cancel_if that does not hold", `cancel_if: has(subject.gone) && subject.gone`, `{}`, "", true},
		{"any of cancel_if", `cancel_if: [false, "data.n > 5", "data.n > 1"]`, ``, "cancel cancel_if: data.n > 1", false},
		{"a named cancel_if", "conditions: {closed: subject.closed}\ncancel_if: {condition: closed}", `{"closed": true}`, "cancel cancel_if: {condition: closed}", true},
		{"a literal cancel_if", `cancel_if: true`, ``, "cancel cancel_if: true", false},
		{"cancel before skip", "cancel_if: true\nSTEP skip_if: true", ``, "cancel cancel_if: true", false},
		{"skip_if", `STEP skip_if: "data.n == 2"`, ``, "skip skip_if: data.n == 2", false},
		{"skip_if that does not hold", `STEP skip_if: "subject.id == '43'"`, ``, "", true},
		{"if", `STEP if: "data.n == 2"`, ``, "", false},
		{"if that does not hold", `STEP if: "subject.plan == 'paid'"`, `{"plan": "free"}`, "skip not if: subject.plan == 'paid'", true},
		{"if false", `STEP if: false`, ``, "skip not if: false", false},
		{"a missing attribute", `cancel_if: subject.gone`, `{}`, `error The condition subject.gone failed: There is no gone; guard it with has(…) where it may be missing.`, true},
		{"an error in if", `STEP if: "1 / (data.n - 2) > 0"`, ``, `error The condition 1 / (data.n - 2) > 0 failed: Division by zero.`, false},
		{"an error in skip_if", `STEP skip_if: "1 / (data.n - 2) > 0"`, ``, `error The condition 1 / (data.n - 2) > 0 failed: Division by zero.`, false},
	} {
		yaml, own, _ := strings.Cut(tt.yaml, "STEP ")
		step := "{name: one"
		if own != "" {
			step += ", " + own
		}
		def, err := ParseDefinition([]byte("type: T\nwebhook: {url: \"https://x.example\"}\n"+yaml+"\nsteps: ["+step+"}]"), SourceYAML, Environment{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		a, err := def.Guard(context.Background(), &def.Steps[0], &Activation{SubjectType: "User", SubjectID: "42",
			Attributes: json.RawMessage(tt.attributes), Data: json.RawMessage(`{"n": 2}`), Now: t0})
		got := ""
		switch {
		case err != nil:
			got = "error " + err.Error()
		case a != nil:
			got = string(a.Action) + " " + a.Reason
		}
		expect(t, tt.name, got, tt.want)
		if def.Guarded(&def.Steps[0]) != (tt.yaml != "") || def.ReadsSubject(&def.Steps[0]) != tt.reads {
			t.Errorf("%s: guarded %t, reads the subject %t", tt.name, def.Guarded(&def.Steps[0]), def.ReadsSubject(&def.Steps[0]))
		}
	}
}
