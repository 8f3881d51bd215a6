package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// answersAgain are what a request is answered when it is sent again after the restart, each time that it is: if the
// first one's commit was lost, and if it was made.
type answersAgain struct{ lost, made []string }

// underAKey are the answers to what is done once, whatever becomes of the answer.
func underAKey(status string) answersAgain {
	return answersAgain{lost: []string{status, status + " again"}, made: []string{status + " again", status + " again"}}
}

// crashingRequests are the requests of which a client that got no answer wants to know what became of them.
func crashingRequests() map[string]crashPoint {
	vacant := func(c *crashed) { c.control(c.Engine, c.wf.ID, domain.VerbCancel) }
	met := func(c *crashed) { // so that a batch looks first at what is in its way, rather than find it by inserting
		_, _, _ = c.CreateBatch(context.Background(), nil, []engine.CreateRequest{member("Crash", c.wf.SubjectID), member("Crash", c.wf.SubjectID)})
	}
	points := map[string]crashPoint{
		"create": {ready: vacant, do: creates("", false),
			again: answersAgain{lost: []string{"201"}, made: []string{"workflow_exists"}}},
		"create under a key":                 {ready: vacant, do: creates("", true), again: underAKey("201")},
		"create instead, under a key":        {finds: true, do: creates(domain.ConflictCancelExisting, true), again: underAKey("201")},
		"create what is there, under a key":  {finds: true, do: creates(domain.ConflictReturnExisting, true), again: underAKey("200")},
		"create and claim":                   {ready: vacant, claims: true, do: creates("", false)},
		"create and claim, under a key":      {ready: vacant, claims: true, do: creates("", true), again: underAKey("201")},
		"create instead and claim":           {finds: true, claims: true, do: creates(domain.ConflictCancelExisting, false)},
		"create a batch, one member instead": {ready: met, do: createsBatch(false), again: answersAgain{lost: []string{"201, 201, 201"}, made: []string{"workflow_exists, workflow_exists, 201"}}},
		"create a batch under a key, one member instead": {do: createsBatch(true), again: answersAgain{
			lost: []string{"201, 201, 201", "201 again, 201 again, 201 again"},
			made: []string{"201 again, 201 again, 201", "201 again, 201 again, 201 again"},
		}},
	}
	for _, verb := range domain.Verbs {
		ready := (*crashed).claimed
		if verb == domain.VerbResume {
			ready = func(c *crashed) { c.control(c.Engine, c.wf.ID, domain.VerbPause) }
		}
		points["verb "+string(verb)+" under a key"] = crashPoint{ready: ready, again: underAKey("200"), do: func(c *crashed) {
			out, err := c.Control(context.Background(), c.wf.ID, domain.Command{Verb: verb}, c.key("verb"))
			c.answered([]engine.Written{out}, []error{err})
		}}
	}
	return points
}

// key is the key of the request that a server crashed in.
func (c *crashed) key(path string) *engine.IdempotencyKey {
	return &engine.IdempotencyKey{Scope: "test " + path, Key: c.wf.ID.String(), Fingerprint: "f"}
}

func creates(conflict domain.OnConflict, keyed bool) func(*crashed) {
	return func(c *crashed) {
		r := engine.CreateRequest{Type: "Crash", SubjectType: "User", SubjectID: c.wf.SubjectID, OnConflict: conflict}
		if keyed {
			r.Key = c.key("create")
		}
		out, err := c.Create(context.Background(), r)
		c.answered([]engine.Written{out}, []error{err})
	}
}

// createsBatch makes two members in one transaction, and then one in the place of the workflow that is there.
func createsBatch(keyed bool) func(*crashed) {
	return func(c *crashed) {
		members := []engine.CreateRequest{member("Pause", c.wf.SubjectID), member("Skip", c.wf.SubjectID), member("Crash", c.wf.SubjectID)}
		members[2].OnConflict = domain.ConflictCancelExisting
		var whole *engine.IdempotencyKey
		if keyed {
			whole = c.key("batch")
		}
		outcomes, faults, err := c.CreateBatch(context.Background(), whole, keyedBy(whole, members...))
		if err != nil {
			outcomes, faults = []engine.Written{{}}, []error{err}
		}
		c.answered(outcomes, faults)
	}
}

// answered notes the answer to a request: each member's status and workflow, or the code of its problem.
func (c *crashed) answered(outcomes []engine.Written, faults []error) {
	words := make([]string, len(outcomes))
	c.workflows = make([]string, len(outcomes))
	for i, out := range outcomes {
		words[i] = fmt.Sprint(out.Status)
		if faults[i] != nil {
			words[i] = string(domain.CodeOf(faults[i]))
		} else {
			c.workflows[i] = out.Workflow.ID.String()
		}
		if out.Replayed {
			words[i] += " again"
		}
	}
	c.answer = strings.Join(words, ", ")
}

// repeat sends the request again, to another server: what is answered as done before does nothing, and tells of
// the same workflows.
func (w *world) repeat(what string, point crashPoint, c *crashed, answers []string) {
	w.t.Helper()
	var told []string
	for i, want := range answers {
		before := w.state(c.wf.SubjectID)
		point.do(c)
		if c.answer != want {
			w.t.Errorf("%s: repetition %d is answered %s, want %s", what, i+1, c.answer, want)
		}
		does := slices.ContainsFunc(strings.Split(want, ", "), func(word string) bool { return word == "200" || word == "201" })
		after := w.state(c.wf.SubjectID)
		if changed := !slices.Equal(before, after); changed != does {
			w.t.Errorf("%s: repetition %d is answered %s; it was\n%q, and is\n%q", what, i+1, c.answer, before, after)
		}
		if i > 0 && !slices.Equal(c.workflows, told) {
			w.t.Errorf("%s: repetition %d tells of %q, the one before of %q", what, i+1, c.workflows, told)
		}
		told = c.workflows
	}
}
