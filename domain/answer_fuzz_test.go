package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzParseAnswer holds ParseAnswer against what must be true of any body a receiver may send: only an empty
// one or a JSON object is an answer, a whole JSON document is never called unreadable, and an answer can
// always be settled.
func FuzzParseAnswer(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `{}`, `null`, `{"action":"complete"}`, `{"action":"reattempt","wait":"PT5M","reason":"rate limited","data":{"tries":2}}`,
		`{"action":"reattempt","at":"2026-01-02T03:04:05.000006Z"}`, `{"action":"skip","next":{"wait":"2d","queue":"low","priority":9}}`,
		`{"action":"fail","error":{"message":"m","backtrace":"b"},"retryable":true}`, `{"action":"fail","action":"fail"}`, `{"acton":1}`,
		`{"reason":"\u0000"}`, `{"reason":"\ud800"}`, `{"data":{"a":9007199254740993}}`, `<html></html>`, `{"action":"comp`, `{}{}`, "\xef\xbb\xbf{}",
		strings.Repeat(`[`, 70) + strings.Repeat(`]`, 70), strings.Repeat(`{"a":`, 10_001) + `0` + strings.Repeat(`}`, 10_001),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		original := bytes.Clone(body)
		a, err := ParseAnswer(body, queues)
		if !bytes.Equal(original, body) {
			t.Fatal("ParseAnswer wrote to the body")
		}
		if err != nil {
			var problem *Error
			if !errors.As(err, &problem) || !utf8.ValidString(problem.Detail) {
				t.Fatalf("%q gives %v", body, err)
			}
			switch {
			case problem.Code == CodeInvalidAnswer && len(problem.Problems) > 0:
			case problem.Code == CodeUnreadableBody && !json.Valid(body):
			default:
				t.Fatalf("%q gives %s with %v", body, problem.Code, problem.Problems)
			}
			return
		}
		trimmed := bytes.Trim(body, " \t\r\n")
		if len(trimmed) > 0 && (trimmed[0] != '{' || !json.Valid(body)) {
			t.Fatalf("%q is an answer: %+v", body, a)
		}
		if a.Wait != nil && (*a.Wait < 0 || *a.Wait > MaxDuration) || a.At != nil && (a.At.Location() != time.UTC || a.At.Nanosecond()%1000 != 0) {
			t.Fatalf("%q gives wait %v, at %v", body, a.Wait, a.At)
		}
		for _, text := range []string{a.Reason, a.Message, a.Backtrace} {
			if !utf8.ValidString(text) || strings.Contains(text, "\x00") || len(text) > maxBacktrace {
				t.Fatalf("%q gives the text %q", body, text)
			}
		}
		r := situation("executing")
		c, err := r.decide(t, t0, func(w Workflow, e *Execution) (Change, error) {
			return Settle(abc(), w, *e, Result{Answer: a}, SettleParams{Fence: claimFence, NextID: nextID}, t0)
		})
		if err != nil || !json.Valid(c.Workflow.Data) || c.Workflow.Data[0] != '{' || len(c.Workflow.Data) > MaxDataBytes {
			t.Fatalf("%q settles to %v, data %.100s", body, err, c.Workflow.Data)
		}
	})
}
