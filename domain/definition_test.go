package domain

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var testQueues = []string{"critical", "default", "low"}

func parseYAML(t *testing.T, source string, env Environment) *Definition {
	t.Helper()
	if env.Queues == nil {
		env.Queues = testQueues
	}
	def, err := ParseDefinition([]byte(source), SourceYAML, env)
	if err != nil {
		t.Fatalf("%v\n%+v", err, problemsOf(err))
	}
	return def
}

func problemsOf(err error) []string {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	out := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		out[i] = p.Pointer + " " + p.Detail
	}
	return out
}

func stepNames(d *Definition) string {
	names := make([]string, len(d.Steps))
	for i, s := range d.Steps {
		names[i] = s.Name
	}
	return strings.Join(names, " ")
}

const everything = `
type: OnboardingWorkflow
webhook: {url: "https://app.example.com/geneva", timeout: PT30S, headers: {X-Team: growth, authorization: Bearer abc}}
queue: critical
priority: 0
allow_multiple: true
on_exception: pause
retry: {max_attempts: 3, multiplier: 2.5}
callback_timeout: PT1H
conditions:
  account_closed: "has(subject.closed) && subject.closed"
  never: false
cancel_if: ["has(subject.deactivated) && subject.deactivated", {condition: account_closed}]
hooks: {before_step_starts: {path: /progress, timeout: 5s}}
steps:
  - name: setup_profile
    skip_if: "has(subject.profile) && subject.profile != null"
  - name: send_email
    after_step: setup_profile
    wait: PT1H
    webhook: {timeout: PT2M, headers: {x-team: mail}, max_in_flight: 5}
    on_exception: {action: reattempt, max_reattempts: 3, then: cancel, wait: PT1M}
    retry: {max_attempts: 1, initial: 100ms}
    queue: low
    priority: 9
    callback_timeout: 0s
  - {name: check, repeat: 2, wait: 2h, params: {depth: full, n: 1.10, big: 9007199254740992}, if: {condition: never}}
  - {wait: P2D, webhook: {endpoint: app, path: /x}, on_exception: reattempt}
`

func TestParseDefinition(t *testing.T) {
	def := parseYAML(t, everything, Environment{Type: "OnboardingWorkflow"})
	no := false
	minute := time.Minute
	headers := map[string]string{"x-team": "growth", "authorization": "Bearer abc"}
	hook := &Webhook{URL: "https://app.example.com/geneva/progress", Timeout: 5 * time.Second, Headers: headers}
	retry := Retry{MaxAttempts: 3, Initial: 5 * time.Second, Multiplier: 2.5, Max: time.Hour}
	base := Step{Webhook: Webhook{URL: "https://app.example.com/geneva", Timeout: 30 * time.Second, Headers: headers}, Hook: hook,
		OnException: OnException{Action: OnExceptionPause}, Retry: retry, CallbackTimeout: time.Hour, Queue: "critical"}

	profile, email, check, last := base, base, base, base
	profile.Name = "setup_profile"
	profile.SkipIf = &Condition{Expression: "has(subject.profile) && subject.profile != null"}
	email.Name, email.Wait = "send_email", time.Hour
	email.Webhook = Webhook{URL: "https://app.example.com/geneva", Timeout: 2 * time.Minute, MaxInFlight: 5,
		Headers: map[string]string{"x-team": "mail", "authorization": "Bearer abc"}}
	email.OnException = OnException{Action: OnExceptionReattempt, MaxReattempts: 3, Then: OnExceptionCancel, Wait: &minute}
	email.Retry = Retry{MaxAttempts: 1, Initial: 100 * time.Millisecond, Multiplier: 2.5, Max: time.Hour}
	email.Queue, email.Priority, email.CallbackTimeout = "low", 9, 0
	check.Name, check.Wait, check.If = "check", 2*time.Hour, &Condition{Named: "never"}
	check.Params = json.RawMessage(`{"big":9007199254740992,"depth":"full","n":1.10}`)
	again := check
	again.Name = "check_2"
	last.Name, last.Wait = "step_4", 48*time.Hour
	last.Webhook = Webhook{Endpoint: "app", Path: "/x", Timeout: 30 * time.Second, Headers: headers}
	last.OnException = OnException{Action: OnExceptionReattempt, MaxReattempts: 25, Then: OnExceptionPause}

	want := []Step{profile, email, check, again, last}
	if len(def.Steps) != len(want) {
		t.Fatalf("steps %s", stepNames(def))
	}
	for i := range want {
		if !reflect.DeepEqual(def.Steps[i], want[i]) {
			t.Errorf("step %d is\n %+v, want\n %+v", i, def.Steps[i], want[i])
		}
	}
	if def.Type != "OnboardingWorkflow" || !def.AllowMultiple || def.Format != FormatVersion || !def.UsesCallbacks() {
		t.Errorf("definition %+v", def)
	}
	wantCancel := []Condition{{Expression: "has(subject.deactivated) && subject.deactivated"}, {Named: "account_closed"}}
	if !reflect.DeepEqual(def.CancelIf, wantCancel) {
		t.Errorf("cancel_if %v", def.CancelIf)
	}
	wantConditions := map[string]Condition{"account_closed": {Expression: "has(subject.closed) && subject.closed"}, "never": {Literal: &no}}
	if !reflect.DeepEqual(def.Conditions, wantConditions) {
		t.Errorf("conditions %v", def.Conditions)
	}
}

