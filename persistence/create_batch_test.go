package persistence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/netfault"
)

// batchOf makes a create for each subject.
func batchOf(def *domain.Definition, subjects ...string) []CreateOp {
	ops := make([]CreateOp, len(subjects))
	for i, subject := range subjects {
		ops[i] = createOp(def, subject)
	}
	return ops
}

// keyedAs gives the ops of a batch their keys.
func keyedAs(ops []CreateOp, key, fingerprint string) []CreateOp {
	for i := range ops {
		change, _ := ops[i].Build(time.Now())
		ops[i].Key = &IdempotencyKey{Scope: "alice /v1/workflows/batch", Key: fmt.Sprintf("%s#%d", key, i),
			Fingerprint: fingerprint, WorkflowID: change.Workflow.ID, Status: 201}
	}
	return ops
}

func total(t *testing.T, s *Store, states ...domain.WorkflowState) int {
	t.Helper()
	list, _, err := s.Workflows(context.Background(), WorkflowFilter{States: states}, Page{Limit: 2000})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// each says of every result what it is: made, replayed, existing, or the code of its error.
func each(results []CreateResult) string {
	words := make([]string, len(results))
	for i, r := range results {
		var replay *Replay
		switch {
		case errors.As(r.Err, &replay):
			words[i] = fmt.Sprintf("replay %d", replay.Status)
		case r.Err != nil:
			words[i] = string(domain.CodeOf(r.Err))
		case r.Existing != nil:
			words[i] = "existing"
		case r.Canceled != nil:
			words[i] = "made instead"
		default:
			words[i] = "made"
		}
	}
	return strings.Join(words, ", ")
}

func TestEachMemberOfABatchHasItsOwnResult(t *testing.T) {
	def, many := chain("one"), chain("one")
	many.AllowMultiple = true
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		open := s.Create(ctx, createOp(def, "open")).Change.Workflow.ID
		ops := slices.Concat(
			batchOf(def, "a", "open", "open", "b", "a", "a", "c", "open"),
			batchOf(many, "m", "m", "open"),
			batchOf(def, "d", "e", "f"),
		)
		ops[2].Conflict = domain.ConflictReturnExisting
		ops[4].Conflict = domain.ConflictReturnExisting
		ops[5].Conflict = domain.ConflictCancelExisting
		ops[7].Conflict = domain.ConflictCancelExisting
		ops[11].Build = func(time.Time) (domain.Change, error) { return domain.Change{}, errors.New("no") }
		ops[12].Version = &Version{Type: "Chain", Version: 9}
		results := s.CreateBatch(ctx, ops)
		want := "made, workflow_exists, existing, made, existing, made instead, made, made instead, made, made, made, internal, definition_not_found, made"
		if got := each(results); got != want {
			t.Errorf("the results are %s\nwant            %s", got, want)
		}
		var exists *domain.Error
		if !errors.As(results[1].Err, &exists) || exists.WorkflowID != open.String() {
			t.Errorf("in the way is %v, want %s", results[1].Err, open)
		}
		if r := results[2].Existing; r == nil || r.Workflow.ID != open || r.Execution == nil {
			t.Errorf("the existing one is %+v", r)
		}
		if r := results[4].Existing; r == nil || r.Workflow.ID != results[0].Change.Workflow.ID {
			t.Errorf("the one made before is %+v", r)
		}
		if n, canceled := total(t, s), total(t, s, domain.WorkflowCanceled); n != 10 || canceled != 2 {
			t.Errorf("%d workflows, %d canceled", n, canceled)
		}
	})
}

