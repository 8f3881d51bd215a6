package persistence

import (
	"context"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/netfault"
)

// claimed makes a workflow and claims it by what its create has left.
func claimed(t *testing.T, s *Store, def *domain.Definition) Result {
	t.Helper()
	made := s.Create(context.Background(), createOp(def, newID().String()))
	if made.Err != nil {
		t.Fatal(made.Err)
	}
	claim := claimOp(made.Change.Workflow, "f1")
	claim.Known = made.Known()
	r := applyAll(s, []Op{claim})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r
}

// settleKnown settles a claim by what it has left. calls counts how often it is decided.
func settleKnown(def *domain.Definition, claim Result, calls *int) Op {
	op := settleOp(def, claim.Change.Workflow, "f1", calls)
	op.Known = claim.Known()
	return op
}

func TestWhatIsKnownIsDecidedWithoutReadingAndSavedAsItIs(t *testing.T) {
	def := chain("one", "two")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		unread := map[int]bool{} // the settles that were asked with the very rows that are known
		var ops []Op
		for i := range 3 {
			op := settleKnown(def, claimed(t, s, def), new(int))
			decide := op.Decide
			op.Decide = func(now time.Time, row Row) (domain.Change, error) {
				unread[i] = unread[i] || row.Execution == op.Known.row.Execution
				return decide(now, row)
			}
			ops = append(ops, op)
		}
		for _, r := range applyAll(s, ops) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			row, err := s.Workflow(ctx, r.Change.Workflow.ID)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "workflow", row.Workflow, r.Change.Workflow)
			same(t, "next execution", *row.Execution, *r.Change.Next)
			if row.Workflow.LockVersion != 3 {
				t.Errorf("after a create, a claim and a settle the version is %d", row.Workflow.LockVersion)
			}
			if now, err := s.Now(ctx); err != nil || r.Now.After(now) || now.Sub(r.Now) > time.Minute {
				t.Errorf("decided at %v, the clock is %v, %v", r.Now, now, err)
			}
		}
		if len(unread) != 3 || !unread[0] || !unread[1] || !unread[2] {
			t.Errorf("decided without reading: %v of 3", unread)
		}
	})
}

// TestWhatIsNoLongerKnownIsRead changes workflows behind what is known of them, beside one that nobody has changed.
func TestWhatIsNoLongerKnownIsRead(t *testing.T) {
	def := chain("one", "two")
	control := func(t *testing.T, s *Store, claim Result, verb domain.Verb) {
		t.Helper()
		r := s.Apply(context.Background(), Op{WorkflowID: claim.Change.Workflow.ID, Decide: func(now time.Time, row Row) (domain.Change, error) {
			return domain.Control(def, row.Workflow, row.Execution, domain.Command{Verb: verb, NextID: newID(), Fence: "x"}, now)
		}})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	eachStore(t, func(t *testing.T, s *Store) {
		calls := 0
		paused, skipped, untouched := claimed(t, s, def), claimed(t, s, def), claimed(t, s, def)
		control(t, s, paused, domain.VerbPause)
		control(t, s, skipped, domain.VerbSkip)
		r := applyAll(s, []Op{settleKnown(def, paused, &calls), settleKnown(def, skipped, &calls), settleKnown(def, untouched, &calls)})
		if r[0].Err != nil || r[0].Change.Workflow.State != domain.WorkflowPaused || !r[0].Change.Next.Held {
			t.Errorf("paused meanwhile: %+v", r[0])
		}
		if r[1].Err == nil {
			t.Errorf("skipped meanwhile: %+v", r[1])
		}
		if r[2].Err != nil || r[2].Change.Next == nil {
			t.Errorf("as it was known: %+v", r[2])
		}
		if got := history(t, s, skipped.Change.Workflow.ID); len(got) != 2 || got[0].State != domain.ExecutionSkipped {
			t.Errorf("skipped meanwhile, the history is %+v", got)
		}
	})
}

// TestAWrongIdeaOfTheClockIsNotUsed has this process's idea of the database's clock be off.
func TestAWrongIdeaOfTheClockIsNotUsed(t *testing.T) {
	def := chain("one", "two")
	eachStore(t, func(t *testing.T, s *Store) {
		for _, off := range []time.Duration{time.Hour, time.Minute, -2 * time.Second, -time.Hour} {
			calls := 0
			op := settleKnown(def, claimed(t, s, def), &calls)
			op.Known.now = op.Known.now.Add(off)
			before := clock(t, s)
			settled := applyAll(s, []Op{op})[0]
			if after := clock(t, s); settled.Err != nil || settled.Now.Before(before) || settled.Now.After(after) {
				t.Errorf("off by %v, it was decided at %v, between %v and %v: %v", off, settled.Now, before, after, settled.Err)
			}
		}
	})
}

// TestATimeToComeCountsFromTheClockAsItIsRead has the next step wait, where the clock is thought to be behind.
func TestATimeToComeCountsFromTheClockAsItIsRead(t *testing.T) {
	def := chain("one", "two")
	def.Steps[1].Wait = time.Hour
	eachStore(t, func(t *testing.T, s *Store) {
		calls := 0
		op := settleKnown(def, claimed(t, s, def), &calls)
		op.Known.now = op.Known.now.Add(-500 * time.Millisecond)
		before := clock(t, s)
		if settled := applyAll(s, []Op{op})[0]; settled.Err != nil || settled.Change.Next.ScheduledFor.Before(before.Add(time.Hour)) {
			t.Errorf("an hour after %v is %+v", before, settled)
		}
	})
}

func TestALostCommitOfWhatIsKnownIsOneOutcome(t *testing.T) {
	def := chain("one", "two")
	for name, fault := range faultsOfCommit {
		t.Run(name, func(t *testing.T) {
			eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
				claim, calls := claimed(t, s, def), 0
				p.Strike(fault)
				settled := applyAll(s, []Op{settleKnown(def, claim, &calls)})[0]
				if settled.Err != nil || settled.Change.Next == nil {
					t.Fatalf("settle: %+v", settled)
				}
				if got := history(t, s, claim.Change.Workflow.ID); len(got) != 2 || got[0].Outcome != domain.OutcomeCompleted || got[1].ID != settled.Change.Next.ID {
					t.Errorf("the history is %+v", got)
				}
				if p.Struck() != 1 {
					t.Errorf("%d commits met the fault", p.Struck())
				}
			})
		})
	}
}

func history(t *testing.T, s *Store, workflow [16]byte) []domain.Execution {
	t.Helper()
	all, _, err := s.History(context.Background(), workflow, Page{Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func clock(t *testing.T, s *Store) time.Time {
	t.Helper()
	now, err := s.Now(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return now
}
