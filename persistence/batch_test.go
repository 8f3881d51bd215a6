package persistence

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// TestABatchSavesEachMemberAsItWasDecided has one of each kind in turn, and more of each than go into a statement.
func TestABatchSavesEachMemberAsItWasDecided(t *testing.T) {
	kinds := []func(i int) decision{
		0: func(i int) decision { // begun
			return func(now time.Time, row Row) (domain.Change, error) {
				claim := domain.ClaimParams{Fence: domain.Fence(fmt.Sprint("f", i)), Server: uuid.Max, Budget: time.Minute}
				return domain.Claim(row.Workflow, *row.Execution, claim, now)
			}
		},
		1: func(i int) decision { // goes on, some with other data
			answer := &domain.Answer{Action: domain.ActionComplete}
			if i%2 == 0 {
				answer.Data = json.RawMessage(fmt.Sprintf(`{"i": %d}`, i))
			}
			return settled("f1", domain.Result{Answer: answer, Status: 200, DurationMS: int64(i)})
		},
		2: func(i int) decision { // is over
			return settled("f1", domain.Result{Answer: &domain.Answer{Action: domain.ActionFinish, Reason: []string{"it's over", `über \ 你好`}[i/4%2]}, Status: 200})
		},
		3: func(i int) decision { // is tried again
			failure := domain.Failure{Retryable: true, ExecutionError: domain.ExecutionError{Code: domain.ErrHTTPStatus, Status: 500, Message: fmt.Sprint("message ", i)}}
			return settled("f1", domain.Result{Failure: &failure, Status: 500})
		},
	}
	eachStore(t, func(t *testing.T, s *Store) {
		ops := make([]Op, len(kinds)*(rowsTogether+6))
		for i, made := range readyToGo(t, s, len(ops)) {
			kind := i % len(kinds)
			if kind > 0 {
				claim := claimOp(made.Change.Workflow, "f1")
				claim.Known = made.Known()
				if made.Result = applyAll(s, []Op{claim})[0]; made.Err != nil {
					t.Fatal(made.Err)
				}
			}
			w := made.Change.Workflow
			ops[i] = Op{WorkflowID: w.ID, ExecutionID: w.CurrentExecutionID, Known: made.Known(), Decide: kinds[kind](i)}
		}
		b := newBatch(s, ops)
		if err := b.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, r := range b.results {
			if b.how[i] != saved {
				t.Fatalf("member %d: %v, %v", i, b.how[i], r.Err)
			}
			row, err := s.Workflow(t.Context(), ops[i].WorkflowID)
			if err != nil {
				t.Fatal(err)
			}
			same(t, fmt.Sprint("workflow ", i), row.Workflow, r.Change.Workflow)
			for k, x := range history(t, s, row.Workflow.ID) {
				same(t, fmt.Sprintf("execution %d of workflow %d", k, i), x, *[]*domain.Execution{r.Change.Execution, r.Change.Next}[k])
			}
		}
	})
}

// readyToGo makes n workflows whose first step is due.
func readyToGo(t *testing.T, s *Store, n int) []CreateResult {
	t.Helper()
	ops := make([]CreateOp, n)
	for i := range ops {
		ops[i] = createOp(unsureDef(), newID().String())
	}
	made := s.CreateBatch(t.Context(), ops)
	for _, r := range made {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return made
}
