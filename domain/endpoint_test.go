package domain

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheckEndpoint(t *testing.T) {
	good := Endpoint{URL: "https://app.example.com/base", Headers: map[string]string{"X-Team": "growth"}, Timeout: time.Second, MaxInFlight: 3}
	got, err := CheckEndpoint("app", good)
	if err != nil || got.Headers["x-team"] != "growth" || len(got.Headers) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := CheckEndpoint("app", Endpoint{URL: "http://10.0.0.1"}); err != nil {
		t.Errorf("only a URL: %v", err)
	}
	many := map[string]string{}
	for i := range MaxHeaders + 1 {
		many[fmt.Sprint("x-", i)] = "1"
	}
	for name, test := range map[string]struct {
		name   string
		change func(*Endpoint)
		where  string
	}{
		"name":             {"9", func(*Endpoint) {}, "name"},
		"no URL":           {"app", func(e *Endpoint) { e.URL = "" }, "#/url"},
		"user in the URL":  {"app", func(e *Endpoint) { e.URL = "https://u:p@h/" }, "#/url"},
		"short timeout":    {"app", func(e *Endpoint) { e.Timeout = time.Millisecond }, "#/timeout"},
		"long timeout":     {"app", func(e *Endpoint) { e.Timeout = time.Hour }, "#/timeout"},
		"negative limit":   {"app", func(e *Endpoint) { e.MaxInFlight = -1 }, "#/max_in_flight"},
		"huge limit":       {"app", func(e *Endpoint) { e.MaxInFlight = MaxInFlightLimit + 1 }, "#/max_in_flight"},
		"reserved header":  {"app", func(e *Endpoint) { e.Headers = map[string]string{"Webhook-Id": "1"} }, "#/headers/Webhook-Id"},
		"header twice":     {"app", func(e *Endpoint) { e.Headers = map[string]string{"A": "1", "a": "2"} }, "#/headers/a"},
		"too many headers": {"app", func(e *Endpoint) { e.Headers = many }, "#/headers"},
	} {
		t.Run(name, func(t *testing.T) {
			e := good
			test.change(&e)
			_, err := CheckEndpoint(test.name, e)
			problem, ok := err.(*Error)
			if !ok || problem.Code != CodeInvalidRequest || len(problem.Problems) != 1 || problem.Problems[0].Pointer+problem.Problems[0].Parameter != test.where {
				t.Errorf("got %+v, want one problem at %s", problem, test.where)
			}
		})
	}
	_, err = CheckEndpoint("", Endpoint{Timeout: 1, MaxInFlight: -1})
	if problem, ok := err.(*Error); !ok || len(problem.Problems) != 4 {
		t.Errorf("all at once: %v", err)
	}
}

func TestWebhookAtAnEndpoint(t *testing.T) {
	base := Endpoint{URL: "https://app.example.com/base?key=1", Headers: map[string]string{"a": "endpoint", "b": "endpoint"}, Timeout: time.Second, MaxInFlight: 3}
	plain := Endpoint{URL: "https://app.example.com"}
	for name, test := range map[string]struct {
		w    Webhook
		e    Endpoint
		want Webhook
	}{
		"nothing of its own": {Webhook{Endpoint: "app"}, base,
			Webhook{URL: base.URL, Headers: base.Headers, Timeout: time.Second, MaxInFlight: 3}},
		"everything of its own": {Webhook{Endpoint: "app", Path: "/x/y", Headers: map[string]string{"b": "own", "c": "own"}, Timeout: time.Minute, MaxInFlight: 1}, base,
			Webhook{URL: "https://app.example.com/base/x/y?key=1", Headers: map[string]string{"a": "endpoint", "b": "own", "c": "own"}, Timeout: time.Minute, MaxInFlight: 1}},
		"no path in the base": {Webhook{Endpoint: "app", Path: "/x"}, plain, Webhook{URL: "https://app.example.com/x"}},
		"escaped path":        {Webhook{Endpoint: "app", Path: "/a%2Fb"}, plain, Webhook{URL: "https://app.example.com/a%2Fb"}},
		"neither":             {Webhook{Endpoint: "app"}, plain, Webhook{URL: "https://app.example.com"}},
	} {
		if got := test.w.At(&test.e); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
	if base.Headers["b"] != "endpoint" {
		t.Error("the endpoint's own headers were changed")
	}
}

func TestWhoNamesAnEndpoint(t *testing.T) {
	app, other := &Webhook{Endpoint: "app"}, Webhook{URL: "https://x.example"}
	for name, def := range map[string]*Definition{
		"the definition": {Settings: Settings{Webhook: app}, Steps: []Step{{Webhook: other}}},
		"a step":         {Steps: []Step{{Webhook: other}, {Webhook: *app}}},
		"a step's hook":  {Steps: []Step{{Webhook: other, Hook: app}}},
		"the hook":       {Hooks: Hooks{BeforeStepStarts: app}},
	} {
		if !def.NamesEndpoint("app") || def.NamesEndpoint("ap") {
			t.Errorf("%s does not name the endpoint app alone", name)
		}
	}
	step := Step{Webhook: *app, Hook: &Webhook{Endpoint: "hooks"}}
	if got := strings.Join(step.Endpoints(), " "); got != "app hooks" {
		t.Errorf("the step goes to %s", got)
	}
	same := Step{Webhook: *app, Hook: app}
	if got := same.Endpoints(); !slices.Equal(got, []string{"app"}) {
		t.Errorf("the step goes to %s", got)
	}
}

func TestReservedHeader(t *testing.T) {
	for name, want := range map[string]bool{
		"webhook-id": true, "Webhook-Signature": true, "WEBHOOK-ANYTHING": true, "genevadrive-step": true, "GenevaDrive-New": true,
		"host": true, "Content-Type": true, "CONTENT-LENGTH": true, "connection": true, "transfer-encoding": true,
		"traceparent": true, "tracestate": true, "user-agent": true, "te": true, "trailer": true, "upgrade": true, "proxy-authorization": true,
		"proxy-connection": true, "idempotency-key": true, "x-idempotency-key": true, "accept-encoding": true, "expect": true, "keep-alive": true,
		"authorization": false, "x-team": false, "cookie": false, "webhook": false, "x-webhook-id": false, "accept": false, "": false,
	} {
		if got := ReservedHeader(name); got != want {
			t.Errorf("ReservedHeader(%q) = %t", name, got)
		}
	}
}
