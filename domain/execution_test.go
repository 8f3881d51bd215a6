package domain

import "testing"

// TestForLog has an error of each kind lose what it may quote, and nothing else.
func TestForLog(t *testing.T) {
	const says = "The step execution says why."
	for _, tt := range []struct {
		code          ErrorCode
		message, want string
	}{
		{ErrHTTPStatus, "The receiver answered 503 (Service Unavailable).", "The receiver answered 503 (Service Unavailable)."},
		{ErrCondition, "The condition data.m[data.s] == 1 failed: There is no 4111; guard it with has(…).", "The condition data.m[data.s] == 1 failed; the step execution says why."},
		{ErrCondition, `The condition data.s == " failed: " failed: There is no 4111.`, `The condition data.s == " failed; the step execution says why.`},
		{ErrCondition, "4111", says},
		{ErrHookFailed, "The hook before_step_starts failed (receiver_failed): 4111 (a card): refused.", "The hook before_step_starts failed (receiver_failed); the step execution says why."},
		{ErrHookFailed, "4111", says},
		{ErrConnection, "The receiver refused the connection: nothing listens there, or a firewall says no.", "The receiver refused the connection: nothing listens there, or a firewall says no."},
		{ErrConnection, "The receiver's answer could not be read: dial tcp 10.0.0.1:80: connect: no route to host.", "The receiver's answer could not be read: dial tcp 10.0.0.1:80: connect: no route to host."},
		{ErrConnection, `The receiver's answer could not be read: malformed HTTP response "4111".`, "The receiver's answer could not be read; the step execution says why."},
		{ErrUnsavableAnswer, "The database cannot hold this answer: Incorrect string value: '4111'.", "The database cannot hold this answer; the step execution says why."},
		{ErrInvalidAnswer, `The body is JSON but no answer. #/action: Unknown action "4111".`, says},
		{ErrReceiverFailed, "4111 was refused", says},
		{"of a newer server", "4111", says},
	} {
		e := ExecutionError{Code: tt.code, Message: tt.message}
		if got := e.ForLog(); got != tt.want {
			t.Errorf("%s %s\ngives %s\nwant  %s", tt.code, tt.message, got, tt.want)
		}
	}
}
