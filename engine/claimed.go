package engine

import (
	"context"
	"sync"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/webhook"
)

// claimed is a step execution that this server owns, or will once the commit of its claim is through, as the claim
// leaves it.
type claimed struct {
	plan      *plan
	step      *domain.Step
	workflow  domain.Workflow
	execution domain.Execution
	known     *persistence.Known // both, for the settle; nil: it reads them
	speedrun  *speedrun          // nil: a worker performs it
	delivery  func() delivery    // of the step

	decided time.Time         // by this server's clock
	of      *domain.Execution // in the change that was decided

	traceparent string // of its deliveries
	late        time.Duration
	took        time.Duration // once it has run
}

// claiming is the execution that a change claims which is about to be committed. Its delivery is put together in the
// meantime (docs/decisions/0081); one that comes after a hook is not, since it bears the time at which that was done.
func (e *Engine) claiming(p *plan, change domain.Change) *claimed {
	w, x := change.Workflow, change.Current()
	step, _, _ := p.Step(x.StepName)
	c := &claimed{plan: p, step: step, workflow: w, execution: *x, decided: e.Now(), of: x}
	c.delivery = sync.OnceValue(func() delivery {
		return e.prepare(context.Background(), c, &step.Webhook, e.stepMessage(c))
	})
	if step.Hook == nil {
		go c.delivery()
	}
	return c
}

// tries are the decisions of one claim, which is decided again when its commit has failed or nobody has heard of it.
type tries struct {
	first time.Time // by this server's clock
	last  *claimed  // nil: there was none
}

func (t *tries) add(c *claimed) {
	if t.last == nil {
		t.first = c.decided
	}
	t.last = c
}

// owned is the execution once its claim is committed. That may turn out to be the claim of an earlier try, which then is
// as old as the first one may be.
func (e *Engine) owned(t *tries, committed persistence.Result) *claimed {
	c := t.last
	if c.of != committed.Change.Current() {
		c = e.claiming(c.plan, committed.Change)
		c.decided = t.first
	}
	c.known = committed.Known()
	return c
}

// claim names what is to be undone if the execution is not performed.
func (c *claimed) claim() persistence.Lost {
	return persistence.Lost{ExecutionID: c.execution.ID, WorkflowID: c.workflow.ID, Fence: c.execution.Fence}
}

// budget is the timeout of this attempt, hook and POST together, as it was when it was claimed.
func (c *claimed) budget() time.Duration {
	return c.execution.Deadline.Sub(*c.execution.StartedAt) - domain.DeadlineMargin
}

// delivery is one of a claim, of the step or its hook, or the result that takes the place of one that cannot be made.
type delivery struct {
	request webhook.Request
	instead *domain.Result
}

// prepare puts a delivery together. One that cannot be written, since what is stored of the workflow is no JSON any more,
// is nothing that its receiver could mend: the attempt counts as interrupted here, and another one may find it repaired.
func (e *Engine) prepare(ctx context.Context, c *claimed, to *domain.Webhook, m message) delivery {
	body, err := e.payload(c, m)
	if err != nil {
		e.Logger.Error("delivery not written", "workflow_id", c.workflow.ID, "step_execution_id", c.execution.ID, "error", err)
		result := failed(domain.ErrInterrupted, "This server could not write the delivery, so that nothing was sent: "+err.Error(), webhook.Result{}, true)
		return delivery{instead: &result}
	}
	target, missing := e.target(ctx, to)
	if missing != nil {
		return delivery{instead: &domain.Result{Failure: &domain.Failure{ExecutionError: *missing, Retryable: missing.Code != domain.ErrEndpointMissing}}}
	}
	return delivery{request: e.Webhooks.Prepare(webhook.Delivery{
		URL: target.url, Headers: target.headers, Secrets: target.secrets,
		ID: m.id, WorkflowID: c.workflow.ID.String(), Step: c.step.Name, Attempt: c.execution.Attempt, Body: body,
	})}
}