// TestBatchesOfTheSameSubjectsAtOnce has them come in opposite orders, across the bounds of transactions.
func TestBatchesOfTheSameSubjectsAtOnce(t *testing.T) {
	def := chain("one")
	var subjects []string
	for i := range maxCreates + 20 {
		subjects = append(subjects, fmt.Sprint(i))
	}
	eachStore(t, func(t *testing.T, s *Store) {
		made := make([]map[string]uuid.UUID, 4)
		var wg sync.WaitGroup
		for n := range made {
			mine := slices.Clone(subjects)
			if n%2 == 1 {
				slices.Reverse(mine)
			}
			ops := batchOf(def, mine...)
			made[n] = map[string]uuid.UUID{}
			wg.Go(func() {
				for i, r := range s.CreateBatch(context.Background(), ops) {
					switch {
					case r.Err == nil:
						made[n][mine[i]] = r.Change.Workflow.ID
					case domain.CodeOf(r.Err) != domain.CodeWorkflowExists:
						t.Errorf("subject %s: %v", mine[i], r.Err)
					}
				}
			})
		}
		wg.Wait()
		for _, subject := range subjects {
			n := 0
			for _, m := range made {
				if _, ok := m[subject]; ok {
					n++
				}
			}
			if n != 1 {
				t.Errorf("subject %s was made %d times", subject, n)
			}
		}
		if n := total(t, s); n != len(subjects) {
			t.Errorf("%d workflows", n)
		}
	})
}

func TestABatchWithKeysIsServedOnce(t *testing.T) {
	def, many := chain("one"), chain("one")
	many.AllowMultiple = true
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		open := s.Create(ctx, createOp(def, "open")).Change.Workflow
		ops := func() []CreateOp {
			all := keyedAs(slices.Concat(batchOf(def, "a", "open", "open"), batchOf(many, "m")), "k", "f")
			all[2].Conflict = domain.ConflictReturnExisting
			return all
		}
		var wg sync.WaitGroup
		outcomes := make([]string, 6)
		for i := range outcomes {
			wg.Go(func() { outcomes[i] = each(s.CreateBatch(ctx, ops())) })
		}
		wg.Wait()
		slices.Sort(outcomes)
		first := "made, workflow_exists, existing, made"
		again := "replay 201, workflow_exists, replay 200, replay 201"
		if outcomes[0] != first || !slices.Equal(slices.Compact(outcomes[1:]), []string{again}) {
			t.Errorf("the results are\n%s", strings.Join(outcomes, "\n"))
		}
		if n := total(t, s); n != 3 {
			t.Errorf("%d workflows", n)
		}
		// What was refused is not remembered: it gets its chance once nothing is in its way.
		canceled := s.Apply(ctx, Op{WorkflowID: open.ID, Decide: func(now time.Time, row Row) (domain.Change, error) {
			return domain.Control(def, row.Workflow, row.Execution, domain.Command{Verb: domain.VerbCancel, Fence: "x"}, now)
		}})
		if canceled.Err != nil {
			t.Fatal(canceled.Err)
		}
		if got := each(s.CreateBatch(ctx, ops())); got != "replay 201, made, replay 200, replay 201" {
			t.Errorf("then the results are %s", got)
		}
		other := batchOf(def, "x", "y")
		keyedAs(other, "other#1", "f") // whose keys begin as those of a batch with the key "other" do
		s.CreateBatch(ctx, other)
		for key, used := range map[string]bool{"k": true, "other#1": true, "other": false, "K": false, "k#": false} {
			err := s.CheckMembers(ctx, other[0].Key.Scope, key+"#", "another")
			if used != (err != nil) || used && domain.CodeOf(err) != domain.CodeIdempotencyMismatch {
				t.Errorf("another batch under %q: %v", key, err)
			}
			if err := s.CheckMembers(ctx, other[0].Key.Scope, key+"#", "f"); err != nil {
				t.Errorf("the same batch under %q: %v", key, err)
			}
			if err := s.CheckMembers(ctx, "bob /v1/workflows/batch", key+"#", "another"); err != nil {
				t.Errorf("somebody else's under %q: %v", key, err)
			}
		}
		keyedAs(other, "k", "other")
		if got := each(s.CreateBatch(ctx, other)); got != "idempotency_key_reused, idempotency_key_reused" {
			t.Errorf("another request: %s", got)
		}
	})
}

func TestAMemberThatCannotBeSavedCostsOthersNothing(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ops := batchOf(def, "a", "b", "c")
		build := ops[1].Build
		ops[1].Build = func(now time.Time) (domain.Change, error) {
			change, err := build(now)
			change.Workflow.Data = []byte("{\"a\": \"\x00\"}")
			return change, err
		}
		results := s.CreateBatch(context.Background(), ops)
		if results[0].Err != nil || !errors.Is(results[1].Err, ErrUnsavable) || results[2].Err != nil || total(t, s) != 2 {
			t.Errorf("the results are %s, %v; %d workflows", each(results), results[1].Err, total(t, s))
		}
	})
}

