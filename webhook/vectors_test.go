package webhook

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// docs/signatures.json is what receivers in any language are tested with. A receiver built on Sign must come
// to the verdict of every vector.
func TestSignByTheVectorsForReceivers(t *testing.T) {
	text, err := os.ReadFile("../docs/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		ToleranceSeconds int64 `json:"tolerance_seconds"`
		Vectors          []struct {
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
	for _, v := range file.Vectors {
		secret, err := ParseSecret(v.Secret)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		timestamp, err := strconv.ParseInt(v.Timestamp, 10, 64)
		fresh := err == nil && max(v.Now-timestamp, timestamp-v.Now) <= file.ToleranceSeconds
		signature := Sign(v.ID, time.Unix(timestamp, 0), []byte(v.Body), secret)
		signed := slices.Contains(strings.Fields(v.Signature), signature)
		if got := v.ID != "" && fresh && signed; got != v.Valid {
			t.Errorf("%s: accepted = %v, want %v", v.Name, got, v.Valid)
		}
	}
}