func TestDefaults(t *testing.T) {
	def := parseYAML(t, `{type: T, webhook: {endpoint: app}, steps: [{}, {}]}`, Environment{})
	want := Step{Name: "step_2", Webhook: Webhook{Endpoint: "app"}, OnException: OnException{Action: OnExceptionPause},
		Retry: DefaultRetry, Queue: DefaultQueue, Priority: DefaultPriority}
	if len(def.Steps) != 2 || !reflect.DeepEqual(def.Steps[1], want) || def.AllowMultiple || def.UsesCallbacks() {
		t.Errorf("%+v", def.Steps)
	}
	for _, empty := range []string{`{type: T}`, `{type: T, steps: []}`} {
		if def := parseYAML(t, empty, Environment{}); len(def.Steps) != 0 || def.Steps == nil {
			t.Errorf("%s has steps %v", empty, def.Steps)
		}
	}
}

// JSON and YAML that say the same are the same definition.
func TestJSONAndYAMLAgree(t *testing.T) {
	fromYAML := parseYAML(t, everything, Environment{})
	fromJSON, err := ParseDefinition(fromYAML.Source, SourceJSON, Environment{Queues: testQueues})
	if err != nil {
		t.Fatal(err, problemsOf(err))
	}
	a, errA := fromYAML.ContentHash()
	b, errB := fromJSON.ContentHash()
	if a != b || errA != nil || errB != nil || len(a) != 64 {
		t.Errorf("hashes %s %v and %s %v", a, errA, b, errB)
	}
	if string(fromYAML.Source) != string(fromJSON.Source) {
		t.Errorf("sources %s\nand %s", fromYAML.Source, fromJSON.Source)
	}
}

func TestStoredDefinition(t *testing.T) {
	def := parseYAML(t, everything, Environment{})
	data, err := json.Marshal(def)
	if err != nil {
		t.Fatal(err)
	}
	back, err := UnmarshalDefinition(FormatVersion, data)
	if err != nil {
		t.Fatal(err)
	}
	def.Source, def.programs, back.programs = nil, nil, nil
	if !reflect.DeepEqual(def, back) {
		t.Errorf("read back as\n %+v, want\n %+v", back, def)
	}
	if again, err := json.Marshal(back); err != nil || string(again) != string(data) {
		t.Errorf("stores as\n %s, then as\n %s, %v", data, again, err)
	}
	for _, format := range []int{0, FormatVersion + 1} {
		if _, err := UnmarshalDefinition(format, data); !errors.Is(err, ErrUnknownFormat) {
			t.Errorf("format %d gives %v", format, err)
		}
	}
	if _, err := UnmarshalDefinition(FormatVersion, []byte(`{`)); err == nil {
		t.Error("half a stored definition is read")
	}
}

