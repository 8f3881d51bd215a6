package domain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func activation() *Activation {
	return &Activation{
		SubjectType: "User", SubjectID: "42",
		Attributes: json.RawMessage(`{"closed":true,"age":41,"ratio":0.5,"profile":null,"tags":["a","b"],"plan":{"name":"pro","seats":3},"signed_up_at":"2026-01-01T00:00:00Z"}`),
		Data:       json.RawMessage(`{"tries":2,"items":[{"price":3},{"price":7.5}],"huge":1e300}`),
		WorkflowID: "0190d3f0-0000-7000-8000-000000000001", WorkflowType: "T", DefinitionVersion: 3,
		CreatedAt: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		StepName:  "check", Params: json.RawMessage(`{"depth":"full"}`), Attempt: 2,
		ScheduledFor: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC),
		Now:          time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC),
	}
}

func TestConditions(t *testing.T) {
	yes, no := true, false
	def := &Definition{programs: newPrograms(), Conditions: map[string]Condition{"closed": {Expression: "subject.closed"}, "never": {Literal: &no}}}
	tests := []struct {
		c    Condition
		want bool
	}{
		{Condition{Literal: &yes}, true}, {Condition{Literal: &no}, false},
		{Condition{Named: "closed"}, true}, {Condition{Named: "never"}, false},
		{Condition{Expression: "true"}, true}, {Condition{Expression: "!subject.closed"}, false},
		{Condition{Expression: `subject.type == "User" && subject.id == "42"`}, true},
		{Condition{Expression: "has(subject.deactivated) && subject.deactivated"}, false},
		{Condition{Expression: "has(subject.profile) && subject.profile != null"}, false},
		{Condition{Expression: "subject.age == 41 && subject.age / 2 == 20 && subject.age % 2 == 1"}, true}, // integers stay integers
		{Condition{Expression: "subject.age > 40.5 && subject.ratio < 1"}, true},
		{Condition{Expression: `"b" in subject.tags && size(subject.tags) == 2`}, true},
		{Condition{Expression: `subject.plan.name.startsWith("pr") && subject.plan["seats"] >= 3`}, true},
		{Condition{Expression: `data.items.exists(i, i.price > 7) && !data.items.all(i, i.price > 7)`}, true},
		{Condition{Expression: `data.items.filter(i, i.price > 3).map(i, i.price) == [7.5]`}, true},
		{Condition{Expression: `data.tries >= 2 && data.huge > 1e299`}, true},
		{Condition{Expression: `now - workflow.created_at == duration("48h") && step.scheduled_for < now`}, true},
		{Condition{Expression: `now - timestamp(subject.signed_up_at) > duration("72h")`}, false},
		{Condition{Expression: `workflow.type == "T" && workflow.definition_version == 3 && workflow.id != ""`}, true},
		{Condition{Expression: `step.name == "check" && step.attempt == 2 && step.params.depth == "full"`}, true},
		{Condition{Expression: `now.getDayOfWeek() == 0 && now.getHours() == 0`}, true},
		{Condition{Expression: `subject.id.matches("^[0-9]+$")`}, true},
		{Condition{Expression: `matches(subject.id, "^" + string(subject.age + 1) + "$") && !subject.id.matches(subject.type)`}, true},
		{Condition{Expression: `["^x", "^4"].exists(p, subject.id.matches(p)) && subject.id.matches(string("2$"))`}, true},
		{Condition{Expression: "subject.closed"}, true}, // dyn that gives a bool
	}
	for _, tt := range tests {
		got, err := def.evaluate(t.Context(), tt.c, newVariables(activation()))
		if err != nil || got != tt.want {
			t.Errorf("%s is %v, %v", tt.c, got, err)
		}
	}
	if holds, err := (&Definition{}).evaluate(t.Context(), Condition{Expression: "now == now"}, newVariables(activation())); err != nil || !holds {
		t.Errorf("a definition made by hand gives %v, %v", holds, err)
	}
	for _, none := range []json.RawMessage{nil, json.RawMessage(`null`)} {
		a := &Activation{Attributes: none, Data: none, Params: none}
		if holds, err := def.evaluate(t.Context(), Condition{Expression: "data == {} && step.params == {} && !has(subject.x)"}, newVariables(a)); err != nil || !holds {
			t.Errorf("with the documents %q: %v, %v", none, holds, err)
		}
	}
}

