package persistence

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// keyed gives a create for a subject of its own a key.
func keyed(def *domain.Definition, key, fingerprint string) CreateOp {
	op := createOp(def, newID().String())
	change, _ := op.Build(time.Now())
	op.Key = &IdempotencyKey{Scope: "alice POST /v1/workflows", Key: key, Fingerprint: fingerprint, WorkflowID: change.Workflow.ID, Status: 201}
	return op
}

func TestOneOfManyRequestsWithAKeyIsServed(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		made, replayed := uuid.Nil, map[uuid.UUID]int{}
		for range 32 {
			op := keyed(def, "k", "f")
			wg.Go(func() {
				r := s.Create(context.Background(), op)
				mu.Lock()
				defer mu.Unlock()
				var replay *Replay
				switch {
				case r.Err == nil && made == uuid.Nil:
					made = r.Change.Workflow.ID
				case errors.As(r.Err, &replay) && replay.Status == 201:
					replayed[replay.WorkflowID]++
				default:
					t.Errorf("create: %v", r.Err)
				}
			})
		}
		wg.Wait()
		if len(replayed) != 1 || replayed[made] != 31 {
			t.Errorf("made %s, others were told of %v", made, replayed)
		}
		if list, _, err := s.Workflows(context.Background(), WorkflowFilter{}, Page{Limit: 99}); err != nil || len(list) != 1 {
			t.Errorf("%d workflows, %v", len(list), err)
		}
	})
}

func TestKeysAreComparedExactly(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for _, key := range []string{"k", "K", "k ", "'k'", `\k`, "?", "$1", "k?"} {
			if r := s.Create(ctx, keyed(def, key, "f")); r.Err != nil && key != "k " { // edge whitespace never comes here
				t.Errorf("%q: %v", key, r.Err)
			}
			if r := s.Create(ctx, keyed(def, key, "other")); domain.CodeOf(r.Err) != domain.CodeIdempotencyMismatch {
				t.Errorf("%q with another request: %v", key, r.Err)
			}
		}
		elsewhere := keyed(def, "k", "f")
		elsewhere.Key.Scope = "bob POST /v1/workflows"
		if r := s.Create(ctx, elsewhere); r.Err != nil {
			t.Errorf("the same key in another scope: %v", r.Err)
		}
	})
}

// TestAKeyOfARefusedRequestIsFree has a request fail after its key was inserted: only what was done is
// remembered.
func TestAKeyOfARefusedRequestIsFree(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		refusal := errors.New("refused")
		op := keyed(def, "k", "f")
		build := op.Build
		op.Build = func(time.Time) (domain.Change, error) { return domain.Change{}, refusal }
		if r := s.Create(ctx, op); !errors.Is(r.Err, refusal) {
			t.Fatal(r.Err)
		}
		op.Build = build
		if r := s.Create(ctx, op); r.Err != nil {
			t.Fatal(r.Err)
		}
		w := op.Key.WorkflowID
		verb := claimOp(domain.Workflow{ID: w}, "f1")
		verb.ExecutionID = uuid.Nil
		verb.Key = &IdempotencyKey{Scope: "alice POST claim", Key: "k", Fingerprint: "f", WorkflowID: w, Status: 200}
		if r := s.Apply(ctx, verb); r.Err != nil {
			t.Fatal(r.Err)
		}
		var replay *Replay
		if r := s.Apply(ctx, verb); !errors.As(r.Err, &replay) || *replay != (Replay{WorkflowID: w, Status: 200}) {
			t.Errorf("the verb again: %v", r.Err)
		}
		// One that changes nothing has been served too.
		verb.Decide = func(_ time.Time, row Row) (domain.Change, error) {
			return domain.Change{Workflow: row.Workflow, Execution: row.Execution, Unchanged: true}, nil
		}
		verb.Key.Key = "unchanged"
		if r := s.Apply(ctx, verb); r.Err != nil {
			t.Fatal(r.Err)
		}
		if r := s.Apply(ctx, verb); !errors.As(r.Err, &replay) {
			t.Errorf("a verb without effect, again: %v", r.Err)
		}
	})
}

// TestAKeyWhoseFirstRequestIsStillServed has the first request hold its key for as long as the second waits.
func TestAKeyWhoseFirstRequestIsStillServed(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		if s.Dialect() == "sqlite" {
			return // the second waits for the writer, not for the key
		}
		op := keyed(def, "k", "f")
		inserted, finish := make(chan struct{}), make(chan struct{})
		build := op.Build
		op.Build = func(now time.Time) (domain.Change, error) {
			close(inserted)
			<-finish
			return build(now)
		}
		first := make(chan error, 1)
		go func() { first <- s.Create(ctx, op).Err }()
		<-inserted
		if r := s.Create(ctx, keyed(def, "k", "f")); domain.CodeOf(r.Err) != domain.CodeIdempotencyInProgress {
			t.Errorf("meanwhile: %v", r.Err)
		}
		close(finish)
		if err := <-first; err != nil {
			t.Errorf("the first: %v", err)
		}
		var replay *Replay
		if r := s.Create(ctx, keyed(def, "k", "f")); !errors.As(r.Err, &replay) || replay.WorkflowID != op.Key.WorkflowID {
			t.Errorf("afterwards: %v", r.Err)
		}
	})
}
