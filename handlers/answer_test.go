package handlers

import (
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// The contract tells generators and readers what an answer is; what it says is what the domain takes.
func TestTheContractAndTheDomainAgreeOnAnswers(t *testing.T) {
	doc, err := api.ValidationDocument()
	if err != nil {
		t.Fatal(err)
	}
	schema := doc.Components.Schemas["Answer"].Value
	for body, good := range map[string]bool{
		`{}`: true,
		`{"reason":"` + strings.Repeat("x", 5000) + `"}`:                                              true,
		`{"action":"reattempt","wait":"PT5M"}`:                                                        true,
		`{"wait":null,"at":null,"data":null,"reason":null,"next":null,"error":null,"retryable":null}`: true,
		`{"next":{"wait":null,"at":null,"queue":null,"priority":null}}`:                               true,
		`{"action":"reattempt","wait":null,"at":"2026-01-02T03:04:05Z"}`:                              true,
		`{"next":{"wait":"PT5M","at":null}}`:                                                          true,
		`{"action":"fail","error":{"message":"m","backtrace":null}}`:                                  true,

		`null`: false, `[]`: false, `["complete"]`: false, `1`: false, `{"action":null}`: false, `{"next":[]}`: false,
		`{"action":"fail","error":{}}`:                                     false,
		`{"action":"fail","error":{"message":null}}`:                       false,
		`{"action":"reattempt","wait":"PT5M","at":"2026-01-02T03:04:05Z"}`: false,
		`{"next":{"wait":"PT5M","at":"2026-01-02T03:04:05Z"}}`:             false,
		`{"action":"stop"}`:                                                false, `{"actoin":"skip"}`: false, `{"data":1}`: false,
	} {
		value, err := strictjson.Value([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.VisitJSON(value); (err == nil) != good {
			t.Errorf("the contract says of %s: %v", body, err)
		}
		if _, err := domain.ParseAnswer([]byte(body), nil); (err == nil) != good {
			t.Errorf("the domain says of %s: %v", body, err)
		}
	}
}
