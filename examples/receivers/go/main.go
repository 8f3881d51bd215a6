// A receiver of GenevaDrive webhooks: each step of a workflow arrives as a signed POST, and what this program
// answers decides what happens next.
//
//	WEBHOOK_SECRET=whsec_… PORT=9000 go run ./examples/receivers/go
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

type object = map[string]any

type delivery struct {
	Type string
	Data struct {
		Workflow struct {
			Data struct{ Answers map[string]object }
		}
		Step struct {
			Name string `json:"step_name"`
		} `json:"step_execution"`
	}
}

// perform does the work of one step and says what happens next.
func perform(d delivery) object {
	step := d.Data.Step.Name
	if d.Type != "step.perform" { // a hook, which only asks whether the step may start
		return object{"action": "complete"}
	}
	if answer, ok := d.Data.Workflow.Data.Answers[step]; ok { // to try things out: data {"answers": {"send_reminder": {…}}}
		return answer
	}
	switch step {
	case "send_welcome_email", "send_reminder": // an application sends its mail here
		return object{"action": "complete"}
	case "complete_onboarding":
		return object{"action": "complete", "data": object{"onboarded": true}} // data is merged into the workflow's
	case "reattempt":
		return object{"action": "reattempt", "wait": "PT5M"}
	case "skip", "pause", "cancel", "finish":
		return object{"action": step, "reason": "as the step's name says"}
	}
	return object{"action": "fail", "error": object{"message": "no such step: " + step}, "retryable": true}
}

type receiver struct {
	webhook *standardwebhooks.Webhook
	stored  *os.Root   // answers by webhook-id. In an application: a table, written in the work's own transaction
	mu      sync.Mutex // the same id a second time at once waits
}

// answerOnce gives the stored answer, else that of the work, and stores it.
func (r *receiver) answerOnce(id string, body []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text, err := r.stored.ReadFile(id); !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	var d delivery
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	answer := perform(d)
	text, err := json.Marshal(answer)
	if err != nil || answer["action"] == "fail" { // a failure is not remembered: the next attempt does the work
		return text, err
	}
	if err := r.stored.WriteFile(id+".new", text, 0o644); err != nil {
		return nil, err
	}
	return text, r.stored.Rename(id+".new", id)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(http.MaxBytesReader(w, req.Body, 2<<20)) // raw; what did not arrive whole does not verify
	if err := r.webhook.Verify(body, req.Header); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	text, err := r.answerOnce(req.Header.Get("webhook-id"), body)
	if err != nil {
		log.Print(err)
		http.Error(w, "the step was not performed", http.StatusInternalServerError)
		return
	}
	log.Printf("signature verified: %s (attempt %s) -> %s", req.Header.Get("genevadrive-step"), req.Header.Get("genevadrive-attempt"), text)
	w.Header().Set("content-type", "application/json")
	_, _ = w.Write(text)
}

func main() {
	secret, dir := os.Getenv("WEBHOOK_SECRET"), cmp.Or(os.Getenv("ANSWERS"), "answers")
	webhook, err1 := standardwebhooks.NewWebhook(secret)
	err2 := os.MkdirAll(dir, 0o755)
	stored, err3 := os.OpenRoot(dir)
	listener, err4 := net.Listen("tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "9000"))
	if err := errors.Join(err1, err2, err3, err4); err != nil || secret == "" {
		log.Fatal(cmp.Or(err, errors.New("set WEBHOOK_SECRET to the server's secret, whsec_…")))
	}
	log.Print("listening on http://", listener.Addr())
	log.Fatal(http.Serve(listener, &receiver{webhook: webhook, stored: stored}))
}
