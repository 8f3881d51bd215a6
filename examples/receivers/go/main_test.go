package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// What a receiver does is tested for all languages at once, in the directory above. Here: its verification.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../../docs/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			Name, Secret, Body string
			Valid              bool
			Now                int64
			ID                 string `json:"webhook-id"`
			Timestamp          string `json:"webhook-timestamp"`
			Signature          string `json:"webhook-signature"`
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 20 {
		t.Fatalf("there are only %d vectors", len(file.Vectors))
	}
	stored, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	for _, v := range file.Vectors {
		synctest.Test(t, func(t *testing.T) {
			<-time.After(time.Until(time.Unix(v.Now, 0)))
			webhook, err := standardwebhooks.NewWebhook(v.Secret)
			if err != nil {
				t.Fatal(err)
			}
			req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(v.Body))
			req.Header.Set("webhook-id", v.ID)
			req.Header.Set("webhook-timestamp", v.Timestamp)
			req.Header.Set("webhook-signature", v.Signature)
			w := httptest.NewRecorder()
			(&receiver{webhook: webhook, stored: stored}).ServeHTTP(w, req)
			// Whatever is made of the body, only what does not verify gets 401.
			if verified := w.Code != http.StatusUnauthorized; verified != v.Valid {
				t.Errorf("%s: answered %d, verified = %v, want %v", v.Name, w.Code, verified, v.Valid)
			}
		})
	}
}