func TestLostCommitOfABatchOfCreatesIsOneWorkflowEach(t *testing.T) {
	def, many := chain("one"), chain("one")
	many.AllowMultiple = true
	for name, fault := range faultsOfCommit {
		for _, keyed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keyed %t", name, keyed), func(t *testing.T) {
				eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
					ops := slices.Concat(batchOf(def, "a", "b"), batchOf(many, "a"))
					if keyed {
						ops = keyedAs(ops, "k", "f")
					}
					p.Strike(fault)
					results := s.CreateBatch(context.Background(), ops)
					if got := each(results); got != "made, made, made" {
						t.Fatalf("the results are %s: %+v", got, results)
					}
					if n := total(t, s); n != 3 || p.Struck() != 1 {
						t.Errorf("%d workflows, %d commits met the fault", n, p.Struck())
					}
				})
			})
		}
	}
}

// TestLostCommitOfABatchBeforeAnOutage has the database go away for a while just when nobody knows.
func TestLostCommitOfABatchBeforeAnOutage(t *testing.T) {
	def := chain("one")
	for name, fault := range faultsOfCommit {
		t.Run(name, func(t *testing.T) {
			eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
				over := make(chan struct{})
				p.Strike(fault)
				go func() {
					defer close(over)
					for tick := time.NewTicker(time.Millisecond); p.Struck() == 0; {
						<-tick.C
					}
					p.Refuse(true)
					p.Cut()
					<-time.After(100 * time.Millisecond)
					p.Refuse(false)
				}()
				results := s.CreateBatch(context.Background(), batchOf(def, "a", "b", "a"))
				<-over
				if got := each(results); got != "made, made, workflow_exists" || total(t, s) != 2 {
					t.Errorf("the results are %s, %d workflows: %+v", got, total(t, s), results)
				}
			})
		})
	}
}

func TestABatchWithoutADatabaseIsUnavailable(t *testing.T) {
	def := chain("one")
	subjects := slices.Repeat([]string{"x"}, maxCreates+1)
	eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
		p.Refuse(true)
		p.Cut()
		for i, r := range s.CreateBatch(context.Background(), batchOf(def, subjects...)) {
			if domain.CodeOf(r.Err) != domain.CodeUnavailable {
				t.Fatalf("member %d: %v", i, r.Err)
			}
		}
	})
}

// TestCreatesThatComeTogether has some of them in each other's way: each has its own end.
func TestCreatesThatComeTogether(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		open := s.Create(ctx, createOp(def, "open")).Change.Workflow.ID
		ops := batchOf(def, "a", "open", "open", "open", "b", "b", "c", "d")
		ops[2].Conflict = domain.ConflictReturnExisting
		ops[3].Conflict = domain.ConflictCancelExisting
		ops[6].Newest, ops[7].Newest = &Version{Type: "Chain", Version: 1}, nil
		results := make([]CreateResult, len(ops))
		var all sync.WaitGroup
		all.Add(len(ops))
		s.CreateTogether(ctx, ops, func(i int, r CreateResult) { results[i] = r; all.Done() })
		all.Wait()
		if !errors.Is(results[6].Err, ErrNotNewest) {
			t.Errorf("without a definition: %v", results[6].Err)
		}
		results[6] = CreateResult{}
		want := "made, workflow_exists, existing, made instead, made, workflow_exists, made, made"
		if got := each(results); got != want {
			t.Errorf("the results are %s\nwant            %s", got, want)
		}
		if r := results[2].Existing; r.Workflow.ID != open || r.Execution == nil {
			t.Errorf("the existing one is %+v", r)
		}
		if n := total(t, s); n != 5 {
			t.Errorf("%d workflows", n)
		}
	})
}

