package domain

import (
	"bytes"
	"encoding/json"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// reservedAttributes are what an expression sees of every subject without anybody pushing it.
var reservedAttributes = []string{"type", "id"}

// CheckSubject reports whether a type and an id, given as the query parameters of that name, can name a
// subject. Errors: invalid_query.
func CheckSubject(typ, id string) error {
	var problems []Problem
	if err := CheckSubjectType(typ); err != nil {
		problems = append(problems, Problem{Parameter: "type", Detail: sentence(err.Error())})
	}
	if err := CheckSubjectID(id); err != nil {
		problems = append(problems, Problem{Parameter: "id", Detail: sentence(err.Error())})
	}
	if len(problems) > 0 {
		return WithProblems(CodeInvalidQuery, problems)
	}
	return nil
}

// ReadAttributes gives the attributes of a subject as they are kept: one JSON object without white space
// around its members. at is the JSON pointer to them in the request. Errors: unreadable_body, invalid_request
// for what is no object or holds the names type or id, data_too_large.
func ReadAttributes(at string, document []byte) (json.RawMessage, error) {
	value, err := strictjson.Value(document)
	if err == nil {
		err = strictjson.Check(document) // numbers of any size are read, but not taken
	}
	if err != nil {
		return nil, ReadError(err, CodeInvalidRequest)
	}
	members, ok := value.(map[string]any)
	if !ok {
		return nil, WithProblems(CodeInvalidRequest, []Problem{{Pointer: at, Detail: "The attributes must be an object."}})
	}
	var list problemList
	for _, name := range reservedAttributes {
		if _, taken := members[name]; taken {
			list.add(place(at).key(name), "the attribute %s is the subject's own and cannot be pushed; choose another name", name)
		}
	}
	if err := list.err(CodeInvalidRequest); err != nil {
		return nil, err
	}
	kept := strictjson.Compact(bytes.TrimSpace(document))
	if len(kept) > MaxDataBytes {
		return nil, Errorf(CodeDataTooLarge, "The attributes have %d bytes; %d are allowed.", len(kept), MaxDataBytes)
	}
	return kept, nil
}
