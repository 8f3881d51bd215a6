package persistence

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

// TestBatchesOfNeighboursDoNotWait settles workflows that were made one after the other in two transactions, which
// stand between each other's in every index: one goes on to the next steps while the other is open, and has ended the
// steps of its own.
func TestBatchesOfNeighboursDoNotWait(t *testing.T) {
	def := chain("one", "two")
	eachStore(t, func(t *testing.T, s *Store) {
		if s.dialect.oneFile {
			return
		}
		ctx := context.Background()
		var saves [2]saving
		for i := range 8 {
			claim := claimed(t, s, def)
			now := claim.Now.Add(time.Second)
			change, err := settleOp(def, claim.Change.Workflow, "f1", new(int)).Decide(now, claim.Known().row)
			if err != nil || change.Next == nil {
				t.Fatalf("%+v, %v", change, err)
			}
			saves[i%2].add(claim.Known().row, &change)
		}
		const updates = 2
		first, second := saves[0].statements(&s.dialect), saves[1].statements(&s.dialect)
		err := s.transact(ctx, func(one transaction) error {
			return s.transact(ctx, func(other transaction) error {
				if err := one.exec(ctx, first[:updates]...); err != nil {
					return err
				}
				if err := other.exec(ctx, second[:updates]...); err != nil {
					return err
				}
				if err := one.commit(ctx, first[updates:]...); err != nil {
					return err
				}
				return other.commit(ctx, second[updates:]...)
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		states := []string{}
		err = s.db.NewSelect().TableExpr(executionsTable).ColumnExpr("state").Scan(ctx, &states)
		slices.Sort(states)
		done, next := string(domain.ExecutionCompleted), string(domain.ExecutionScheduled)
		if want := slices.Concat(slices.Repeat([]string{done}, 8), slices.Repeat([]string{next}, 8)); err != nil || !slices.Equal(states, want) {
			t.Errorf("the executions are %v, %v", states, err)
		}
	})
}

// TestTwoOpenExecutionsAreRefused has the database refuse a second open execution of a workflow, and only that.
func TestTwoOpenExecutionsAreRefused(t *testing.T) {
	def := chain("one", "two")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		claim := claimed(t, s, def)
		second := *claim.Change.Execution
		second.ID, second.Seq = newID(), second.Seq+1
		insert := func() error {
			return s.transact(ctx, func(t transaction) error {
				return t.commit(ctx, statement{query: s.dialect.text.insertOne[insertExecution], args: executionInsert(&second), rows: 1})
			})
		}
		if err := insert(); faultOf(err) != faultUnique {
			t.Errorf("a second open execution: %v", err)
		}
		second.State = domain.ExecutionCanceled
		if err := insert(); err != nil {
			t.Errorf("one that has ended: %v", err)
		}
	})
}
