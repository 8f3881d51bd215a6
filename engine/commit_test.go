package engine

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a committer of numbers whose commits end when the test says so.
type gate struct {
	*committer[int, int]
	mu      sync.Mutex
	commits [][]int
	open    []chan struct{}
}

func newGate() *gate {
	g := &gate{}
	g.committer = newCommitter(func(_ context.Context, ops []int, done func(int, int)) {
		passed := make(chan struct{})
		g.mu.Lock()
		g.commits, g.open = append(g.commits, ops), append(g.open, passed)
		g.mu.Unlock()
		<-passed
		for i, op := range ops {
			done(i, 10*op)
		}
	}, func(int) {}, decisionCrowd)
	return g
}

// give brings an op and returns once that is done as far as it can be.
func (g *gate) give(t *testing.T, op int) {
	go func() {
		if got := g.do(op); got != 10*op {
			t.Errorf("%d gives %d", op, got)
		}
	}()
	synctest.Wait()
}

func (g *gate) want(t *testing.T, commits ...[]int) {
	t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.EqualFunc(g.commits, commits, slices.Equal) {
		t.Errorf("commits of %v, want %v", g.commits, commits)
	}
}

func (g *gate) pass(i int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open[i])
}

func TestDecisionsShareACommitOnlyWhenTheyQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		g.give(t, 1)
		g.give(t, 2)
		g.give(t, 3)
		g.want(t, []int{1})
		g.pass(0)
		g.want(t, []int{1}, []int{2, 3})
		g.give(t, 4)
		g.pass(1)
		g.want(t, []int{1}, []int{2, 3}, []int{4})
		g.pass(2)
		g.give(t, 5)
		g.want(t, []int{1}, []int{2, 3}, []int{4}, []int{5})
		g.pass(3)
	})
}

func TestACrowdSetsOutBesideTheCommitOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		count := func(first, n int) (ops []int) {
			for op := first; op < first+n; op++ {
				ops = append(ops, op)
			}
			return ops
		}
		bring := func(first, n int) {
			for _, op := range count(first, n) {
				g.give(t, op)
			}
		}
		crowd := g.crowd
		bring(0, crowd)
		g.want(t, []int{0})
		bring(crowd, 1)
		g.want(t, []int{0}, count(1, crowd))
		bring(crowd+1, 2*crowd) // no third
		g.want(t, []int{0}, count(1, crowd))
		g.pass(1)
		g.want(t, []int{0}, count(1, crowd), count(crowd+1, 2*crowd))
		bring(3*crowd+1, crowd-1)
		g.pass(2) // fewer than a crowd wait for the last commit on its way
		g.want(t, []int{0}, count(1, crowd), count(crowd+1, 2*crowd))
		g.pass(0)
		g.want(t, []int{0}, count(1, crowd), count(crowd+1, 2*crowd), count(3*crowd+1, crowd-1))
		g.pass(3)
	})
}

func TestACommitThatIsHeldUpKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		g.give(t, 1)
		g.give(t, 2)
		<-time.After(heldUp - time.Nanosecond)
		g.want(t, []int{1})
		<-time.After(time.Nanosecond)
		g.want(t, []int{1}, []int{2})
		g.give(t, 3)
		g.pass(1)
		g.want(t, []int{1}, []int{2}, []int{3})
		g.pass(2)
		g.give(t, 4)
		g.want(t, []int{1}, []int{2}, []int{3}, []int{4})
		g.pass(0)
		g.pass(3)
	})
}
