package engine

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

// gate is a committer of numbers whose commits end when the test says so.
type gate struct {
	*committer[int, int]
	sizes   map[int]int // bytes by op, 0 for most
	mu      sync.Mutex
	commits [][]int
	open    []chan struct{}
}

func newGate() *gate {
	g := &gate{}
	g.sizes = map[int]int{}
	g.committer = newCommitter(func(_ context.Context, ops []int, done func(int, int)) {
		passed := make(chan struct{})
		g.mu.Lock()
		g.commits, g.open = append(g.commits, ops), append(g.open, passed)
		g.mu.Unlock()
		<-passed
		for i, op := range ops {
			done(i, 10*op)
		}
	}, func(op int) int { return g.sizes[op] }, func(int) {}, decisionCrowd)
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

func TestWhatDecisionsWriteTogetherIsBounded(t *testing.T) {
	const half = persistence.MaxTransactionBytes / 2
	for name, tt := range map[string]struct {
		sizes   []int // of the ops from 2 on, which wait for 1
		commits [][]int
	}{
		"they just fit":              {[]int{half, half, 0}, [][]int{{2, 3, 4}}},
		"a byte too many":            {[]int{half, half, 1, 0}, [][]int{{2, 3}, {4, 5}}},
		"one that never fits":        {[]int{1, 3 * half, 1, 1}, [][]int{{2}, {3}, {4, 5}}},
		"first one that never fits":  {[]int{3 * half, 1}, [][]int{{2}, {3}}},
		"each has the room of a few": {[]int{half - 1, half - 1, half - 1, half - 1, half - 1}, [][]int{{2, 3}, {4, 5}, {6}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				g.crowd = maxBatch // alone it would set nothing out beside another commit
				for i, size := range tt.sizes {
					g.sizes[2+i] = size
				}
				g.give(t, 1)
				for i := range tt.sizes {
					g.give(t, 2+i)
				}
				// What is too much for one commit is a crowd: the first of it has set out beside 1 already.
				all := append([][]int{{1}}, tt.commits...)
				g.want(t, all[:min(2, len(tt.commits))]...)
				for i := 0; i < len(g.open); i++ {
					g.pass(i)
					synctest.Wait()
				}
				g.want(t, all...)
			})
		})
	}
}

// TestDecisionsTellWhatTheyWrite has the engine create a workflow, and settle its step by an answer and by a failure.
func TestDecisionsTellWhatTheyWrite(t *testing.T) {
	data := []byte(`{"kept":"` + strings.Repeat("k", 1000) + `"}`)
	patch := []byte(`{"more":"` + strings.Repeat("m", 300) + `"}`)
	long := strings.Repeat("x", 500)
	for name, tt := range map[string]struct {
		result domain.Result
		least  int
	}{
		"nothing to keep":     {domain.Result{Answer: &domain.Answer{Action: domain.ActionComplete}, Status: 200}, 0},
		"a patch":             {domain.Result{Answer: &domain.Answer{Action: domain.ActionComplete, Data: patch}, Status: 200}, len(data) + len(patch)},
		"an answer's texts":   {domain.Result{Answer: &domain.Answer{Action: domain.ActionFail, Reason: long, Message: long, Backtrace: long}, Status: 200}, 3 * len(long)},
		"a failure's excerpt": {domain.Result{Failure: &domain.Failure{ExecutionError: domain.ExecutionError{Code: domain.ErrHTTPStatus, Message: long, Backtrace: long}}, Excerpt: long}, 3 * len(long)},
	} {
		t.Run(name, func(t *testing.T) {
			e := awayEngine(t, new(atomic.Bool), make(heard, 1000))
			told := -1
			e.creates.size = func(op persistence.CreateOp) int { told = op.Bytes; return op.Bytes }
			x := oneStep(t, e, data)
			if told < len(data) {
				t.Errorf("the create of %d bytes of data tells %d", len(data), told)
			}
			c := e.claim(t.Context(), queue.Item{ExecutionID: x.ID, WorkflowID: x.WorkflowID, Queue: x.Queue}, nil)
			if c == nil {
				t.Fatal("not claimed")
			}
			e.commits.size = func(op persistence.Op) int { told = op.Bytes; return op.Bytes }
			e.settle(t.Context(), c, tt.result, func(*domain.Execution) bool { return false })
			if told < tt.least || told > tt.least+100 {
				t.Errorf("the settle tells %d bytes, and keeps %d", told, tt.least)
			}
		})
	}
}
