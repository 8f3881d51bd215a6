package domain

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

var queues = []string{"critical", "default", "low"}

func TestParseAnswer(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	deep := strings.Repeat("[", 50) + strings.Repeat("]", 50)
	tests := []struct {
		body string
		want Answer
	}{
		{``, Answer{Action: ActionComplete}},
		{" \r\n\t ", Answer{Action: ActionComplete}},
		{`{}`, Answer{Action: ActionComplete}},
		{"\n{ }\n", Answer{Action: ActionComplete}},
		{`{"action":"complete"}`, Answer{Action: ActionComplete}},
		{`{"action":"skip","reason":"no mail address"}`, Answer{Action: ActionSkip, Reason: "no mail address"}},
		{`{"action":"reattempt"}`, Answer{Action: ActionReattempt}},
		{`{"action":"reattempt","wait":"PT5M"}`, Answer{Action: ActionReattempt, Wait: ptr(5 * time.Minute)}},
		{`{"action":"reattempt","wait":"1h30m"}`, Answer{Action: ActionReattempt, Wait: ptr(90 * time.Minute)}},
		{`{"action":"reattempt","wait":"PT0S"}`, Answer{Action: ActionReattempt, Wait: ptr(time.Duration(0))}},
		{`{"action":"reattempt","at":"2026-01-02T05:04:05.0000069+02:00"}`, Answer{Action: ActionReattempt, At: &at}},
		{`{"action":"pause"}`, Answer{Action: ActionPause}},
		{`{"action":"cancel"}`, Answer{Action: ActionCancel}},
		{`{"action":"finish"}`, Answer{Action: ActionFinish}},
		{`{"action":"fail"}`, Answer{Action: ActionFail}},
		{`{"action":"fail","retryable":true,"error":{"message":"m","backtrace":"b"}}`, Answer{Action: ActionFail, Retryable: true, Message: "m", Backtrace: "b"}},
		{`{"action":"fail","retryable":false}`, Answer{Action: ActionFail}},
		{`{"action":"reattempt","at":"1970-01-01T00:00:00Z"}`, Answer{Action: ActionReattempt, At: ptr(time.Unix(0, 0).UTC())}},
		{`{"action":"reattempt","at":"9000-12-31T23:59:59Z"}`, Answer{Action: ActionReattempt, At: ptr(time.Date(9000, 12, 31, 23, 59, 59, 0, time.UTC))}},
		{`{"data":{"tries":2,"gone":null}}`, Answer{Action: ActionComplete, Data: json.RawMessage(`{"tries":2,"gone":null}`)}},
		{`{"action":"pause","data": {} }`, Answer{Action: ActionPause, Data: json.RawMessage(`{}`)}},
		{`{"data":{"deep":` + deep + `}}`, Answer{Action: ActionComplete, Data: json.RawMessage(`{"deep":` + deep + `}`)}},
		{`{"data":{"n":9007199254740992,"f":1.5e300}}`, Answer{Action: ActionComplete, Data: json.RawMessage(`{"n":9007199254740992,"f":1.5e300}`)}},
		{`{"next":{}}`, Answer{Action: ActionComplete, Next: &NextOptions{}}},
		{`{"next":{"wait":"P2D","queue":"low","priority":0}}`, Answer{Action: ActionComplete, Next: &NextOptions{Wait: ptr(48 * time.Hour), Queue: "low", Priority: ptr(0)}}},
		{`{"action":"skip","next":{"at":"2026-01-02T03:04:05.000006Z","priority":9}}`, Answer{Action: ActionSkip, Next: &NextOptions{At: &at, Priority: ptr(9)}}},
		// null stands for an absent field, as the serialisers of many languages write it, where the field is optional.
		{`{"wait":null,"at":null,"data":null,"reason":null,"next":null,"error":null,"retryable":null}`, Answer{Action: ActionComplete}},
		{`{"action":"reattempt","at":"2026-01-02t05:04:05.000006+02:00"}`, Answer{Action: ActionReattempt, At: &at}},
		{`{"action":"reattempt","wait":null,"at":"2026-01-02T03:04:05.000006Z"}`, Answer{Action: ActionReattempt, At: &at}},
		{`{"action":"fail","error":{"message":"null","backtrace":null},"retryable":null}`, Answer{Action: ActionFail, Message: "null"}},
		{`{"action":"fail","error":null,"retryable":true}`, Answer{Action: ActionFail, Retryable: true}},
		{`{"next":{"wait":null,"at":null,"queue":null,"priority":null}}`, Answer{Action: ActionComplete, Next: &NextOptions{}}},
		{`{"\u0061ction":"skip"}`, Answer{Action: ActionSkip}},
		{`{"action":"skip","reason":"\ud83d\ude00"}`, Answer{Action: ActionSkip, Reason: "😀"}},
	}
	for _, tt := range tests {
		got, err := ParseAnswer([]byte(tt.body), queues)
		if err != nil || !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%.100q:\n got %+v, %v\nwant %+v", tt.body, got, err, tt.want)
		}
	}
}

