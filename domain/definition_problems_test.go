package domain

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Each document is wrong in the ways listed, and in no other.
func TestDefinitionProblems(t *testing.T) {
	const hook = `webhook: {endpoint: app}`
	tests := []struct {
		name, source string
		want         []string
	}{
		{"not an object", `[]`, []string{"# Expected an object, not a list."}},
		{"scalar", `7`, []string{"# Expected an object, not 7."}},
		{"no type", `{steps: []}`, []string{"# The type is missing; name the workflow type, for example SignupWorkflow."}},
		{"bad type", `{type: 1abc}`, []string{`#/type The name "1abc" must start with a letter A–Z or a–z.`}},
		{"type is a number", `{type: 12}`, []string{"#/type Expected a string, not 12; put it in quotes."}},
		{"null", "type: T\nqueue:\nsteps: [{name: }]\n" + hook,
			[]string{"#/queue The value is missing; give one, or leave queue out.", "#/steps/0/name The value is missing; give one, or leave name out."}},
		{"unknown keys", `{type: T, stepz: [], version: 3, timeout: 5s, ` + hook + `, steps: [{nam: x}, {url: "http://a"}, {at: "2026-01-02T03:04:05Z"}]}`, []string{
			`#/stepz "stepz" is not known here; did you mean "steps"?`,
			`#/timeout "timeout" is not known here; it goes under webhook.`,
			`#/version "version" is not known here; known are type, extends, allow_multiple, conditions, cancel_if, hooks, steps, webhook, queue, priority, on_exception, retry, callback_timeout.`,
			`#/steps/0/nam "nam" is not known here; did you mean "name"?`,
			`#/steps/1/url "url" is not known here; it goes under webhook.`,
			`#/steps/2/at A step waits by wait; at is for creating, for reattempt and for next in an answer.`}},
		{"pointer escapes", `{type: T, "a/b~c d": 1}`, []string{`#/a~1b~0c%20d "a/b~c d" is not known here; known are type, extends, allow_multiple, conditions, cancel_if, hooks, steps, webhook, queue, priority, on_exception, retry, callback_timeout.`}},
		{"steps", `{type: T, ` + hook + `, steps: {name: a}}`, []string{"#/steps Expected a list of steps, not an object."}},
		{"a step", `{type: T, ` + hook + `, steps: [send]}`, []string{`#/steps/0 Expected an object, not the string "send".`}},
		{"names", `{type: T, ` + hook + `, steps: [{name: ""}, {name: "a b"}, {name: ` + strings.Repeat("n", 101) + `}]}`, []string{
			`#/steps/0/name The name is empty.`, `#/steps/1/name The name "a b" may hold only letters, digits and _ . : -.`,
			`#/steps/2/name The name "` + strings.Repeat("n", 64) + `…" is longer than 100 characters.`}},
		{"wait", `{type: T, ` + hook + `, steps: [{wait: 60}, {wait: -5s}, {wait: P1M}, {wait: P11000D}, {wait: [1]}, {wait: "90"}]}`, []string{
			`#/steps/0/wait A duration is a string with a unit: write "PT60S" or "60s" for 60 seconds.`,
			`#/steps/1/wait "-5s" is negative; a duration is zero or more.`,
			`#/steps/2/wait "P1M" counts in years or months, which differ in length; write days instead, P30D or 30d.`,
			`#/steps/3/wait "P11000D" is longer than 10 years (P3650D).`,
			`#/steps/4/wait A duration is a string such as "PT30S", "PT1H30M" or "2d".`,
			`#/steps/5/wait "90" has no unit; write "PT90S" or "90s" for seconds.`}},
		{"repeat", `{type: T, ` + hook + `, steps: [{repeat: 0}, {repeat: 1.5}, {repeat: "3"}]}`, []string{
			"#/steps/0/repeat Expected a whole number from 1 to 1000, not 0.", "#/steps/1/repeat Expected a whole number from 1 to 1000, not 1.5.",
			`#/steps/2/repeat Expected a whole number from 1 to 1000, not the string "3"; leave out the quotes.`}},
		{"params", `{type: T, ` + hook + `, steps: [{params: [1]}]}`, []string{"#/steps/0/params Expected an object, not a list."}},
		{"no receiver", `{type: T, steps: [{name: a}, {webhook: {url: "http://x"}}, {webhook: {path: /a}}]}`, []string{
			`#/steps/0 The step "a" has no receiver; give its webhook, or the definition's, a url or an endpoint.`,
			`#/steps/2 The step "step_3" has no receiver; give its webhook, or the definition's, a url or an endpoint.`}},
		{"hook without receiver", `{type: T, hooks: {before_step_starts: {path: /h}}, steps: [{webhook: {url: "http://x"}}]}`, []string{
			`#/hooks/before_step_starts The hook has no receiver; give webhook of the definition, or the hook itself, a url or an endpoint.`}},
		{"hooks", `{type: T, hooks: {after_step: {}}}`, []string{`#/hooks/after_step "after_step" is not known here; known are before_step_starts.`}},
		{"webhook", `{type: T, webhook: {url: "http://x", endpoint: app, timeout: 20m, max_in_flight: 0}, steps: [{webhook: "http://x"}, {webhook: {url: "http://y", path: /z}}]}`, []string{
			"#/webhook Give either url or endpoint, not both.",
			`#/webhook/timeout "20m" is out of bounds; timeout may be PT0.1S to PT10M.`,
			"#/webhook/max_in_flight Expected a whole number from 1 to 10000, not 0.",
			`#/steps/0/webhook Expected an object, not the string "http://x".`,
			"#/steps/1/webhook/path A path goes with an endpoint, or with a url that is inherited; here write the whole address into url."}},
		{"headers", `{type: T, webhook: {url: "http://x", headers: {Host: a, Webhook-Id: b, "a b": c, x: "a\nb", n: 1, d: a, D: b, é: x, Idempotency-Key: k, t: " a"}}}`, []string{
			"#/webhook/headers/Host The header host is reserved; the server sets it itself.",
			"#/webhook/headers/Idempotency-Key The header idempotency-key is reserved; the server sets it itself.",
			"#/webhook/headers/Webhook-Id The header webhook-id is reserved; the server sets it itself.",
			`#/webhook/headers/a%20b "a b" is not a header name.`,
			"#/webhook/headers/d The header d stands twice; names compare without case.",
			"#/webhook/headers/n Expected a string, not 1; put it in quotes.",
			"#/webhook/headers/t The value of the header t may hold only visible ASCII characters, with spaces inside.",
			"#/webhook/headers/x The value of the header x may hold only visible ASCII characters, with spaces inside.",
			`#/webhook/headers/%C3%A9 "é" is not a header name.`}},
		{"queue and priority", `{type: T, queue: crtical, priority: 10, ` + hook + `, steps: [{queue: "a b", priority: "5"}, {priority: yes}]}`, []string{
			`#/queue There is no queue "crtical"; did you mean "critical"?`, "#/priority Expected a whole number from 0 to 9, not 10.",
			`#/steps/0/queue The queue name "a b" must have 1 to 50 characters: letters, digits and _ . - after a letter or digit.`,
			`#/steps/0/priority Expected a whole number from 0 to 9, not the string "5"; leave out the quotes.`,
			`#/steps/1/priority Expected a whole number from 0 to 9, not the string "yes".`}},
		{"allow_multiple", `{type: T, allow_multiple: yes}`, []string{`#/allow_multiple Expected true or false, not the string "yes"; YAML 1.2 has only true and false.`}},
		{"on_exception", `{type: T, on_exception: pause!, ` + hook + `, steps: [{on_exception: {then: skip}}, {on_exception: {action: cancel, wait: 1s}},
			{on_exception: {action: reattempt, max_reattempts: 0, then: reattempt, wait: soon}}, {on_exception: {action: retry, thn: x}}, {on_exception: 5}]}`, []string{
			`#/on_exception "pause!" is not one of the words allowed here; did you mean "pause"?`,
			"#/steps/0/on_exception The action is missing; it is one of pause, cancel, skip and reattempt.",
			"#/steps/1/on_exception/wait The key wait goes only with the action reattempt.",
			"#/steps/2/on_exception/max_reattempts Expected a whole number from 1 to 10000, not 0.",
			"#/steps/2/on_exception/then What follows when reattempting did not help cannot be reattempt.",
			`#/steps/2/on_exception/wait "soon" is not a duration; write ISO 8601 (P2D, PT1H30M, PT0.5S) or the short form (2d, 1h30m, 500ms), large units first.`,
			`#/steps/3/on_exception/thn "thn" is not known here; did you mean "then"?`,
			`#/steps/3/on_exception/action "retry" is not one of the words allowed here; known are pause, cancel, skip, reattempt.`,
			"#/steps/4/on_exception Expected an object, not 5."}},
		{"retry", `{type: T, retry: {max_attempts: 101, multiplier: 0.5, initial: 10s, max: 5s}, ` + hook + `, steps: [{retry: 3}, {retry: {initial: 0s, multiplier: x}}]}`, []string{
			"#/retry/max_attempts Expected a whole number from 1 to 100, not 101.", "#/retry/multiplier Expected a number from 1 to 100, not 0.5.",
			"#/retry/max The longest wait, max (PT5S), is less than the first, initial (PT10S).", "#/steps/0/retry Expected an object, not 3.",
			`#/steps/1/retry/initial "0s" is out of bounds; initial may be PT0.001S to P3650D.`,
			`#/steps/1/retry/multiplier Expected a number from 1 to 100, not the string "x".`}},
		{"callback_timeout", `{type: T, callback_timeout: 10ms}`, []string{`#/callback_timeout "10ms" is out of bounds; callback_timeout may be PT1S to P3650D.`}},
		{"duplicate names", `{type: T, ` + hook + `, steps: [{name: a}, {name: b}, {name: a}]}`, []string{
			`#/steps/2 Two steps have the name "a": this one and #/steps/0; names must differ.`}},
		{"duplicates by repetition", `{type: T, ` + hook + `, steps: [{name: a_2}, {name: a, repeat: 3}, {}, {name: step_3}]}`, []string{
			`#/steps/1 Two steps have the name "a_2": this one and #/steps/0; names must differ.`,
			`#/steps/3 Two steps have the name "step_3": this one and #/steps/2; names must differ.`}},
		{"long by repetition", `{type: T, ` + hook + `, steps: [{name: ` + strings.Repeat("n", 99) + `, repeat: 9}]}`, []string{
			`#/steps/0 Repeating it makes the name "` + strings.Repeat("n", 64) + `…", which is longer than 100 characters.`}},
		{"anchors", `{type: T, ` + hook + `, steps: [{name: setup}, {name: a, after_step: setpu}, {name: b, before_step: zzzzzz}, {name: c, before_step: a, after_step: b}, {name: d, before_step: 3}, {name: e, after_step: ""}]}`, []string{
			`#/steps/3/after_step The step "c" has both before_step and after_step; give one of them.`,
			"#/steps/4/before_step Expected a string, not 3; put it in quotes.",
			"#/steps/5/after_step The name is empty; name a step, or leave after_step out.",
			`#/steps/1/after_step The step "a" is placed beside "setpu", which is not a step; did you mean "setup"?`,
			`#/steps/2/before_step The step "b" is placed beside "zzzzzz", which is not a step.`}},
		{"circles", `{type: T, ` + hook + `, steps: [{name: a, after_step: c}, {name: b, before_step: a}, {name: c, after_step: b}, {name: d, after_step: d}, {name: e, after_step: a}, {name: f}]}`, []string{
			"#/steps/0/after_step The steps are placed in a circle: a → c → b → a.", "#/steps/3/after_step The steps are placed in a circle: d → d."}},
		{"circle of a repetition", `{type: T, ` + hook + `, steps: [{name: a, repeat: 2, before_step: a_2}]}`, []string{
			"#/steps/0/before_step The steps are placed in a circle: a → a."}},
		{"extends", `{type: T, extends: Nobody}`, []string{`#/extends There is no definition "Nobody" to extend; register it first.`}},
		{"extends itself", `{type: T, extends: T}`, []string{"#/extends A definition cannot extend itself."}},
		{"extends no name", `{type: T, extends: "a b"}`, []string{`#/extends The name "a b" may hold only letters, digits and _ . : -.`}},
		{"conditions", `{type: T, conditions: {a: "subject.", "b c": true, d: {condition: a}, e: 5}, cancel_if: [{condition: aa}, {condition: zzzzzz}, {}, "x ==", 7], ` + hook + `,
			steps: [{skip_if: true, if: false}, {if: {cond: a}}, {skip_if: "1 + 1"}, {if: ""}, {skip_if: "` + strings.Repeat("a", 2049) + `"}]}`, []string{
			`#/conditions/b%20c The name "b c" may hold only letters, digits and _ . : -.`,
			"#/conditions/d Expected true, false or an expression in a string, not an object.",
			"#/conditions/e Expected true, false or an expression in a string, not 5.",
			"#/cancel_if/2 Expected {condition: name}; the name is missing.",
			"#/cancel_if/4 Expected true, false or an expression in a string, not 7.",
			"#/steps/0/if Give either skip_if or its opposite if, not both.",
			`#/steps/1/if/cond "cond" is not known here; known are condition.`,
			"#/steps/1/if Expected {condition: name}; the name is missing.",
			"#/steps/3/if The expression is empty.",
			"#/steps/4/skip_if The expression has 2049 bytes; 2048 are allowed.",
			"#/conditions/a The expression does not compile, line 1, column 9: no viable alternative at input '.'.",
			`#/cancel_if/0 There is no condition named "aa"; did you mean "a"?`,
			`#/cancel_if/1 There is no condition named "zzzzzz".`,
			"#/cancel_if/3 The expression does not compile, line 1, column 5: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}.",
			"#/steps/2/skip_if The expression gives an int and not true or false."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseDefinition([]byte(tt.source), SourceYAML, Environment{Queues: testQueues})
			got := problemsOf(err)
			if CodeOf(err) != CodeInvalidDefinition || !slices.Equal(got, tt.want) {
				t.Errorf("gives %v\n%s\nwant\n%s", CodeOf(err), strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	_, err := ParseDefinition([]byte(`{type: T}`), SourceYAML, Environment{Type: "U"})
	if got := problemsOf(err); !slices.Equal(got, []string{`#/type The document is of type "T" but is registered as "U".`}) {
		t.Errorf("another type gives %q", got)
	}
	if def := parseYAML(t, `{}`, Environment{Type: "U"}); def.Type != "U" {
		t.Errorf("the type is %q", def.Type)
	}
}

// TestHeadersAreBoundedTogether has headers that are within their bounds in each place and beyond them once merged. Each
// excess is told once, where it comes about.
func TestHeadersAreBoundedTogether(t *testing.T) {
	headers := func(letter string, n, bytes int) string {
		list := make([]string, n)
		for i := range list {
			name := fmt.Sprintf("%s%02d", letter, i)
			list[i] = name + ": " + strings.Repeat("v", bytes-len(name))
		}
		return "headers: {" + strings.Join(list, ", ") + "}"
	}
	const tooMany = " With those it inherits there are 60 headers of 600 bytes; at most 50 of 8192 bytes together are allowed. Take some out, here or where they are inherited from."
	h30 := func(letter string) string { return headers(letter, 30, 10) }
	for _, tt := range []struct {
		name, parent, source string
		want                 []string
	}{
		{"a child", `{type: P, webhook: {endpoint: a, ` + h30("p") + `}}`, `{type: T, extends: P, webhook: {` + h30("c") + `}, hooks: {before_step_starts: {headers: {h: h}}}, steps: [{name: a}, {name: b, webhook: {headers: {s: s}}}]}`,
			[]string{"#/webhook/headers" + tooMany}},
		{"the same names again", `{type: P, webhook: {endpoint: a, ` + h30("p") + `}}`, `{type: T, extends: P, webhook: {` + h30("p") + `}, steps: [{name: a, webhook: {` + h30("p") + `}}]}`, nil},
		{"a step", `{type: P, webhook: {endpoint: a, ` + h30("p") + `}}`, `{type: T, extends: P, steps: [{name: a}, {name: b, webhook: {` + h30("s") + `}}]}`,
			[]string{"#/steps/1/webhook/headers" + tooMany}},
		{"a hook", `{type: P}`, `{type: T, webhook: {endpoint: a, ` + h30("d") + `}, hooks: {before_step_starts: {` + h30("h") + `}}, steps: [{name: a}]}`,
			[]string{"#/hooks/before_step_starts" + tooMany}},
		{"an inherited hook", `{type: P, hooks: {before_step_starts: {` + h30("h") + `}}}`, `{type: T, extends: P, webhook: {endpoint: a, ` + h30("d") + `}}`,
			[]string{"#" + tooMany}},
		{"bytes", `{type: P, webhook: {endpoint: a, ` + headers("p", 2, 4000) + `}}`, `{type: T, extends: P, webhook: {` + headers("c", 2, 100) + `}}`,
			[]string{"#/webhook/headers With those it inherits there are 4 headers of 8200 bytes; at most 50 of 8192 bytes together are allowed. Take some out, here or where they are inherited from."}},
		{"one object", `{type: P}`, `{type: T, webhook: {endpoint: a, ` + headers("d", 51, 10) + `}, steps: [{name: a, webhook: {headers: {s: s}}}]}`,
			[]string{"#/webhook/headers At most 50 headers of 8192 bytes together are allowed."}},
	} {
		parent := parseYAML(t, tt.parent, Environment{})
		_, err := ParseDefinition([]byte(tt.source), SourceYAML, Environment{Parent: func(string) (*Definition, error) { return parent, nil }})
		if got := problemsOf(err); !slices.Equal(got, tt.want) {
			t.Errorf("%s gives %v\n%s\nwant\n%s", tt.name, err, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
	// A parent that was registered before there was this bound.
	old := parseYAML(t, `{type: P, webhook: {endpoint: a, `+h30("p")+`}}`, Environment{})
	for i := range 30 {
		old.Settings.Webhook.Headers[fmt.Sprintf("q%02d", i)] = "vvvvvvv"
	}
	_, err := ParseDefinition([]byte(`{type: T, extends: P, steps: [{name: a}]}`), SourceYAML, Environment{Parent: func(string) (*Definition, error) { return old, nil }})
	if got, want := problemsOf(err), []string{"#/extends" + tooMany}; !slices.Equal(got, want) {
		t.Errorf("an old parent gives %q, want %q", got, want)
	}
}

func TestCheckURL(t *testing.T) {
	for _, ok := range []string{"http://a", "https://example.com:8443/a/b?c=d&e=%20", "http://127.0.0.1:9000/", "http://[::1]:80/x", "HTTPS://EXAMPLE.com"} {
		if err := CheckURL(ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for url, says := range map[string]string{
		"": "must start with", "example.com/x": "must start with", "/x": "must start with", "ftp://a": "must start with", "javascript:alert(1)": "must start with",
		"file:///etc/passwd": "must start with", "http://": "names no host", "http:///x": "names no host", "http:a": "names no host", "http://:80": "names no host",
		"http://u:p@a": "check the signature", "http://u@a": "user or password", "http://a#f": "fragment", "http://a#": "fragment", "http://a b": "space", "http://a/\n": "space",
		"http://é": "punycode", "http://bücher.example:80/x": "punycode", "http://a/é": "percent-encoded", "http://a?é": "percent-encoded", "http://a:0": "port", "http://a:99999": "port", "http://a:x": "not a URL", "http://a:": "port", "http://[::1": "not a URL", "http://a/%zz": "not a URL",
		"http://" + strings.Repeat("a", 2048): "longer than 2048",
	} {
		if err := CheckURL(url); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q gives %v, want %q", url, err, says)
		}
	}
}

func TestCheckPath(t *testing.T) {
	for _, ok := range []string{"/", "/a/b", "/a-b_c.d~e", "/a%20b", "/a:b@c"} {
		if err := checkPath(ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for path, says := range map[string]string{"": "start with a slash", "a": "start with a slash", "/a?b": "without query", "/a#b": "without query", "/a b": "plain",
		"/../x": "..", "/a/..": "..", "/%2e%2E/x": "..", "/./x": "..", "/%zz": "plain", "/é": "plain", "/" + strings.Repeat("a", 2048): "longer"} {
		if err := checkPath(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q gives %v, want %q", path, err, says)
		}
	}
}
