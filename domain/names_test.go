package domain

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	x := strings.Repeat
	tests := []struct {
		check func(string) error
		name  string
		says  string // "": accepted
	}{
		{CheckName, "SignupWorkflow", ""}, {CheckName, "a", ""}, {CheckName, "a1_.:-", ""}, {CheckName, x("a", 100), ""},
		{CheckName, "", "is empty"}, {CheckName, x("a", 101), "longer than 100"}, {CheckName, "1a", "start with a letter"},
		{CheckName, "_a", "start with a letter"}, {CheckName, "a b", "may hold only"}, {CheckName, "añb", "may hold only"},
		{CheckName, "a\n", "may hold only"}, {CheckName, "a\x00", "may hold only"}, {CheckName, "É", "start with a letter"},
		{CheckQueueName, "critical", ""}, {CheckQueueName, "2", ""}, {CheckQueueName, x("q", 50), ""},
		{CheckQueueName, "", "1 to 50"}, {CheckQueueName, x("q", 51), "1 to 50"}, {CheckQueueName, "a=b", "1 to 50"},
		{CheckQueueName, "a{b}", "1 to 50"}, {CheckQueueName, "-a", "1 to 50"},
		{CheckSubjectType, "User", ""}, {CheckSubjectType, "Überweisung №1", ""}, {CheckSubjectType, x("é", 100), ""},
		{CheckSubjectType, x("é", 101), "longer than 100"}, {CheckSubjectType, "", "is empty"},
		{CheckSubjectID, "42", ""}, {CheckSubjectID, "a b", ""}, {CheckSubjectID, x("😀", 190), ""}, {CheckSubjectID, `"'\?%`, ""},
		{CheckSubjectID, x("a", 191), "longer than 190"}, {CheckSubjectID, " a", "white space"}, {CheckSubjectID, "a ", "white space"},
		{CheckSubjectID, "a\u00a0", "white space"}, {CheckSubjectID, " ", "white space"}, {CheckSubjectID, "a\x00b", "U+0000"},
		{CheckSubjectID, "a\nb", "U+000A"}, {CheckSubjectID, "a\u200bb", "U+200B"}, {CheckSubjectID, "a\u202eb", "U+202E"},
		{CheckSubjectID, "a\xffb", "not valid UTF-8"}, {CheckSubjectID, "a\ufffeb", "U+FFFE"}, {CheckSubjectID, "a\u00a0b", "U+00A0"},
	}
	for _, tt := range tests {
		err := tt.check(tt.name)
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%.30q gives %v, want %q", tt.name, err, tt.says)
		}
	}
}

func TestParseIdempotencyKey(t *testing.T) {
	for header, want := range map[string]string{
		"abc": "abc", `"abc"`: "abc", `"a\"b\\c"`: `a"b\c`, "8e03978e-40d5-43dd-bc93-6894a57f9324": "8e03978e-40d5-43dd-bc93-6894a57f9324",
		strings.Repeat("k", 255): strings.Repeat("k", 255), `"` + strings.Repeat("k", 255) + `"`: strings.Repeat("k", 255), `a"b`: `a"b`,
	} {
		if got, err := ParseIdempotencyKey(header); err != nil || got != want {
			t.Errorf("ParseIdempotencyKey(%.20q) = %.20q, %v", header, got, err)
		}
	}
	for _, header := range []string{"", `""`, `"`, `"abc`, `"abc"x`, `"a\x"`, `"abc\`, "a b", "a\tb", "é", "a\x00", "a\x7f", strings.Repeat("k", 256)} {
		if got, err := ParseIdempotencyKey(header); CodeOf(err) != CodeInvalidIdempotencyKey {
			t.Errorf("ParseIdempotencyKey(%.20q) = %.20q, %v", header, got, err)
		}
	}
}