// TestParseAnswerRefuses: JSON that is no answer is invalid_answer, with where and why; what is not JSON, or
// not all of it, is unreadable_body and may be retried (DESIGN section 5).
func TestParseAnswerRefuses(t *testing.T) {
	const unreadable, invalid = CodeUnreadableBody, CodeInvalidAnswer
	nested := func(open, inside, closing string) string {
		return strings.Repeat(open, 100_000) + inside + strings.Repeat(closing, 100_000)
	}
	tests := []struct {
		body  string
		code  Code
		where string // pointers of the problems, in order
		says  string
	}{
		{`{"action":"compleet"}`, invalid, "#/action", `did you mean "complete"?`},
		{`{"action":"Complete"}`, invalid, "#/action", `did you mean "complete"?`},
		{`{"action":"cancelled"}`, invalid, "#/action", `did you mean "cancel"?`},
		{`{"action":"retry"}`, invalid, "#/action", "the actions are complete, skip, reattempt, pause, cancel, finish, fail"},
		{`{"action":""}`, invalid, "#/action", `Unknown action ""`},
		{`{"action":"complete "}`, invalid, "#/action", `did you mean "complete"?`},
		{`{"action":1}`, invalid, "#/action", "expected a string, not 1"},
		{`{"action":["complete"]}`, invalid, "#/action", "expected a string, not an array"},
		{`{"action":null}`, invalid, "#/action", "not null"}, {`{"\u0061ction":null,"wait":"PT1S"}`, invalid, "#/action", "not null"},
		{`{"acton":"skip"}`, invalid, "#/acton", `did you mean "action"?`},
		{`{"Action":"skip"}`, invalid, "#/Action", `did you mean "action"?`},
		{`{"status":"ok"}`, invalid, "#/status", `"status" is not a known field`},
		{`{"action":"skip","action":"skip"}`, invalid, "#", `"action" stands twice`},
		{`{"action":"skip","\u0061ction":"skip"}`, invalid, "#", `"action" stands twice`},
		{`{"data":{"a":1,"a":2}}`, invalid, "#", `"a" stands twice`},
		{`null`, invalid, "#", "expected an object, not null"},
		{`true`, invalid, "#", "expected an object"}, {`"complete"`, invalid, "#", "expected an object"}, {`42`, invalid, "#", "expected an object"},
		{`[]`, invalid, "#", "expected an object, not an array"}, {`[{"action":"skip"}]`, invalid, "#", "expected an object"},

		{`{"action":"reattempt","wait":300}`, invalid, "#/wait", "PT300S"},
		{`{"action":"reattempt","wait":"300"}`, invalid, "#/wait", "no unit"},
		{`{"action":"reattempt","wait":"-PT5M"}`, invalid, "#/wait", "negative"},
		{`{"action":"reattempt","wait":"P1M"}`, invalid, "#/wait", "months"},
		{`{"action":"reattempt","wait":"P99999D"}`, invalid, "#/wait", "10 years"},
		{`{"action":"reattempt","wait":"PT99999999999999999999S"}`, invalid, "#/wait", "is not a duration"},
		{`{"action":"reattempt","wait":{"minutes":5}}`, invalid, "#/wait", "a duration is a string"},
		{`{"action":"reattempt","at":"tomorrow"}`, invalid, "#/at", `"tomorrow" is not a time`},
		{`{"action":"reattempt","at":"2026-01-02"}`, invalid, "#/at", "RFC 3339"},
		{`{"action":"reattempt","at":"2026-01-02T03:04:05"}`, invalid, "#/at", "RFC 3339"},
		{`{"action":"reattempt","at":"2026-01-02T3:04:05Z"}`, invalid, "#/at", "RFC 3339"},
		{`{"action":"reattempt","at":"2026-01-02T03:04:05,5Z"}`, invalid, "#/at", "RFC 3339"},
		{`{"action":"reattempt","at":"2026-02-30T03:04:05Z"}`, invalid, "#/at", "RFC 3339"},
		{`{"action":"reattempt","at":"2026-01-02T03:04:05+24:00"}`, invalid, "#/at", "RFC 3339"},
		{`{"action":"reattempt","at":"2026-01-02T03:04:05-01:60"}`, invalid, "#/at", "RFC 3339"},
		{`{"action":"reattempt","at":"9001-01-01T00:00:00Z"}`, invalid, "#/at", "from 1970 to 9000"},
		{`{"action":"reattempt","at":"1970-01-01T00:00:00+01:00"}`, invalid, "#/at", "from 1970 to 9000"},
		{`{"action":"reattempt","at":1767323045}`, invalid, "#/at", "expected a string"},
		{`{"action":"reattempt","wait":"PT1S","at":"2026-01-02T03:04:05Z"}`, invalid, "#/at", "wait or at, not both"},
		{`{"action":"complete","wait":"PT1S"}`, invalid, "#/wait", "next.wait"},
		{`{"wait":"PT1S"}`, invalid, "#/wait", "not with the action complete"},
		{`{"action":"pause","at":"2026-01-02T03:04:05Z"}`, invalid, "#/at", "not with the action pause"},

		{`{"data":[]}`, invalid, "#/data", "must be an object"}, {`{"data":"x"}`, invalid, "#/data", "must be an object"}, {`{"data":false}`, invalid, "#/data", "must be an object"},
		{`{"action":"fail","data":{}}`, invalid, "#/data", "leaves nothing behind"},
		{`{"data":{"n":9007199254740993}}`, invalid, "#", "2^53"}, {`{"data":{"n":-9007199254740993}}`, invalid, "#", "2^53"},
		{`{"data":{"n":1e400}}`, invalid, "#", "too large"},
		{`{"reason":"\u0000"}`, invalid, "#", "NUL"}, {`{"data":{"\u0000":1}}`, invalid, "#", "NUL"},
		{`{"reason":"\ud800"}`, invalid, "#", "lone surrogate"}, {"{\"reason\":\"\xff\"}", invalid, "#", "UTF-8"},
		{`{"reason":7}`, invalid, "#/reason", "expected a string"},

		{`{"next":{"wait":"PT1S","at":"2026-01-02T03:04:05Z"}}`, invalid, "#/next/at", "not both"},
		{`{"next":{"wait":"soon"}}`, invalid, "#/next/wait", "is not a duration"},
		{`{"next":{"queue":"critcal"}}`, invalid, "#/next/queue", `did you mean "critical"?`},
		{`{"next":{"queue":""}}`, invalid, "#/next/queue", "the queues are critical, default, low"},
		{`{"next":{"queue":"Default"}}`, invalid, "#/next/queue", `did you mean "default"?`},
		{`{"next":{"priority":10}}`, invalid, "#/next/priority", "0 (first) to 9"}, {`{"next":{"priority":-1}}`, invalid, "#/next/priority", "0 (first) to 9"},
		{`{"next":{"priority":5.5}}`, invalid, "#/next/priority", "a whole number"}, {`{"next":{"priority":"5"}}`, invalid, "#/next/priority", "a whole number"},
		{`{"next":{"step":"c"}}`, invalid, "#/next/step", "not a known field"},
		{`{"next":[]}`, invalid, "#/next", "expected an object"},
		{`{"action":"finish","next":{"wait":"PT1S"}}`, invalid, "#/next", "not with the action finish"},
		{`{"action":"reattempt","next":{}}`, invalid, "#/next", "not with the action reattempt"},

		{`{"error":{"message":"m"}}`, invalid, "#/error", "the action fail"}, {`{"action":"cancel","retryable":false}`, invalid, "#/retryable", "the action fail"},
		{`{"action":"fail","error":"m"}`, invalid, "#/error", "expected an object"}, {`{"action":"fail","error":{"mesage":"m"}}`, invalid, "#/error/mesage", `did you mean "message"?`},
		{`{"action":"fail","error":{}}`, invalid, "#/error/message", "has a message"}, {`{"action":"fail","error":{"message":null,"backtrace":"b"}}`, invalid, "#/error/message", "has a message"},
		{`{"action":"fail","error":{"message":["m"]}}`, invalid, "#/error/message", "expected a string"},
		{`{"action":"fail","retryable":"yes"}`, invalid, "#/retryable", "true or false"},

		{`{"action":1,"wait":2,"next":{"priority":"x"},"bogus":true}`, invalid, "#/action #/wait #/next/priority #/bogus", ""},
		{`{"action":"cancel","wait":"PT1S","at":"2026-01-02T03:04:05Z","retryable":true,"next":{"queue":"x","priority":77},"data":3}`,
			invalid, "#/wait #/at #/at #/retryable #/data #/next #/next/queue #/next/priority", ""},

		{nested(`[`, ``, `]`), invalid, "#", "nest deeper"}, {nested(`{"a":`, `1`, `}`), invalid, "#", "nest deeper"},
		{`{"data":{"a":` + nested(`[`, `"x"`, `]`) + `}}`, invalid, "#", "nest deeper"},
		{strings.Repeat(`[`, 100_000), unreadable, "", "not JSON"}, {nested(`[`, ``, `]`) + `]`, unreadable, "", ""}, {nested(`[`, ``, `]`) + ` 1`, unreadable, "", ""},
		{nested(`[`, `]`, `]`), unreadable, "", ""}, {nested(`[`, `1 2`, `]`), unreadable, "", ""}, {nested(`{"a":`, ``, `}`), unreadable, "", ""},

		{`{"action":"complete"`, unreadable, "", "line 1"}, {`{"action":"comp`, unreadable, "", ""}, {`{"action":`, unreadable, "", ""}, {`{`, unreadable, "", ""}, {`{"data":{"a":1},`, unreadable, "", ""},
		{`{"action":"complete"}x`, unreadable, "", "after the end"}, {`{}{}`, unreadable, "", ""}, {`{} null`, unreadable, "", ""}, {"{}\x00", unreadable, "", ""},
		{"<!DOCTYPE html>\n<html><body>It works!</body></html>", unreadable, "", "not JSON"}, {`OK`, unreadable, "", ""}, {`action=complete`, unreadable, "", ""}, {`'complete'`, unreadable, "", ""},
		{"\xef\xbb\xbf{}", unreadable, "", "byte order mark"}, {"\u00a0", unreadable, "", ""}, {"\x00", unreadable, "", ""}, {"\v", unreadable, "", ""}, {"\x1f\x8b\x08\x00", unreadable, "", ""},
		{`{"action":"skip",}`, unreadable, "", ""}, {`{action:"skip"}`, unreadable, "", ""}, {`{"a":01}`, unreadable, "", ""}, {`{"reason":"` + "\n" + `"}`, unreadable, "", ""}, {`nul`, unreadable, "", ""}, {`-`, unreadable, "", ""}, {`{"a":NaN}`, unreadable, "", ""},
	}
	for _, tt := range tests {
		answer, err := ParseAnswer([]byte(tt.body), queues)
		var problem *Error
		if answer != nil || !errors.As(err, &problem) {
			t.Errorf("%.100q gives %+v, %v", tt.body, answer, err)
			continue
		}
		var where []string
		for _, p := range problem.Problems {
			where = append(where, p.Pointer)
		}
		if problem.Code != tt.code || strings.Join(where, " ") != tt.where || !strings.Contains(problem.Detail, tt.says) {
			t.Errorf("%.100q gives %s at %s: %.300s\nwant %s at %s: %s", tt.body, problem.Code, where, problem.Detail, tt.code, tt.where, tt.says)
		}
	}
}

func TestParseAnswerCutsLongTexts(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	body := fmt.Sprintf(`{"action":"fail","reason":%[1]q,"error":{"message":%[1]q,"backtrace":%[1]q}}`, "x"+long)
	a, err := ParseAnswer([]byte(body), queues)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, got string
		limit     int
	}{{"reason", a.Reason, maxReason}, {"message", a.Message, maxMessage}, {"backtrace", a.Backtrace, maxBacktrace}} {
		// "x" and two bytes a letter: the limit falls into a letter.
		if len(tt.got) != tt.limit-1 || !strings.HasPrefix("x"+long, tt.got) {
			t.Errorf("the %s has %d bytes, want %d", tt.name, len(tt.got), tt.limit-1)
		}
	}
	_, err = ParseAnswer([]byte(`{"action":"`+long+`"}`), queues)
	if err == nil || len(err.Error()) > 1000 {
		t.Errorf("a huge action is repeated in the error: %d bytes", len(err.Error()))
	}
}
