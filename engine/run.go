package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/webhook"
)

// inFlight knows how to abort the deliveries of this server. Two of one execution can be in flight here at
// once, under two claims, when this server has taken a step over from itself.
type inFlight struct {
	mu      sync.Mutex
	flights map[flight]context.CancelFunc
}

type flight struct {
	execution uuid.UUID
	fence     domain.Fence
}

func newInFlight() *inFlight { return &inFlight{flights: map[flight]context.CancelFunc{}} }

func (f *inFlight) add(id uuid.UUID, fence domain.Fence, cancel context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flights[flight{id, fence}] = cancel
}

func (f *inFlight) remove(id uuid.UUID, fence domain.Fence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.flights, flight{id, fence})
}

// abort ends the delivery of an execution under the claim that was taken away, if it is in flight here. By the
// time of the call the execution may have been claimed again; that delivery goes on.
func (f *inFlight) abort(id uuid.UUID, taken domain.Fence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if cancel, ok := f.flights[flight{id, taken}]; ok {
		cancel()
	}
}

// InFlight is the number of deliveries this server has in flight.
func (e *Engine) InFlight() int {
	e.inFlight.mu.Lock()
	defer e.inFlight.mu.Unlock()
	return len(e.inFlight.flights)
}

// heardLate is how long after its decision a claim may be begun: one whose commit took longer to be heard of would
// run on beyond its deadline, where somebody else begins the step anew.
const heardLate = domain.DeadlineMargin / 2

// run performs one attempt, with no transaction open, within its timeout budget: the conditions, the hook, and
// if neither decides in the step's place, its delivery. aborted means that this server is to stop, that it heard too
// late of its claim, or that the claim was taken away by a verb or callback here: there is no result then.
func (e *Engine) run(ctx context.Context, c *claimed) (result domain.Result, aborted bool) {
	if e.Now().Sub(c.decided) > heardLate {
		return domain.Result{}, true
	}
	ctx, cancel := context.WithTimeout(ctx, c.budget())
	defer cancel()
	e.inFlight.add(c.execution.ID, c.execution.Fence, cancel)
	defer e.inFlight.remove(c.execution.ID, c.execution.Fence)

	decided, aborted := e.guard(ctx, c)
	if decided == nil && !aborted {
		if answer := c.canned(); answer != nil {
			return domain.Result{Answer: answer, Status: 200}, false
		}
		decided, aborted = e.hook(ctx, c)
	}
	switch {
	case aborted:
		return domain.Result{}, true
	case decided != nil:
		return *decided, false
	}
	result, aborted = e.post(ctx, c, c.delivery())
	if result.Later && !e.takesCallbacks(c.step) {
		result = failed(domain.ErrUnexpected202, "The receiver answered 202, but "+e.whyNoCallback(c.step)+", so no later answer could be taken.",
			webhook.Result{Status: result.Status, Duration: time.Duration(result.DurationMS) * time.Millisecond}, false)
	}
	return result, aborted
}

// post makes a delivery and reads what comes back.
func (e *Engine) post(ctx context.Context, c *claimed, d delivery) (result domain.Result, aborted bool) {
	if d.instead != nil {
		return *d.instead, false
	}
	d.request.Traceparent = c.traceparent
	delivered := e.Webhooks.Send(ctx, d.request)
	if delivered.Err != nil && delivered.Err.Code == webhook.CodeCanceled {
		return domain.Result{}, true
	}
	return e.read(delivered), false
}

// read turns what came back into the result of the attempt (DESIGN section 5). Whether a 202 was to be
// expected is for its caller to say.
func (e *Engine) read(r webhook.Result) domain.Result {
	if r.Err != nil {
		return failed(domain.ErrorCode(r.Err.Code), r.Err.Message, r, r.Err.Retryable)
	}
	if r.Status == 202 {
		return domain.Result{Later: true, Status: r.Status, DurationMS: r.Duration.Milliseconds()}
	}
	answer, err := domain.ParseAnswer(r.Body, e.Queues)
	if err != nil {
		var problem *domain.Error
		if !errors.As(err, &problem) {
			problem = domain.Errorf(domain.CodeInvalidAnswer, "%v", err)
		}
		// A body that is not JSON at all is some proxy's page or cut short; JSON that is no answer is the
		// receiver's own, and its work is probably done.
		return failed(domain.ErrInvalidAnswer, problem.Detail, r, problem.Code == domain.CodeUnreadableBody)
	}
	return domain.Result{Answer: answer, Status: r.Status, DurationMS: r.Duration.Milliseconds(), Excerpt: webhook.Excerpt(r.Body)}
}

func failed(code domain.ErrorCode, message string, r webhook.Result, retryable bool) domain.Result {
	return domain.Result{Status: r.Status, DurationMS: r.Duration.Milliseconds(), Excerpt: webhook.Excerpt(r.Body),
		Failure: &domain.Failure{Retryable: retryable, RetryAfter: r.RetryAfter,
			ExecutionError: domain.ExecutionError{Code: code, Message: message, Status: r.Status}}}
}