func TestAnyOf(t *testing.T) {
	def := &Definition{}
	expressions := func(list ...string) (out []Condition) {
		for _, e := range list {
			out = append(out, Condition{Expression: e})
		}
		return out
	}
	list := expressions("subject.age > 50", "subject.closed", "1 / 0 == 1")
	if c, err := def.anyOf(t.Context(), list, newVariables(activation())); err != nil || c != &list[1] {
		t.Errorf("%v, %v", c, err)
	}
	if c, err := def.anyOf(t.Context(), nil, newVariables(activation())); err != nil || c != nil {
		t.Errorf("none gives %v, %v", c, err)
	}
	if _, err := def.anyOf(t.Context(), expressions("false", "1 / 0 == 1", "true"), newVariables(activation())); err == nil {
		t.Error("a failing condition is passed over")
	}
}

func TestConditionErrors(t *testing.T) {
	def := &Definition{programs: newPrograms(), Conditions: map[string]Condition{"typo": {Expression: "subject.deactivatd"}}}
	tests := []struct{ expression, want string }{
		{"subject.deactivated", "The condition subject.deactivated failed: There is no deactivated; guard it with has(…) where it may be missing."},
		{"data.a.b", "There is no a; guard it with has"},
		{"subject.plan.nme == 'x'", "There is no nme; guard it"},
		{"subject.age / (subject.age - 41) == 1", "Division by zero."},
		{"subject.tags", "It gave a list and not true or false."},
		{"data.tries", "It gave an int and not true or false."},
		{"subject.profile", "It gave a null_type and not true or false."},
		{"subject.age > 'x'", "No such overload"},
		{"subject.tags[7] == 'x'", "Index out of bounds: 7."},
		{"9223372036854775807 + subject.age > 0", "Integer overflow."},
		{"timestamp(subject.id) < now", "Invalid RFC 3339"},
		{"nonsense(", "does not compile"},
	}
	for _, tt := range tests {
		_, err := def.evaluate(t.Context(), Condition{Expression: tt.expression}, newVariables(activation()))
		var failed *ConditionError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\n\t") {
			t.Errorf("%s\n gives %v, want %q", tt.expression, err, tt.want)
		}
	}
	for c, want := range map[Condition]string{{Named: "typo"}: "{condition: typo} failed: There is no deactivatd", {Named: "gone"}: "no condition of this name", {}: "It is empty."} {
		if _, err := def.evaluate(t.Context(), c, newVariables(activation())); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v gives %v", c, err)
		}
	}
	for _, a := range []*Activation{{Attributes: json.RawMessage(`{`)}, {Attributes: json.RawMessage(`[1]`)}} {
		if _, err := def.evaluate(t.Context(), Condition{Expression: "!has(subject.x)"}, newVariables(a)); err == nil || !strings.Contains(err.Error(), "attributes") {
			t.Errorf("attributes %s give %v", a.Attributes, err)
		}
	}
}

func TestExpressionsThatDoNotCompile(t *testing.T) {
	for expression, want := range map[string]string{
		"subject.":                           "line 1, column 9: ",
		"true &&\n  subjekt.closed":          "line 2, column 3: undeclared reference to 'subjekt' (did you mean 'subject'?); known are subject, data, workflow, step and now",
		"workflow.tpye == 'x'":               `line 1, column 9: workflow has no "tpye"; did you mean "type"?`,
		"has(step.nam)":                      `step has no "nam"; did you mean "name"?`,
		"'text'":                             "gives a string and not true or false",
		"now":                                "gives a google.protobuf.Timestamp and not",
		"[1].map(x, x)":                      "gives a list(int) and not true or false",
		"1 + 'a' == 2":                       "found no matching overload for '_+_'",
		"duration('soon') == duration('1s')": "invalid duration",
		"subject.id.matches('(')":            "invalid matches",
		"[1].all(a, [1].all(b, [1].all(c, true)))":                     "at most 2 loops",
		strings.Repeat("(", 1000):                                      "does not compile",
		strings.Repeat("[", 500) + strings.Repeat("]", 500) + " == []": "does not compile",
		"true" + strings.Repeat(" && true", 300):                       "does not compile",
		"subject.id.matches('(a{1,1000}){1,1000}')":                    "compile",
	} {
		program, err := compileExpression(expression)
		if err == nil || program != nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q gives %v, want %q", expression, err, want)
		}
	}
}

