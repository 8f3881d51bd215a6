package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYq="

// deliver POSTs a step as the server does and gives the receiver's status and answer.
func deliver(t *testing.T, url, id, step string, change func(*http.Request)) (int, string) {
	t.Helper()
	body := `{"type":"step.perform","data":{"workflow":{"subject":{"type":"User","id":"42"},"data":{"answers":{"canned":{"action":"cancel"}}}},` +
		`"step_execution":{"step_name":"` + step + `","attempt":1}}}`
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := signer.Sign(id, now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", signature)
	change(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

func asSent(*http.Request) {}

func start(t *testing.T) (*receiver, string) {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{webhook: verifier, answers: map[string][]byte{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL
}

func TestReceiverRepeatsItsStoredAnswer(t *testing.T) {
	r, url := start(t)
	if status, answer := deliver(t, url, "one", "canned", asSent); status != 200 || answer != `{"action":"cancel"}` {
		t.Fatalf("answered %d %s", status, answer)
	}
	// The same id again: the stored answer counts, whatever the work would give now.
	r.answers["one"] = []byte(`{"action":"skip"}`)
	if status, answer := deliver(t, url, "one", "canned", asSent); status != 200 || answer != `{"action":"skip"}` {
		t.Errorf("the repeated delivery got %d %s, want the stored answer", status, answer)
	}
}

func TestReceiverRemembersNothingOfAFailure(t *testing.T) {
	r, url := start(t)
	if status, _ := deliver(t, url, "two", "unheard_of", asSent); status != 500 {
		t.Errorf("a step it does not know got %d, want 500 so that it is tried again", status)
	}
	if len(r.answers) != 0 {
		t.Errorf("it remembers %v of a delivery that failed", r.answers)
	}
	if status, _ := deliver(t, url, "two", "send_reminder", asSent); status != 200 {
		t.Errorf("the next attempt got %d, want the work done", status)
	}
}

func TestReceiverRefusesWhatIsNotSigned(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"body changed":    func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{}`)); r.ContentLength = 2 },
		"id changed":      func(r *http.Request) { r.Header.Set("webhook-id", "other") },
		"old timestamp":   func(r *http.Request) { r.Header.Set("webhook-timestamp", "1600000000") },
		"other signature": func(r *http.Request) { r.Header.Set("webhook-signature", "v1,AAAA") },
		"no signature":    func(r *http.Request) { r.Header.Del("webhook-signature") },
	} {
		t.Run(name, func(t *testing.T) {
			r, url := start(t)
			if status, _ := deliver(t, url, "three", "send_reminder", change); status != 401 {
				t.Errorf("answered %d, want 401", status)
			}
			if len(r.answers) != 0 {
				t.Error("it did the work")
			}
		})
	}
}
