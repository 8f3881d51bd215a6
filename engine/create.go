package engine

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/domain/strictjson"
	"github.com/genevadrive/genevadrive/persistence"
)

// CreateRequest asks for a workflow. Absent means nil or zero throughout.
type CreateRequest struct {
	Type              string
	DefinitionVersion int // 0: the newest
	SubjectType       string
	SubjectID         string
	Data              json.RawMessage
	AllowMultiple     *bool
	OnConflict        domain.OnConflict
	Wait              *time.Duration
	At                *time.Time
	Traceparent       string
	Key               *IdempotencyKey
}

// IdempotencyKey is the Idempotency-Key of a request, within its scope of API key and path.
type IdempotencyKey struct {
	Scope       string
	Key         string
	Fingerprint string // hash of what was asked
}

func (k *IdempotencyKey) stored(workflow uuid.UUID, status int) *persistence.IdempotencyKey {
	if k == nil {
		return nil
	}
	return &persistence.IdempotencyKey{Scope: k.Scope, Key: k.Key, Fingerprint: k.Fingerprint, WorkflowID: workflow, Status: status}
}

// Workflow is a workflow as it is shown: with its current execution, nil once terminal.
type Workflow struct {
	domain.Workflow
	Current *domain.Execution
}

func shown(w domain.Workflow, current *domain.Execution) Workflow {
	if w.State.Terminal() {
		current = nil
	}
	return Workflow{Workflow: w, Current: current}
}

// Written is what a write request comes to: the workflow, the HTTP status that a first request got, and whether
// this one is the replay of an earlier one with the same Idempotency-Key.
type Written struct {
	Workflow Workflow
	Status   int
	Replayed bool
}

// Create makes a workflow and schedules its first step (201), or gives the one that is there with
// return_existing (200). Errors: definition_not_found, workflow_exists, invalid_request (fields),
// data_too_large, idempotency_key_reused, idempotency_in_progress.
func (e *Engine) Create(ctx context.Context, r CreateRequest) (Written, error) {
	c, err := e.creation(ctx, r)
	if err != nil {
		return Written{}, err
	}
	c.start = e.newStart()
	for {
		result := e.store(ctx, c.op)
		if again, err := c.renew(ctx, result.Err); !again {
			result.Err = err
			return c.ended(ctx, result)
		}
	}
}

// store makes a workflow, together with others that come at the same time. One with a key may have to wait for
// the request that came with it first, which must not keep others waiting.
func (e *Engine) store(ctx context.Context, op persistence.CreateOp) persistence.CreateResult {
	if op.Key != nil {
		return e.Store.Create(context.WithoutCancel(ctx), op)
	}
	return e.creates.do(op)
}

// creation is a create on its way: what the store is to do, and what follows once that is done.
type creation struct {
	e        *Engine
	plan     *plan
	span     Span
	op       persistence.CreateOp
	params   domain.CreateParams
	made     domain.Change // the workflow as it was made last, before its first step was claimed
	canceled domain.Change // of what was in the way
	start    *start        // nil: the first step is claimed in a transaction of its own
}

// creation checks and prepares a create. Its ids are made here, before any transaction. Which version is the
// newest is known from last time; the transaction makes sure of it.
func (e *Engine) creation(ctx context.Context, r CreateRequest) (*creation, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	p, err := e.planFor(ctx, r.Type, r.DefinitionVersion)
	if err != nil {
		return nil, err
	}
	params := domain.CreateParams{ID: e.NewID(), ExecutionID: e.NewID(), SubjectType: r.SubjectType, SubjectID: r.SubjectID,
		Data: r.Data, AllowMultiple: r.AllowMultiple, Wait: r.Wait, At: r.At}
	c := &creation{e: e, plan: p, span: e.Tracer.Start(r.Traceparent, Operation{WorkflowID: params.ID, WorkflowType: p.Type,
		SubjectType: r.SubjectType, DefinitionVersion: p.Version})}
	params.Traceparent = c.span.Traceparent()
	c.params = params
	fence := e.NewFence()
	c.op = persistence.CreateOp{
		Type: p.Type, SubjectType: r.SubjectType, SubjectID: r.SubjectID,
		Conflict: r.OnConflict,
		Bytes:    len(r.Data),
		Key:      r.Key.stored(params.ID, 201),
		Build: func(now time.Time) (domain.Change, error) {
			change, err := domain.NewWorkflow(c.plan.Definition, c.params, now)
			if err != nil {
				return domain.Change{}, err
			}
			c.made = e.stamp(change, now)
			return c.start.claim(c.plan, c.made, now), nil
		},
		Cancel: func(now time.Time, row persistence.Row) (domain.Change, error) {
			change, err := domain.Control(nil, row.Workflow, row.Execution, domain.Command{Verb: domain.VerbCancel,
				Reason: domain.ReasonReplaced, Fence: fence}, now)
			c.canceled = change
			return change, err
		},
	}
	version := &persistence.Version{Type: p.Type, Version: p.Version}
	if r.DefinitionVersion == 0 {
		c.op.Newest = version
	} else {
		c.op.Version = version // retention may delete any but the newest
	}
	return c, nil
}

