// A receiver of GenevaDrive webhooks: each step of a workflow arrives as a signed POST, and what this program
// answers decides what happens next.
//
//	WEBHOOK_SECRET=whsec_… PORT=9000 go run ./examples/receivers/go
package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
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
			Data    struct{ Answers map[string]json.RawMessage }
		}
		StepExecution struct {
			StepName string `json:"step_name"`
			Attempt  int
		} `json:"step_execution"`
	}
}

// perform does the work of one step and says what happens next. An error means: not done, try again later.
func perform(d delivery) (answer string, err error) {
	step := d.Data.StepExecution.StepName
	if d.Type != "step.perform" { // a hook, which only asks whether the step may start
		return `{"action":"complete"}`, nil
	}
	if canned, ok := d.Data.Workflow.Data.Answers[step]; ok { // to try things out: data {"answers": {"send_reminder": {…}}}
		return string(canned), nil
	}
	if step == "crash" && d.Data.StepExecution.Attempt == 1 {
		return "", errors.New("the mail server is away")
	}
	if answer, ok := answers[step]; ok { // send the mail to d.Data.Workflow.Subject, and so on
		return answer, nil
	}
	return "", fmt.Errorf("this receiver does not know the step %q", step)
}

// answers by step; an application works them out.
var answers = map[string]string{
	"send_welcome_email":  `{"action":"complete"}`,
	"send_reminder":       `{"action":"complete"}`,
	"complete_onboarding": `{"action":"complete","data":{"onboarded":true}}`, // data is merged into the workflow's
	"crash":               `{"action":"complete"}`,
	"skip":                `{"action":"skip","reason":"not needed"}`,
	"reattempt":           `{"action":"reattempt","wait":"PT5M"}`,
	"pause":               `{"action":"pause","reason":"somebody should look at this"}`,
	"cancel":              `{"action":"cancel","reason":"unsubscribed"}`,
	"finish":              `{"action":"finish"}`,
	"fail":                `{"action":"fail","error":{"message":"card declined"},"retryable":true}`,
}

type receiver struct {
	webhook *standardwebhooks.Webhook
	mu      sync.Mutex // the same id a second time at once waits
	dir     string     // of the answers. In an application: a table, written in the work's own transaction
}

// answerOnce gives the stored answer, else the answer of the work, and stores that.
func (r *receiver) answerOnce(id string, d delivery) (answer string, stored bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	file := filepath.Join(r.dir, fmt.Sprintf("%x.json", sha256.Sum256([]byte(id))))
	if text, err := os.ReadFile(file); !errors.Is(err, os.ErrNotExist) {
		return string(text), true, err
	}
	if answer, err = perform(d); err != nil {
		return "", false, err
	}
	var said struct{ Action string }
	if err := json.Unmarshal([]byte(answer), &said); err != nil || said.Action == "fail" {
		return answer, false, err // a failure is not remembered, so that the next attempt does the work
	}
	if err := os.WriteFile(file+".new", []byte(answer), 0o644); err != nil {
		return "", false, err
	}
	return answer, false, os.Rename(file+".new", file)
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
	var answer string
	var stored bool
	if err = json.Unmarshal(body, &d); err == nil {
		answer, stored, err = r.answerOnce(req.Header.Get("webhook-id"), d)
	}
	if err != nil {
		log.Printf("%s failed: %v", d.Data.StepExecution.StepName, err)
		http.Error(w, "the step was not performed", http.StatusInternalServerError)
		return
	}
	note := map[bool]string{true: " (the stored answer: this was done before)"}[stored]
	log.Printf("signature verified: %s for %s %s, attempt %d -> %s%s", d.Data.StepExecution.StepName,
		d.Data.Workflow.Subject.Type, d.Data.Workflow.Subject.ID, d.Data.StepExecution.Attempt, answer, note)
	w.Header().Set("content-type", "application/json")
	_, _ = io.WriteString(w, answer)
}

func main() {
	secret, _, _ := strings.Cut(cmp.Or(os.Getenv("WEBHOOK_SECRET"), os.Getenv("GENEVADRIVE_WEBHOOK_SECRETS")), ",")
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil || secret == "" {
		log.Fatal("set WEBHOOK_SECRET to the server's secret, whsec_… ", err)
	}
	dir := cmp.Or(os.Getenv("ANSWERS"), "answers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "9000"))
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listening on http://", listener.Addr())
	log.Fatal(http.Serve(listener, &receiver{webhook: webhook, dir: dir}))
}
