package domain

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// ReadError turns what strictjson reports into an Error: CodeUnreadableBody for a document that cannot be
// read, the given code with a problem per fault for one that could. Any other error is internal.
func ReadError(err error, code Code) *Error {
	var syntax *strictjson.SyntaxError
	var faults strictjson.FieldErrors
	switch {
	case errors.As(err, &syntax):
		return &Error{Code: CodeUnreadableBody, Detail: "The document cannot be read: " + syntax.Error() + "."}
	case errors.As(err, &faults):
		problems := make([]Problem, len(faults))
		for i, f := range faults {
			problems[i] = Problem{Pointer: f.Pointer, Detail: sentence(f.Detail)}
		}
		return WithProblems(code, problems)
	}
	return &Error{Code: CodeInternal, Detail: "The document could not be read.", Cause: err}
}

// WithProblems makes an Error of problems, at least one; its detail tells the first.
func WithProblems(code Code, problems []Problem) *Error {
	detail := problems[0].Detail
	if where := problems[0].Pointer + problems[0].Parameter; where != "" && where != "#" {
		detail = where + ": " + detail
	}
	if more := len(problems) - 1; more > 0 {
		detail += fmt.Sprintf(" (And %d more.)", more)
	}
	return &Error{Code: code, Detail: detail, Problems: problems}
}

// place is where in a document something stands, as a JSON pointer in a URI fragment.
type place string

const root place = "#"

func (p place) key(name string) place { return p + "/" + place(strictjson.PointerToken(name)) }
func (p place) index(i int) place     { return p + "/" + place(strconv.Itoa(i)) }

// mostProblems bounds the problems of one document, so that a hostile one cannot make a huge answer.
const mostProblems = 100

// problemList gathers what is wrong with a document.
type problemList struct {
	found []Problem
	more  int
}

func (l *problemList) add(at place, format string, args ...any) {
	if len(l.found) >= mostProblems {
		l.more++
		return
	}
	l.found = append(l.found, Problem{Pointer: string(at), Detail: sentence(fmt.Sprintf(format, args...))})
}

// err is nil when nothing was found.
func (l *problemList) err(code Code) error {
	if len(l.found) == 0 {
		return nil
	}
	e := WithProblems(code, l.found)
	if l.more > 0 {
		e.Detail += fmt.Sprintf(" %d further problems are not listed.", l.more)
	}
	return e
}

// sentence makes one of a message: a capital at its start, a full stop at its end.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if c := s[0]; c >= 'a' && c <= 'z' {
		s = string(c-'a'+'A') + s[1:]
	}
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") && !strings.HasSuffix(s, "…") {
		s += "."
	}
	return s
}

// didYouMean is a hint for a misspelt word, empty when nothing comes close.
func didYouMean(word string, known []string) string {
	if near := strictjson.Nearest(word, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// EveryProblem is an error of a file with its path: each of its problems on a line of its own, with its place.
func EveryProblem(path string, err error) error {
	var known *Error
	if !errors.As(err, &known) || len(known.Problems) == 0 {
		return fmt.Errorf("%s: %w", path, err)
	}
	lines := make([]error, len(known.Problems))
	for i, p := range known.Problems {
		lines[i] = fmt.Errorf("%s: %s: %s", path, p.Pointer, p.Detail)
	}
	return errors.Join(lines...)
}
