// A receiver of GenevaDrive webhooks: each step of a SignupWorkflow arrives as a signed POST, and what this
// program answers decides what happens next.
//
//	set -a; . ./genevadrive.secrets; set +a    # the secret that the server made beside its database
//	go run ./examples/receivers/go             # listens on 127.0.0.1:9000
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

type delivery struct {
	Type string
	Data struct {
		Workflow struct {
			ID      string
			Subject struct{ Type, ID string }
			Data    struct {
				Answers map[string]json.RawMessage // to try things out: data {"answers": {"send_reminder": {"action": "pause"}}}
			}
		}
		StepExecution struct {
			StepName string `json:"step_name"`
			Attempt  int
		} `json:"step_execution"`
	}
}

// perform does the work of one step. An error means: not done, try again later.
func perform(d delivery) (answer []byte, err error) {
	step := d.Data.StepExecution.StepName
	if d.Type != "step.perform" { // a hook, which only wants to know whether the step may start
		return []byte(`{"action":"complete"}`), nil
	}
	if canned, ok := d.Data.Workflow.Data.Answers[step]; ok {
		return canned, nil
	}
	switch step {
	case "send_welcome_email", "send_reminder": // send the mail to d.Data.Workflow.Subject
		return []byte(`{"action":"complete"}`), nil
	case "complete_onboarding":
		return []byte(`{"action":"complete","data":{"onboarded":true}}`), nil // data is merged into the workflow's
	}
	// The other actions: skip, reattempt (with "wait": "PT5M"), pause, cancel, finish, fail (with "error").
	return nil, fmt.Errorf("this receiver does not know the step %q", step)
}

type receiver struct {
	webhook *standardwebhooks.Webhook
	mu      sync.Mutex
	answers map[string][]byte // by webhook-id. In an application: a table, written in the transaction of the work
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 2<<20))
	if err != nil {
		http.Error(w, "the body did not arrive whole", http.StatusRequestTimeout)
		return
	}
	if err := r.webhook.Verify(body, req.Header); err != nil { // the raw body: not parsed and written anew
		log.Printf("refused a delivery: %v", err)
		http.Error(w, "the signature is not valid", http.StatusUnauthorized)
		return
	}
	var d delivery
	if err := json.Unmarshal(body, &d); err != nil {
		http.Error(w, "the body is no delivery", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id, note := req.Header.Get("webhook-id"), ""
	answer, done := r.answers[id]
	if done {
		note = " (the stored answer: this was done before)"
	} else if answer, err = perform(d); err != nil { // a failure is not remembered, so that the next attempt works again
		log.Printf("%s failed: %v", d.Data.StepExecution.StepName, err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r.answers[id] = answer
	log.Printf("signature verified: %s for %s %s, attempt %d -> %s%s", d.Data.StepExecution.StepName,
		d.Data.Workflow.Subject.Type, d.Data.Workflow.Subject.ID, d.Data.StepExecution.Attempt, answer, note)
	w.Header().Set("content-type", "application/json")
	_, _ = w.Write(answer)
}

func main() {
	secret, _, _ := strings.Cut(os.Getenv("GENEVADRIVE_WEBHOOK_SECRETS"), ",") // during a rotation one of them is enough
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil || secret == "" {
		log.Fatal("set GENEVADRIVE_WEBHOOK_SECRETS to the server's secret, whsec_… ", err)
	}
	addr := "127.0.0.1:9000"
	if given := os.Getenv("RECEIVER_ADDR"); given != "" {
		addr = given
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("receiver on http://", listener.Addr())
	log.Fatal(http.Serve(listener, &receiver{webhook: webhook, answers: map[string][]byte{}}))
}
