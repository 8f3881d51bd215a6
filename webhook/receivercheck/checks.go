package receivercheck

import (
	"context"
	"fmt"
	"net/http"

	"github.com/genevadrive/genevadrive/webhook"
)

// items are the checks, in the order of running. The first one sets the baseline that others compare with.
var items = []struct {
	name   string
	always bool // even if the baseline is an error, as long as there is a response at all
	run    func(*check, context.Context) (Verdict, string)
}{
	{"a signed delivery", false, (*check).signed},
	{"the same id twice", false, (*check).twice},
	{"unfamiliar JSON", false, (*check).unfamiliar},
	{"two signatures, as in a rotation", false, (*check).rotation},
	{"a wrong signature", true, (*check).wrongSignature},
	{"no signature", true, (*check).noSignature},
	{"a stale timestamp", true, (*check).stale},
	{"a timestamp from the future", true, (*check).future},
	{"the same id after a refusal", false, (*check).afterRefusal},
	{"the same id after a failure", false, (*check).afterFailure},
	{"the same id after half a request", false, (*check).afterHalf},
	{"a slow connection", false, (*check).slow},
}

func (c *check) signed(ctx context.Context) (Verdict, string) {
	c.repeated = c.NewID()
	c.baseline = c.deliver(ctx, c.client, delivery{id: c.repeated, step: c.Step, attempt: 1})
	if c.baseline.err != nil {
		return Failed, c.baseline.err.Error()
	}
	return OK, c.baseline.String()
}

func (c *check) twice(ctx context.Context) (Verdict, string) {
	again := c.deliver(ctx, c.client, delivery{id: c.repeated, step: c.Step, attempt: 2})
	switch {
	case again.err != nil:
		return Failed, fmt.Sprintf("the first time it answered %s; the second time: %v. Repeat the stored answer", c.baseline, again.err)
	case !again.same(c.baseline):
		return Failed, fmt.Sprintf("it answered %s, then %s; repeat the stored answer", c.baseline, again)
	}
	return OK, "the same answer again"
}

// unfamiliar sends a property that nobody knows yet, and JSON that is spelt differently from what a program
// that parses it would write: who verifies anything but the raw body fails here.
func (c *check) unfamiliar(ctx context.Context) (Verdict, string) {
	return c.worked(c.deliver(ctx, c.client, delivery{id: c.NewID(), step: c.Step, attempt: 1, unfamiliar: true}),
		"verify the raw body, and pass over properties that you do not know")
}

func (c *check) rotation(ctx context.Context) (Verdict, string) {
	for _, secrets := range [][]webhook.Secret{{c.stranger, c.Secret}, {c.Secret, c.stranger}} {
		verdict, detail := c.worked(c.deliver(ctx, c.client, delivery{id: c.NewID(), step: c.Step, attempt: 1, secrets: secrets}),
			"accept if any of the signatures, which spaces separate, is right")
		if verdict != OK {
			return verdict, detail
		}
	}
	return OK, "accepted, whichever came first"
}

func (c *check) wrongSignature(ctx context.Context) (Verdict, string) {
	return refused(c.deliver(ctx, c.client, delivery{id: c.NewID(), step: c.Step, attempt: 1, secrets: []webhook.Secret{c.stranger}}))
}

func (c *check) noSignature(ctx context.Context) (Verdict, string) {
	return refused(c.deliver(ctx, c.client, delivery{id: c.NewID(), step: c.Step, attempt: 1, secrets: []webhook.Secret{{}}}))
}

func (c *check) stale(ctx context.Context) (Verdict, string) {
	return refused(c.deliver(ctx, c.late, delivery{id: c.NewID(), step: c.Step, attempt: 1}))
}

func (c *check) future(ctx context.Context) (Verdict, string) {
	return refused(c.deliver(ctx, c.early, delivery{id: c.NewID(), step: c.Step, attempt: 1}))
}

// refused judges the answer to what should not have been accepted.
func refused(o outcome) (Verdict, string) {
	switch status := o.Status; {
	case status == http.StatusUnauthorized:
		return OK, "401"
	case status == http.StatusBadRequest || status == http.StatusGone || status == http.StatusUnprocessableEntity:
		return OK, fmt.Sprintf("%d; 401 is better, since after %d the step is never tried again", status, status)
	case status >= 400 && status <= 499:
		return OK, fmt.Sprintf("%d (401 is usual)", status)
	case status >= 200 && status <= 299:
		return Failed, fmt.Sprintf("it was accepted: %s; answer 401", o)
	case status != 0:
		return Failed, fmt.Sprintf("it answered %d; answer 401", status)
	}
	return Failed, o.err.Error()
}

func (c *check) afterRefusal(ctx context.Context) (Verdict, string) {
	id := c.NewID()
	first := c.deliver(ctx, c.client, delivery{id: id, step: c.Step, attempt: 1, secrets: []webhook.Secret{c.stranger}})
	if verdict, _ := refused(first); verdict != OK {
		return NotChecked, "it does not refuse"
	}
	return c.worked(c.deliver(ctx, c.client, delivery{id: id, step: c.Step, attempt: 2}),
		"remember nothing of a delivery that does not verify")
}

func (c *check) afterFailure(ctx context.Context) (Verdict, string) {
	id := c.NewID()
	first := c.deliver(ctx, c.client, delivery{id: id, step: c.FailingStep, attempt: 1})
	if first.err == nil && !first.failed() {
		return NotChecked, fmt.Sprintf("it answers %s to the step %s; name a step that fails (failing-step)", first, c.FailingStep)
	}
	return c.worked(c.deliver(ctx, c.client, delivery{id: id, step: c.Step, attempt: 2}),
		"remember nothing of an attempt that failed")
}

func (c *check) afterHalf(ctx context.Context) (Verdict, string) {
	id := c.NewID()
	if err := c.sendHalf(ctx, delivery{id: id, step: c.Step, attempt: 1}); err != nil {
		return Failed, err.Error()
	}
	return c.worked(c.deliver(ctx, c.client, delivery{id: id, step: c.Step, attempt: 2}),
		"remember nothing of a request that did not arrive whole")
}

func (c *check) slow(ctx context.Context) (Verdict, string) {
	return c.worked(c.sendSlowly(ctx, delivery{id: c.NewID(), step: c.Step, attempt: 1}),
		"read the request to its Content-Length, and have patience with the connection")
}

// worked judges the answer to what the receiver should have worked for: it has to be like the baseline, and
// no bare 200 as for something that was done before.
func (c *check) worked(o outcome, advice string) (Verdict, string) {
	switch {
	case o.err != nil:
		return Failed, fmt.Sprintf("%v; %s", o.err, advice)
	case !o.alike(c.baseline):
		return Failed, fmt.Sprintf("it answered %s, and %s to an ordinary delivery; %s", o, c.baseline, advice)
	}
	return OK, o.String()
}
