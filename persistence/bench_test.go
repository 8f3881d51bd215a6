package persistence

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// BenchmarkStep is what the database has to do for a step of an undelayed chain: one settle that also claims
// the next step, for one workflow at a time and for many in common transactions.
func BenchmarkStep(b *testing.B) {
	for _, database := range []struct {
		name string
		url  func(testenv.TB) string
	}{{"sqlite", testenv.SQLite}, {"postgres", testenv.Postgres}, {"mysql", testenv.MySQL}} {
		for _, batch := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/%d", database.name, batch), func(b *testing.B) { benchmarkStep(b, database.url(b), batch) })
		}
	}
}

func benchmarkStep(b *testing.B, url string, batch int) {
	ctx := context.Background()
	s, err := Open(ctx, Config{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(ctx); err != nil {
		b.Fatal(err)
	}
	def := chain("one")
	current := make([]domain.Change, batch)
	start := func(i int) {
		created := s.Create(ctx, createOp(def, newID().String()))
		claimed := s.Apply(ctx, claimOp(created.Change.Workflow, "f"))
		if claimed.Err != nil {
			b.Fatal(created.Err, claimed.Err)
		}
		current[i] = claimed.Change
	}
	for i := range current {
		start(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if current[0].Execution.Seq > domain.MaxExecutions/2 {
			b.StopTimer()
			for i := range current {
				start(i)
			}
			b.StartTimer()
		}
		ops := make([]Op, batch)
		for i, c := range current {
			ops[i] = againOp(def, c)
		}
		var all sync.WaitGroup
		all.Add(batch)
		s.ApplyBatch(ctx, ops, func(i int, r Result) {
			defer all.Done()
			if r.Err != nil {
				b.Error(r.Err)
				return
			}
			current[i] = domain.Change{Workflow: r.Change.Workflow, Execution: r.Change.Next}
		})
		all.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batch), "µs/step")
}

// againOp settles the claimed execution with a reattempt that is due at once, and claims that.
func againOp(def *domain.Definition, c domain.Change) Op {
	next := newID()
	return Op{WorkflowID: c.Workflow.ID, ExecutionID: c.Execution.ID, Decide: func(now time.Time, row Row) (domain.Change, error) {
		wait := time.Duration(0)
		answer := &domain.Answer{Action: domain.ActionReattempt, Wait: &wait}
		change, err := domain.Settle(def, row.Workflow, *row.Execution, domain.Result{Answer: answer, Status: 200},
			domain.SettleParams{Fence: c.Execution.Fence, NextID: next}, now)
		if err != nil {
			return change, err
		}
		change, _ = change.ThenClaim(domain.ClaimParams{Fence: "f", Server: uuid.Max, Budget: time.Minute}, now)
		return change, nil
	}}
}
