package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// TestTheLogHoldsNoData fails steps in ways whose errors quote the workflow's data or the receiver. The step execution
// keeps the whole error; the lines of the attempt, and of a verb after it, tell only what is no data.
func TestTheLogHoldsNoData(t *testing.T) {
	const card, number = "(CARD-4111", "41114111"
	data := json.RawMessage(`{"s": "` + card + `", "n": "` + number + `", "m": {"a": 1}}`)
	fails := func(body string) http.HandlerFunc { return says(strings.ReplaceAll(body, "CARD", card)) }
	type row struct {
		step   string // its keys, in YAML
		answer http.HandlerFunc
		code   domain.ErrorCode
		told   string // of the error, in the log
	}
	rows := []row{
		{"hooks", fails(`{"action":"fail","error":{"message":"CARD"}}`), domain.ErrHookFailed, "The hook before_step_starts failed (receiver_failed); the"},
		{"", fails(`{"action":"fail","error":{"message":"CARD"}}`), domain.ErrReceiverFailed, "The step execution says why."},
		{"", fails(`{"action":"CARD"}`), domain.ErrInvalidAnswer, "The step execution says why."},
		{"", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(422) }, domain.ErrHTTPStatus, "The receiver answered 422"},
	}
	for _, expression := range []string{"data.m[data.s] == 1", "timestamp(data.s) > now", "data.s.matches(data.s)", "subject[data.s]", "[1, 2][int(data.n)] == 1"} {
		rows = append(rows, row{fmt.Sprintf("skip_if: %q", expression), says(""), domain.ErrCondition, "The condition " + expression + " failed; the"})
	}
	eachWorld(t, func(w *world) {
		var log bytes.Buffer
		var mu sync.Mutex
		e := w.start(func(c *engine.Config) {
			c.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		ids := make([]string, len(rows))
		for i, r := range rows {
			hook, receives := "", "one"
			if r.step == "hooks" {
				hook, receives, r.step = "\nhooks: {before_step_starts: {path: /hook}}", "hook one", ""
			}
			w.define(e, "type: Fails\nretry: {max_attempts: 1}"+hook+"\nsteps: [{name: one, "+r.step+"}]")
			w.receiver.on(receives, r.answer)
			out, err := e.Create(context.Background(), engine.CreateRequest{Type: "Fails", SubjectType: "User", SubjectID: uuid.NewString(), Data: data})
			if err != nil {
				w.t.Fatal(err)
			}
			failed := w.awaitState(out.Workflow.ID, domain.WorkflowPaused).Execution.Error
			if failed.Code != r.code || r.code != domain.ErrHTTPStatus && !strings.Contains(failed.Message, card) && !strings.Contains(failed.Message, number) {
				w.t.Errorf("%s: failed as %+v, which quotes no data", r.told, failed)
			}
			w.control(e, out.Workflow.ID, domain.VerbCancel)
			w.receiver.on(receives, says(""))
			ids[i] = out.Workflow.ID.String()
		}
		e.Stop(context.Background()) // every line is written
		text := log.String()
		if strings.Contains(text, card[1:]) || strings.Contains(text, number) {
			w.t.Errorf("the log holds data:\n%s", text)
		}
		for i, r := range rows {
			told := 0
			for line := range strings.Lines(text) {
				if strings.Contains(line, ids[i]) && strings.Contains(line, "error_code="+string(r.code)) && strings.Contains(line, r.told) {
					told++
				}
				if strings.Contains(line, ids[i]) && strings.Contains(line, "msg=attempt") && !strings.Contains(line, "level=WARN") {
					w.t.Errorf("an attempt that failed has the line %s", line)
				}
			}
			want := 2 // of the attempt and of the verb
			if r.code == domain.ErrReceiverFailed {
				want = 1 // its attempt has action=fail
			}
			if told != want {
				w.t.Errorf("%d lines tell of %s, %q, want %d:\n%s", told, r.code, r.told, want, text)
			}
		}
	})
}
