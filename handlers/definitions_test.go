package handlers

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// What a webhook leaves open is the service's default where it has a URL of its own, and its endpoint's to say where not.
func TestAResolvedWebhookHasEverySetting(t *testing.T) {
	for name, tt := range map[string]struct {
		of          domain.Webhook
		timeout     string // "": null
		maxInFlight int    // 0: null
	}{
		"a URL alone":         {domain.Webhook{URL: "https://a.example/"}, "PT30S", 64},
		"a URL with settings": {domain.Webhook{URL: "https://a.example/", Timeout: time.Minute, MaxInFlight: 3}, "PT1M", 3},
		"an endpoint alone":   {domain.Webhook{Endpoint: "app"}, "", 0},
		"a slower endpoint":   {domain.Webhook{Endpoint: "app", Timeout: time.Minute}, "PT1M", 0},
	} {
		v := webhookView(&tt.of)
		timeout, maxInFlight := "", 0
		if v.Timeout != nil {
			timeout = *v.Timeout
		}
		if v.MaxInFlight != nil {
			maxInFlight = *v.MaxInFlight
		}
		if timeout != tt.timeout || maxInFlight != tt.maxInFlight {
			t.Errorf("%s: timeout %q, max_in_flight %d", name, timeout, maxInFlight)
		}
	}
}

// A definition is shown with what each step came to, under its own name.
func TestDefinitionViews(t *testing.T) {
	yes, wait := true, 90*time.Second
	full := domain.Step{Name: "a", Wait: time.Hour, Params: json.RawMessage(`{"n":1.50}`), Queue: "critical", Priority: 7,
		Webhook: domain.Webhook{Endpoint: "app", Path: "/a", Headers: map[string]string{"x": "1"}}, Hook: &domain.Webhook{URL: "https://a.example/hook", Timeout: time.Second, MaxInFlight: 2},
		SkipIf: &domain.Condition{Named: "paid"}, If: &domain.Condition{Expression: "data.paid"}, CallbackTimeout: 2 * time.Hour,
		Retry:       domain.Retry{MaxAttempts: 3, Initial: time.Second, Multiplier: 2.5, Max: time.Minute},
		OnException: domain.OnException{Action: "reattempt", MaxReattempts: 4, Then: "cancel", Wait: &wait}}
	bare := domain.Step{Name: "b", Webhook: domain.Webhook{URL: "https://a.example/"}, Queue: "default", SkipIf: &domain.Condition{Literal: &yes},
		OnException: domain.OnException{Action: "pause"}}
	d := engine.Definition{Definition: &domain.Definition{Type: "Signup", Version: 8, AllowMultiple: true, Source: json.RawMessage(`{"type":"Signup"}`), Steps: []domain.Step{full, bare}}, CreatedAt: someTime}
	for name, tt := range map[string]struct {
		view any
		want string
	}{
		"one": {definitionView(d), `{"allow_multiple":true,"created_at":"2026-01-02T03:04:05.000006Z","definition":{"type":"Signup"},"steps":[` +
			`{"callback_timeout":"PT2H","hook":{"endpoint":null,"headers":{},"max_in_flight":2,"path":null,"timeout":"PT1S","url":"https://a.example/hook"},` +
			`"if":"data.paid","name":"a","on_exception":{"action":"reattempt","max_reattempts":4,"then":"cancel","wait":"PT1M30S"},` +
			`"params":{"n":1.50},"priority":7,"queue":"critical","retry":{"initial":"PT1S","max":"PT1M","max_attempts":3,"multiplier":2.5},` +
			`"skip_if":{"condition":"paid"},"wait":"PT1H","webhook":{"endpoint":"app","headers":{"x":"1"},"max_in_flight":null,"path":"/a","timeout":null,"url":null}},` +
			`{"callback_timeout":null,"hook":null,"if":null,"name":"b","on_exception":{"action":"pause","max_reattempts":null,"then":null,"wait":null},` +
			`"params":{},"priority":0,"queue":"default","retry":{"initial":"PT0S","max":"PT0S","max_attempts":0,"multiplier":0},"skip_if":true,"wait":"PT0S",` +
			`"webhook":{"endpoint":null,"headers":{},"max_in_flight":64,"path":null,"timeout":"PT30S","url":"https://a.example/"}}],"type":"Signup","version":8}`},
		"a list": {definitionList([]engine.Definition{d}, "next"),
			`{"items":[{"created_at":"2026-01-02T03:04:05.000006Z","step_names":["a","b"],"type":"Signup","version":8}],"next_cursor":"next"}`},
		"the end of a list": {definitionList(nil, ""), `{"items":[],"next_cursor":null}`},
	} {
		got, err := json.Marshal(tt.view)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s is shown as\n%s, %v, want\n%s", name, got, err, tt.want)
		}
	}
}
