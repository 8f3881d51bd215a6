package handlers

import (
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
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
