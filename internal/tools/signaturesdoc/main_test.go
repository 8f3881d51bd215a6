package main

import (
	"bytes"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func TestDocumentIsFresh(t *testing.T) {
	want, err := document()
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("../../../docs/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, want) {
		t.Error("docs/signatures.json is stale: run make generate")
	}
}

// The library that made the signatures must come to every verdict that is written beside them.
func TestLibraryAgreesWithEveryVerdict(t *testing.T) {
	list, err := vectors()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, v := range list {
		if names[v.Name] {
			t.Errorf("two vectors are named %q", v.Name)
		}
		names[v.Name] = true
		synctest.Test(t, func(t *testing.T) {
			<-time.After(time.Until(time.Unix(v.Now, 0))) // the library asks the clock, which is false in here
			webhook, err := standardwebhooks.NewWebhook(v.Secret)
			if err != nil {
				t.Fatal(err)
			}
			err = webhook.Verify([]byte(v.Body), http.Header{"Webhook-Id": {v.ID}, "Webhook-Timestamp": {v.Timestamp}, "Webhook-Signature": {v.Signature}})
			if (err == nil) != v.Valid {
				t.Errorf("%s: the library says %v, the vector valid = %v", v.Name, err, v.Valid)
			}
		})
	}
}
