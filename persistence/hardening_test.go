package persistence

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/netfault"
)

// TestABatchWithNothingInCommon has members that all have to go alone.
func TestABatchWithNothingInCommon(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		var ops []Op
		for range 3 {
			w := create(t, s, def).Workflow
			op := claimOp(w, "f1")
			op.ExecutionID = uuid.Nil
			ops = append(ops, op)
		}
		for i, r := range applyAll(s, ops) {
			if r.Err != nil || r.Change.Execution.State != domain.ExecutionExecuting {
				t.Errorf("member %d: %v", i, r.Err)
			}
		}
	})
}

// TestValuesTheDatabaseRefuses has answers that no check in front of the store let through; each must be told
// apart from a defect, alone and with neighbours.
func TestValuesTheDatabaseRefuses(t *testing.T) {
	def := chain("one", "two")
	refused := map[string]func(*domain.Change){
		"a state against the check": func(c *domain.Change) { c.Execution.State = "unheard of" },
		"a value that is too long":  func(c *domain.Change) { c.Workflow.CurrentStepName = strings.Repeat("x", 300) },
		"bytes that are not UTF-8":  func(c *domain.Change) { c.Execution.Reason = "\xff\xfe" },
		"a NUL":                     func(c *domain.Change) { c.Execution.Reason = "a\x00b" },
	}
	roomy := map[string]bool{"postgres": true, "sqlite": true} // their columns have no length
	eachStore(t, func(t *testing.T, s *Store) {
		for name, spoil := range refused {
			for _, batch := range []int{1, 3} {
				var ops []Op
				for range batch {
					w := create(t, s, def).Workflow
					if r := s.Apply(context.Background(), claimOp(w, "f1")); r.Err != nil {
						t.Fatal(r.Err)
					}
					ops = append(ops, settleOp(def, w, "f1", new(int)))
				}
				good := ops[0].Decide
				ops[0].Decide = func(now time.Time, row Row) (domain.Change, error) {
					c, err := good(now, row)
					if err == nil {
						spoil(&c)
					}
					return c, err
				}
				for i, r := range applyAll(s, ops) {
					switch {
					case i > 0 && r.Err != nil:
						t.Errorf("%s: its neighbour: %v", name, r.Err)
					case i == 0 && !errors.Is(r.Err, ErrUnsavable) && !(r.Err == nil && name == "a value that is too long" && roomy[s.Dialect()]):
						t.Errorf("%s: %v", name, r.Err)
					}
				}
			}
		}
	})
}

// TestALostCommitOutlivesTheOutage cuts the database off together with the reply to a COMMIT, for longer than
// a few quick repetitions last: what was committed must still be told to whoever asked for it.
func TestALostCommitOutlivesTheOutage(t *testing.T) {
	def := chain("one", "two")
	eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
		w := create(t, s, def).Workflow
		p.Strike(netfault.LoseReply)
		calls := 0
		op := claimOp(w, "f1")
		claim := op.Decide
		op.Decide = func(now time.Time, row Row) (domain.Change, error) {
			calls++
			p.Refuse(true)
			time.AfterFunc(2*time.Second, func() { p.Refuse(false) })
			return claim(now, row)
		}
		r := s.Apply(context.Background(), op)
		if r.Err != nil || r.Change.Execution.Fence != "f1" || calls != 1 {
			t.Errorf("the claim was decided %d times: %+v", calls, r)
		}
	})
}

// TestALostCommitOfACreateOutlivesTheOutage is the same for a create, which gives the workflow as it was saved.
func TestALostCommitOfACreateOutlivesTheOutage(t *testing.T) {
	def := chain("one")
	eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
		op := createOp(def, "1")
		build := op.Build
		op.Build = func(now time.Time) (domain.Change, error) {
			p.Refuse(true)
			time.AfterFunc(2*time.Second, func() { p.Refuse(false) })
			return build(now)
		}
		p.Strike(netfault.LoseReply)
		r := s.Create(context.Background(), op)
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		row, err := s.Workflow(context.Background(), r.Change.Workflow.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "workflow", row.Workflow, r.Change.Workflow)
		same(t, "execution", *row.Execution, *r.Change.Next)
	})
}
