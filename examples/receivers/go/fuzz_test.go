package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/genevadrive/genevadrive/webhook"
)

// FuzzVerify: whatever the headers and the body, the receiver neither panics nor accepts what was not signed with its
// secret for just this id, time and body; and it accepts all that was.
func FuzzVerify(f *testing.F) {
	secret, err := webhook.NewSecret(strings.NewReader(strings.Repeat("k", 32)))
	if err != nil {
		f.Fatal(err)
	}
	verifier, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		f.Fatal(err)
	}
	stored, err := os.OpenRoot(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = stored.Close() })
	now := strconv.FormatInt(time.Now().Unix(), 10)
	for _, id := range []string{"0197c2a4", "0197c2a4_hook", "../outside", "a.b", "", "\x00"} {
		f.Add(id, now, "", []byte(`{"type":"step.perform","data":{"step_execution":{"step_name":"skip"}}}`), "")
	}
	f.Add("0197c2a4", "1767323045", "v1,K5oZfzN95Z", []byte(`{}`), "v1,")
	f.Add("0197c2a4", "+1", "v1a,x v1,,, v1", []byte(`[]`), " ")
	f.Fuzz(func(t *testing.T, id, timestamp, signatures string, body []byte, before string) {
		seconds, err := strconv.ParseInt(timestamp, 10, 64)
		made := webhook.Sign(id, time.Unix(seconds, 0), body, secret)
		if before != "" { // before what is right stands something else, as in a rotation
			signatures = strings.ReplaceAll(before, ",", "") + " " + made
		}
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		for name, value := range map[string]string{"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures} {
			req.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		(&receiver{webhook: verifier, stored: stored}).ServeHTTP(w, req)
		accepted := w.Code != http.StatusUnauthorized
		age := time.Since(time.Unix(seconds, 0)).Abs()
		signed := id != "" && err == nil && strings.Contains(signatures, made)
		if accepted && !(signed && age < 6*time.Minute) {
			t.Errorf("%q at %q with %q was accepted with %d", id, timestamp, signatures, w.Code)
		}
		if !accepted && before != "" && signed && age < 4*time.Minute {
			t.Errorf("%q at %q with %q was refused: %s", id, timestamp, signatures, w.Body)
		}
	})
}
