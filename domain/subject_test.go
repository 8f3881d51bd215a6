package domain

import (
	"strings"
	"testing"
)

func TestReadAttributes(t *testing.T) {
	long := strings.Repeat("x", MaxDataBytes)
	for name, test := range map[string]struct {
		document string
		kept     string
		code     Code
		says     string
	}{
		"an object":         {` {"plan": "pro", "n": 1.0, "é": [ {} ]} `, `{"plan":"pro","n":1.0,"é":[{}]}`, "", ""},
		"nothing in it":     {`{}`, `{}`, "", ""},
		"names in depth":    {`{"a":{"type":"x","id":1}}`, `{"a":{"type":"x","id":1}}`, "", ""},
		"the names of ours": {`{"type": 1, "id": 2}`, "", CodeInvalidRequest, "#/attributes/type"},
		"escaped name":      {`{"\u0069d": 2}`, "", CodeInvalidRequest, "#/attributes/id"},
		"a list":            {`[]`, "", CodeInvalidRequest, "must be an object"},
		"null":              {`null`, "", CodeInvalidRequest, "must be an object"},
		"no JSON":           {`{"a":`, "", CodeUnreadableBody, "cannot be read"},
		"a duplicate":       {`{"a":1,"a":2}`, "", CodeUnreadableBody, "cannot be read"},
		"a NUL":             {`{"a":"\u0000"}`, "", CodeUnreadableBody, "cannot be read"},
		"too many":          {`{"a":"` + long + `"}`, "", CodeDataTooLarge, "262144 are allowed"},
		"just not too many": {`{"a":"` + long[:MaxDataBytes-8] + `"}`, `{"a":"` + long[:MaxDataBytes-8] + `"}`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			kept, err := ReadAttributes("#/attributes", []byte(test.document))
			if test.code == "" {
				if err != nil || string(kept) != test.kept {
					t.Errorf("got %.100s and %v, want %.100s", kept, err, test.kept)
				}
				return
			}
			if CodeOf(err) != test.code || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %s with %q", err, test.code, test.says)
			}
		})
	}
}

func TestCheckSubject(t *testing.T) {
	if err := CheckSubject("User", "42"); err != nil {
		t.Error(err)
	}
	err := CheckSubject("", " 42")
	if CodeOf(err) != CodeInvalidQuery || !strings.Contains(err.Error(), "type: The subject type is empty.") {
		t.Errorf("got %v", err)
	}
}