// TestACreateKnowsTheNewestVersion has versions come in between, alone and among others.
func TestACreateKnowsTheNewestVersion(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		save := func(typ string, steps ...string) int {
			def := chain(steps...)
			def.Type = typ
			stored, _, err := s.SaveDefinition(ctx, def, false)
			if err != nil {
				t.Fatal(err)
			}
			return stored.Version
		}
		op := func(typ string, version int) CreateOp {
			op := createOp(chain("one"), uuid.NewString())
			op.Newest = &Version{Type: typ, Version: version}
			return op
		}
		refusedAs := func(err error) string {
			if errors.Is(err, ErrNotNewest) {
				return "old"
			}
			return fmt.Sprint(err)
		}
		for i := 1; i <= 2; i++ {
			if v := save("A", fmt.Sprintf("x%d", i)); v != i {
				t.Fatalf("version %d", v)
			}
			save("B", "b")
			var got []string
			for v := range 3 {
				got = append(got, refusedAs(s.Create(ctx, op("A", v)).Err))
			}
			for _, r := range s.CreateBatch(ctx, []CreateOp{op("A", 1), op("B", 1), op("A", 2), op("C", 1), op("B", 2)}) {
				got = append(got, refusedAs(r.Err))
			}
			want := map[int]string{1: "old <nil> old <nil> <nil> old old old", 2: "old old <nil> old <nil> <nil> old old"}[i]
			if strings.Join(got, " ") != want {
				t.Errorf("with %d versions: %v, want %s", i, got, want)
			}
		}
	})
}

// TestSubjectsInTheWayAreFoundByTheirIndex has a backlog of open workflows that statistics know nothing of.
func TestSubjectsInTheWayAreFoundByTheirIndex(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		stale(t, s)
		backlog(t, s, def)
		var subjects []oneActive
		for range maxCreates {
			subjects = append(subjects, oneActive{def.Type, "User", uuid.NewString()})
		}
		query, args := s.openOfAlike(subjects)
		p := explainPlan(t, s, statement{query: query, args: args})
		text := strings.Join(p, "\n")
		whole := map[string]string{ // the index is searched for subjects, not for their type alone
			"postgres": "(subject_id = v.subject_id))",
			"mysql":    "type=range",
			"sqlite":   "subject_id=?)",
		}[s.Dialect()]
		if !strings.Contains(text, workflowsTable+"_one_active") || !strings.Contains(text, whole) {
			t.Errorf("the plan is\n%s", text)
		}
	})
}

func TestTogetherIsBoundedByNumberAndBytes(t *testing.T) {
	const half = MaxTransactionBytes / 2
	for name, tt := range map[string]struct {
		bytes []int // of the decisions
		want  []int // decisions, by transaction
	}{
		"without data":        {make([]int, maxCreates+1), []int{maxCreates, 1}},
		"they just fit":       {[]int{half, half, 0}, []int{3}},
		"a byte too many":     {[]int{half, half, 1, 0}, []int{2, 2}},
		"one that never fits": {[]int{1, 3 * half, 1}, []int{1, 1, 1}},
	} {
		var got []int
		for rest := tt.bytes; len(rest) > 0; {
			n := Together(rest, maxCreates, func(bytes int) int { return bytes })
			got, rest = append(got, n), rest[n:]
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestABatchOfLargeCreatesIsMade has more data than one transaction takes.
func TestABatchOfLargeCreatesIsMade(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		data := []byte(`{"x":"` + strings.Repeat("x", domain.MaxDataBytes-10) + `"}`)
		ops := batchOf(def, make([]string, MaxTransactionBytes/domain.MaxDataBytes+4)...)
		for i := range ops {
			build := ops[i].Build
			ops[i].SubjectID, ops[i].Bytes = fmt.Sprint(i), len(data)
			ops[i].Build = func(now time.Time) (domain.Change, error) {
				c, err := build(now)
				c.Workflow.SubjectID, c.Workflow.Data = fmt.Sprint(i), data
				return c, err
			}
		}
		for i, r := range s.CreateBatch(t.Context(), ops) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			row, err := s.Workflow(t.Context(), r.Change.Workflow.ID)
			if err != nil || len(row.Workflow.Data) != len(data) {
				t.Errorf("create %d: %v, %d bytes of data", i, err, len(row.Workflow.Data))
			}
		}
	})
}