func TestContentHash(t *testing.T) {
	hash := func(source string) string {
		h, err := parseYAML(t, source, Environment{}).ContentHash()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	base := hash(`{type: T, webhook: {endpoint: app}, steps: [{name: a, wait: 1h}, {name: b}]}`)
	for _, same := range []string{
		`{steps: [{wait: PT60M, name: a}, {name: b, priority: 5, queue: default}], type: T, webhook: {endpoint: app}}`,
		`{type: T, webhook: {endpoint: app}, steps: [{name: b, after_step: a}, {name: a, wait: 1h}]}`,
	} {
		if hash(same) != base {
			t.Errorf("%s is another content", same)
		}
	}
	for _, other := range []string{
		`{type: U, webhook: {endpoint: app}, steps: [{name: a, wait: 1h}, {name: b}]}`,
		`{type: T, webhook: {endpoint: app}, steps: [{name: a, wait: 1h}, {name: b, priority: 4}]}`,
		`{type: T, webhook: {endpoint: app}, allow_multiple: true, steps: [{name: a, wait: 1h}, {name: b}]}`,
		`{type: T, webhook: {endpoint: app}, steps: [{name: b}, {name: a, wait: 1h}]}`,
	} {
		if hash(other) == base {
			t.Errorf("%s is the same content", other)
		}
	}
}

func TestOrder(t *testing.T) {
	tests := []struct{ steps, want string }{
		{`{name: a}, {name: b}`, "a b"},
		{`{name: a, after_step: b}, {name: b}`, "b a"},
		{`{name: a}, {name: b, before_step: a}`, "b a"},
		{`{name: x}, {name: a, after_step: x}, {name: b, after_step: x}, {name: y}`, "x a b y"},
		{`{name: a, before_step: x}, {name: b, before_step: x}, {name: x}`, "a b x"},
		{`{name: c, after_step: b}, {name: b, after_step: a}, {name: a}, {name: z}`, "a b c z"},
		{`{name: x}, {name: a, after_step: x}, {name: c, after_step: a}, {name: b, after_step: x}`, "x a c b"},
		{`{name: x}, {name: a, after_step: x}, {name: p, before_step: a}`, "x p a"},
		{`{}, {name: a}, {}`, "step_1 a step_3"},
		{`{after_step: a}, {name: a}, {}`, "a step_1 step_3"},
		{`{name: first, before_step: step_2}, {}`, "first step_2"},
		{`{name: c, repeat: 3}, {name: d}`, "c c_2 c_3 d"},
		{`{repeat: 2}, {repeat: 2}`, "step_1 step_1_2 step_2 step_2_2"},
		{`{name: z}, {name: c, repeat: 3}, {name: a, after_step: c}, {name: b, before_step: c}`, "z b c c_2 c_3 a"},
		{`{name: c, repeat: 3}, {name: a, after_step: c_2}, {name: b, before_step: c_2}`, "c b c_2 a c_3"},
		{`{name: c, repeat: 2, after_step: x}, {name: x}, {name: y}`, "x c c_2 y"},
		{`{name: c, repeat: 1}`, "c"},
	}
	for _, tt := range tests {
		def := parseYAML(t, "{type: T, webhook: {endpoint: app}, steps: ["+tt.steps+"]}", Environment{})
		if got := stepNames(def); got != tt.want {
			t.Errorf("%s\n gives %s, want %s", tt.steps, got, tt.want)
		}
	}
}

func TestExamples(t *testing.T) {
	want := map[string]string{
		"signup.yaml":           "SignupWorkflow: send_welcome_email send_reminder complete_onboarding",
		"onboarding.yaml":       "OnboardingWorkflow: setup_profile send_email call_api",
		"check_response.yaml":   "CheckResponseWorkflow: check_first check_hourly check_hourly_2 check_hourly_3 check_hourly_4 check_hourly_5 check_hourly_6 check_hourly_7 check_hourly_8 check_hourly_9 check_hourly_10 check_hourly_11 check_hourly_12 check_daily check_daily_2 check_daily_3 check_daily_4 check_daily_5 check_daily_6 check_daily_7",
		"email_processing.yaml": "EmailProcessingWorkflow: classify_email generate_summary create_embeddings generate_response sync_with_external",
	}
	files, err := filepath.Glob("../examples/definitions/*.yaml")
	if err != nil || len(files) < len(want) {
		t.Fatalf("examples %v, %v", files, err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		def := parseYAML(t, string(source), Environment{})
		if w, ok := want[filepath.Base(file)]; ok && w != def.Type+": "+stepNames(def) {
			t.Errorf("%s gives %s: %s", file, def.Type, stepNames(def))
		}
		delete(want, filepath.Base(file))
	}
	if len(want) > 0 {
		t.Errorf("missing examples: %v", want)
	}
}

func TestExtends(t *testing.T) {
	grandparent := parseYAML(t, `
type: Base
webhook: {url: "https://app.example.com/g", timeout: 10s, headers: {a: base, b: base}}
queue: low
priority: 7
allow_multiple: true
retry: {max_attempts: 4, initial: 1s}
on_exception: skip
callback_timeout: 1h
conditions: {closed: "has(subject.closed)", other: true}
cancel_if: {condition: closed}
hooks: {before_step_starts: {path: /hook, headers: {h: base}}}
steps: [{name: not_inherited}]
`, Environment{})
	grandparent.Version = 3
	parent := func(d *Definition) Environment {
		return Environment{Parent: func(name string) (*Definition, error) {
			if name != d.Type {
				return nil, Errorf(CodeDefinitionNotFound, "none")
			}
			return d, nil
		}}
	}
	before, _ := json.Marshal(grandparent)
	mid := parseYAML(t, `{type: Mid, extends: Base, retry: {initial: 2s}, conditions: {closed: false}, cancel_if: [true]}`, parent(grandparent))
	mid.Version = 1
	stored, err := json.Marshal(mid)
	if err != nil {
		t.Fatal(err)
	}
	if mid, err = UnmarshalDefinition(FormatVersion, stored); err != nil { // as the engine gets it
		t.Fatal(err)
	}
	mid.Version = 1
	child := parseYAML(t, `
type: Child
extends: Mid
webhook: {headers: {b: child}}
priority: 2
hooks: {before_step_starts: {timeout: 1s}}
steps: [{name: a}, {name: b, webhook: {endpoint: app}, skip_if: {condition: closed}}]
`, parent(mid))

	if want := []Ancestor{{"Mid", 1}, {"Base", 3}}; !reflect.DeepEqual(child.Extends, want) {
		t.Errorf("extends %v", child.Extends)
	}
	no, yes := false, true
	if want := []Condition{{Named: "closed"}, {Literal: &yes}}; !reflect.DeepEqual(child.CancelIf, want) {
		t.Errorf("cancel_if %v", child.CancelIf)
	}
	if want := map[string]Condition{"closed": {Literal: &no}, "other": {Literal: &yes}}; !reflect.DeepEqual(child.Conditions, want) {
		t.Errorf("conditions %v", child.Conditions)
	}
	headers := map[string]string{"a": "base", "b": "child"}
	want := Step{Name: "a", Queue: "low", Priority: 2, CallbackTimeout: time.Hour, OnException: OnException{Action: OnExceptionSkip},
		Webhook: Webhook{URL: "https://app.example.com/g", Timeout: 10 * time.Second, Headers: headers},
		Hook: &Webhook{URL: "https://app.example.com/g/hook", Timeout: time.Second,
			Headers: map[string]string{"a": "base", "b": "child", "h": "base"}},
		Retry: Retry{MaxAttempts: 4, Initial: 2 * time.Second, Multiplier: 4, Max: time.Hour}}
	if len(child.Steps) != 2 || !reflect.DeepEqual(child.Steps[0], want) || !child.AllowMultiple {
		t.Errorf("child %+v", child)
	}
	if w := child.Steps[1].Webhook; !reflect.DeepEqual(w, Webhook{Endpoint: "app", Timeout: 10 * time.Second, Headers: headers}) {
		t.Errorf("webhook %+v", w)
	}
	if after, _ := json.Marshal(grandparent); string(after) != string(before) {
		t.Error("a child has changed its parent")
	}

	a, _ := child.ContentHash()
	mid.Version = 2
	again := parseYAML(t, string(child.Source), parent(mid))
	if b, _ := again.ContentHash(); a != b || again.Extends[0].Version != 2 {
		t.Errorf("a parent's version alone changes the content: %s, %s", a, b)
	}

	_, err = ParseDefinition([]byte(`{"type":"Base","extends":"Mid"}`), SourceJSON, parent(mid))
	if got := problemsOf(err); !slices.Equal(got, []string{"#/extends The definitions extend each other in a circle: Base → Mid → Base."}) {
		t.Errorf("a circle gives %v", got)
	}
	away := errors.New("database away")
	if _, err := ParseDefinition([]byte(`{"type":"A","extends":"B"}`), SourceJSON, Environment{Parent: func(string) (*Definition, error) { return nil, away }}); !errors.Is(err, away) {
		t.Errorf("a lookup that fails gives %v", err)
	}
}

func TestWebhookOver(t *testing.T) {
	tests := []struct {
		w, base Webhook
		want    string
	}{
		{Webhook{}, Webhook{URL: "http://a/x", Path: "/p"}, "http://a/x/p"},
		{Webhook{Path: "/q"}, Webhook{URL: "http://a/x/", Path: "/p"}, "http://a/x/q"},
		{Webhook{Path: "/q"}, Webhook{URL: "http://a?k=v"}, "http://a/q?k=v"},
		{Webhook{URL: "http://b"}, Webhook{URL: "http://a", Path: "/p"}, "http://b"},
		{Webhook{URL: "http://b"}, Webhook{Endpoint: "e", Path: "/p"}, "http://b"},
		{Webhook{Endpoint: "e"}, Webhook{URL: "http://a"}, "e "},
		{Webhook{Endpoint: "f"}, Webhook{Endpoint: "e", Path: "/p"}, "f /p"},
		{Webhook{Path: "/q"}, Webhook{Endpoint: "e", Path: "/p"}, "e /q"},
	}
	for _, tt := range tests {
		got, ok := tt.w.over(&tt.base).resolved()
		shown := got.URL
		if got.Endpoint != "" {
			shown = got.Endpoint + " " + got.Path
		}
		if !ok || shown != tt.want {
			t.Errorf("%+v over %+v is %q, want %q", tt.w, tt.base, shown, tt.want)
		}
	}
}

func TestLimitsOfDefinitions(t *testing.T) {
	step := func(n int, s string) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }
	doc := func(steps string) string { return `{"type":"T","webhook":{"endpoint":"a"},"steps":[` + steps + `]}` }
	for _, source := range []string{doc(step(1000, "{}")), doc(`{"repeat":999},{}`),
		doc(`{"params":{"x":"` + strings.Repeat("x", MaxParamsBytes-8) + `"}}`)} {
		if _, err := ParseDefinition([]byte(source), SourceJSON, Environment{}); err != nil {
			t.Errorf("%.60s: %v", source, err)
		}
	}
	header := `"webhook":{"headers":{"x":"` + strings.Repeat("v", 8000) + `"}}`
	var conditions []string
	for i := range 40 {
		conditions = append(conditions, fmt.Sprintf(`{"if":"subject.x == '%d%s'"}`, i, strings.Repeat("x", 2000)))
	}
	if _, err := ParseDefinition([]byte(doc(strings.Join(conditions[:32], ","))), SourceJSON, Environment{}); err != nil {
		t.Errorf("64 KiB of expressions: %v", err)
	}
	for source, says := range map[string]string{
		doc(strings.Join(conditions, ",")):                                    "more than 65536 bytes together",
		doc(step(10_000, "{}")):                                               "has 10000 steps",
		doc(`{"repeat":600},{"repeat":401}`):                                  "has 1001 steps",
		doc(`{"repeat":1001}`):                                                "from 1 to 1000",
		doc(`{"params":{"x":"` + strings.Repeat("x", MaxParamsBytes) + `"}}`): "params have 16392 bytes",
		`{"type":"T","webhook":{"endpoint":"a","headers":{"x":"` + strings.Repeat("v", 8000) + `"}},"steps":[{"repeat":1000}]}`: "once every step has its settings",
		doc(fmt.Sprintf(`{"repeat":1000,%s}`, header)): "once every step has its settings",
	} {
		_, err := ParseDefinition([]byte(source), SourceJSON, Environment{})
		if CodeOf(err) != CodeInvalidDefinition || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60s gives %.200v, want %q", source, err, says)
		}
	}
	if _, err := ParseDefinition(make([]byte, MaxSourceBytes+1), SourceYAML, Environment{}); CodeOf(err) != CodeBodyTooLarge {
		t.Errorf("a large source gives %v", err)
	}
	_, err := ParseDefinition([]byte(doc(step(5000, `{"x":1}`))), SourceJSON, Environment{})
	if n := len(problemsOf(err)); n != mostProblems || !strings.Contains(err.Error(), "4901 further") {
		t.Errorf("%d problems, %v", n, err)
	}
}

// A key stands in the pointer of every problem below it.
func TestProblemsOfLongKeysAreShort(t *testing.T) {
	source := "conditions:\n  ? " + strings.Repeat("é<", 100_000) + "\n  : [" + strings.Repeat("!!str x, ", 200) + "]\n"
	_, err := ParseDefinition([]byte(source), SourceYAML, Environment{})
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) != mostProblems {
		t.Fatalf("gives %.200v", err)
	}
	for _, p := range e.Problems {
		if len(p.Pointer)+len(p.Detail) > 1000 {
			t.Fatalf("a problem has %d bytes", len(p.Pointer)+len(p.Detail))
		}
	}
	if want := "#/conditions/" + strings.Repeat("%C3%A9%3C", 42) + "%C3%A9%E2%80%A6/0"; e.Problems[0].Pointer != want {
		t.Errorf("the first is at %s, want %s", e.Problems[0].Pointer, want)
	}
}