// renew takes the newest version anew where that is why the store refused; the create is worth trying again then.
func (c *creation) renew(ctx context.Context, refusal error) (again bool, err error) {
	if !errors.Is(refusal, persistence.ErrNotNewest) {
		return false, refusal
	}
	c.e.plans.forgetNewest(c.plan.Type, c.plan.Version)
	c.start.release() // the first step of the newer version may be another one
	if c.plan, err = c.e.planFor(ctx, c.plan.Type, 0); err != nil {
		return false, err
	}
	c.op.Newest = &persistence.Version{Type: c.plan.Type, Version: c.plan.Version}
	return true, nil
}

// ended tells of what the store has done, lets what is due start, and gives the answer.
func (c *creation) ended(ctx context.Context, result persistence.CreateResult) (Written, error) {
	out, err := c.answer(ctx, result)
	c.start.release()
	c.span.End(created(err))
	return out, err
}

func (c *creation) answer(ctx context.Context, result persistence.CreateResult) (Written, error) {
	e := c.e
	if result.Err != nil {
		c.start.lost(result.Err)
		return e.replay(ctx, result.Err)
	}
	if existing := result.Existing; existing != nil {
		return Written{Workflow: shown(existing.Workflow, existing.Execution), Status: 200}, nil
	}
	if old := result.Canceled; old != nil {
		e.Ready.Drop(old.Workflow.CurrentExecutionID)
		e.inFlight.abort(old.Workflow.CurrentExecutionID, old.Execution.Fence)
		e.moved(slog.LevelInfo, "verb", persistence.Result{Change: c.canceled, Now: result.Now}, slog.String("verb", "cancel"), slog.String("reason", domain.ReasonReplaced))
	}
	e.Observer.Changed(&c.made, result.Now)
	if c.start.hand(result.Result) {
		runtime.Gosched() // the delivery sets out on this thread, and what is left here waits for another
	} else {
		e.announce(c.plan, result.Result)
	}
	e.tell(slog.LevelInfo, "workflow created", &c.made)
	return Written{Workflow: shown(c.made.Workflow, c.made.Next), Status: 201}, nil
}

// check tells what is wrong with a request, and takes the white space out of data that would be too large with it.
func (r *CreateRequest) check() error {
	var problems []domain.Problem
	add := func(pointer string, err error) {
		if err != nil {
			problems = append(problems, domain.Problem{Pointer: pointer, Detail: err.Error()})
		}
	}
	add("#/subject/type", domain.CheckSubjectType(r.SubjectType))
	add("#/subject/id", domain.CheckSubjectID(r.SubjectID))
	if len(problems) > 0 {
		return &domain.Error{Code: domain.CodeInvalidRequest, Detail: "The workflow cannot be created as asked.", Problems: problems}
	}
	if len(r.Data) > domain.MaxDataBytes {
		r.Data = strictjson.Compact(r.Data) // its white space does not count, as in a patch and in attributes
	}
	if len(r.Data) > domain.MaxDataBytes {
		return domain.Errorf(domain.CodeDataTooLarge, "data has %d bytes; %d are allowed.", len(r.Data), domain.MaxDataBytes)
	}
	return nil
}

// planFor gives the plan of a version, 0 meaning the one that was the newest when it was last asked for.
func (e *Engine) planFor(ctx context.Context, typ string, version int) (*plan, error) {
	if version == 0 {
		return e.plans.newest(ctx, typ)
	}
	return e.plans.get(ctx, typ, version)
}

// replay turns the error of a repeated request into the answer of the first one, with the workflow as it is
// now; any other error comes back as it is.
func (e *Engine) replay(ctx context.Context, err error) (Written, error) {
	var replay *persistence.Replay
	if !errors.As(err, &replay) {
		return Written{}, err
	}
	w, err := e.Workflow(ctx, replay.WorkflowID)
	return Written{Workflow: w, Status: replay.Status, Replayed: true}, err
}