// Whatever an expression says and however large the data is, it ends soon.
func TestExpressionsEnd(t *testing.T) {
	list := func(n int, item string) json.RawMessage {
		return json.RawMessage(`{"l":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}`)
	}
	double := func(seed, step string, tail string) string {
		expression := seed
		for n := 0; n < 45 && len(expression)+len(step)+len(tail) < MaxExpressionBytes; n++ {
			expression += step
		}
		return expression + tail
	}
	sum := func(n int, of string) string {
		for len(strings.Split(of, "+")) < n { // in pairs, so that it does not nest too deep
			of = "(" + of + "+" + of + ")"
		}
		return of
	}
	text := func(n int, of string) json.RawMessage {
		return json.RawMessage(`{"p":"` + strings.Repeat(of, n) + `","l":[` + strings.Repeat("1,", 400) + `1]}`)
	}
	tests := []struct {
		name, expression string
		data             json.RawMessage
		cause            string // "": it gives an answer
	}{
		{"nested loops", "data.l.all(a, data.l.all(b, a + b >= 0))", list(50_000, "1"), "operations"},
		{"one long loop", "data.l.exists(a, a == 2)", list(130_000, "1"), "operations"},
		{"equality in a loop", "data.l.all(a, data == data)", list(100_000, "1"), "operations"},
		{"strings that double", double(`["xx"]`, `.map(x,x+x)`, `.size() == 2`), nil, "at most 2 loops"},
		{"lists that double", double(`[[1,2]]`, `.map(x,x+x)`, `.size() == 2`), nil, "at most 2 loops"},
		{"empty lists that double", double(`[[]]`, `.map(x,x+x)`, ` == []`), nil, "at most 2 loops"},
		{"trees that double", double(`[[1]]`, `.map(x,[x,x])`, ``), nil, "at most 2 loops"},
		{"trees compared", "[" + double(`[[1]]`, `.map(x,[x,x])`, `].all(x, x == x)`), nil, "at most 2 loops"},
		{"trees searched", "[" + double(`[[1]]`, `.map(x,[x,x])`, `].all(x, x in [x])`), nil, "at most 2 loops"},
		{"maps that double", "[" + double(`[{"a":1}]`, `.map(x,{"a":x,"b":x})`, `].all(x, x == x)`), nil, "at most 2 loops"},
		{"nested maps over constants", "[" + double(`[[1]]`, `.map(x,[1,2].map(y,x))`, `].all(x, x == x)`), nil, "at most 2 loops"},
		{"wide trees", "[[1]].map(x,[" + strings.Repeat("x,", 400) + "x]).all(x, [" + strings.Repeat("x,", 400) + "x] == [" + strings.Repeat("x,", 200) + "x])", nil, ""},
		{"data many times", "[" + strings.TrimSuffix(strings.Repeat("data,", 200), ",") + "] == [" + strings.TrimSuffix(strings.Repeat("data,", 200), ",") + "]", list(10_000, "1"), "operations"},
		{"regular expression", "data.l.all(a, a.matches('^(a+)+$'))", list(1, `"`+strings.Repeat("a", 250_000)+`b"`), ""},
		{"regular expressions", "data.l.all(a, a.matches('^(a|aa|aaa)*$'))", list(5000, `"`+strings.Repeat("a", 40)+`b"`), ""},
		{"string in a loop", "data.l.all(a, data.l[0] + a != '')", list(2, `"`+strings.Repeat("a", 120_000)+`"`), ""},
		{"list concatenated in a loop", "data.l.all(a, (data.l + data.l).size() > 0)", list(100_000, "1"), "operations"},
		{"conversion in a loop", "data.l.all(a, string(a) == '1')", list(120_000, "1"), "operations"},
		{"strings that add up", "[" + sum(64, "data.p") + "].all(x, size(" + sum(64, "x") + ") > 0)", text(1000, "a"), "operations"},
		{"lists searched in a loop", "data.l.all(a, !('x' in data.l))", list(20_000, "1"), "operations"},
		{"length of a text in a loop", "data.l.all(a, size(data.p) > a)", text(100_000, "a"), "operations"},
		{"faulty conversions in a loop", "data.l.exists(a, double(data.p) == 1.0)", text(10_000, "x"), "operations"},
		{"time zones in a loop", "data.l.all(a, data.l.all(b, now.getHours('UTC') == 0))", list(100, "1"), "operations"},
		{"large regular expression", "data.p.matches('a{900}b')", text(25_000, "a"), "operations"},
		{"regular expression that is computed", "data.l.exists(a, 'a'.matches(data.p))", text(1, `a{900}b`), "operations"},
		{"class of characters that is computed", "'a'.matches(data.p)", text(300, `[[:^alpha:]]`), "1000"},
		{"large regular expression that is computed", "'a'.matches(data.p)", text(1, `a{900}b{900}`), "1000 are allowed"},
		{"no regular expression", "'a'.matches(data.p)", text(1, `(`), "missing closing )"},
		{"regular expression that is a number", "'a'.matches(data.l[0])", text(1, ``), "o such overload"},
		{"number that is to match", "data.l[0].matches('a')", text(1, ``), "o such overload"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := activation()
			if tt.data != nil {
				a.Data = tt.data
			}
			start := time.Now()
			_, err := (&Definition{}).evaluate(t.Context(), Condition{Expression: tt.expression}, newVariables(a))
			if (err == nil) != (tt.cause == "") || err != nil && !strings.Contains(err.(*ConditionError).Cause, tt.cause) {
				t.Errorf("gives %.400v, want %q", err, tt.cause)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestExpressionStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &Activation{Data: json.RawMessage(`{"l":[` + strings.TrimSuffix(strings.Repeat("1,", 5000), ",") + `]}`)}
	_, err := (&Definition{}).evaluate(ctx, Condition{Expression: "data.l.all(a, a == 1)"}, newVariables(a))
	if err == nil || !strings.Contains(err.Error(), "not finished in time") {
		t.Errorf("gives %v", err)
	}
}

func TestProgramsAreCompiledOnce(t *testing.T) {
	p := newPrograms()
	first, err := p.compile("now == now")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := p.compile("now == now"); fmt.Sprintf("%p", again) != fmt.Sprintf("%p", first) {
		t.Error("compiled twice")
	}
}

func BenchmarkEvaluate(b *testing.B) {
	def := &Definition{programs: newPrograms()}
	c := Condition{Expression: "has(subject.deactivated) && subject.deactivated"}
	a := activation()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := def.evaluate(b.Context(), c, newVariables(a)); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzExpression: compiling and running ends in an answer or an error, whatever the expression.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{
		"true", "has(subject.closed) && subject.closed", "data.items.all(i, i.price > 2)", "now - workflow.created_at > duration('1h')",
		"subject.", "1/0 == 1", "subject.tags.exists(t, t in ['a'])", "[1].map(x, x + x) == [2]", "step.params.depth == 'full'", "'a'.matches('(')",
		"subject.?a.orValue(1) == 1", "{'a': 1}.a == 1", "b'x' == b'y'", "data.items[0].price == 3", "size(data) > 1 ? true : false",
	} {
		f.Add(s)
	}
	def := &Definition{}
	a := activation()
	f.Fuzz(func(t *testing.T, expression string) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := def.evaluate(ctx, Condition{Expression: expression}, newVariables(a)); err != nil && ctx.Err() != nil {
			t.Fatalf("%q did not end", expression)
		}
	})
}
