package persistence

import (
	"errors"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/netfault"
)

// TestALostCreateIsNotDecidedAgain has a commit of creates not be acknowledged, and a newer version be registered
// before that: they are made once, as they were decided, alone and in a batch.
func TestALostCreateIsNotDecidedAgain(t *testing.T) {
	for name, fault := range faultsOfCommit {
		for kind, makeAll := range map[string]func(*Store, []CreateOp) []CreateResult{
			"alone":      func(s *Store, ops []CreateOp) []CreateResult { return []CreateResult{s.Create(t.Context(), ops[0])} },
			"in a batch": func(s *Store, ops []CreateOp) []CreateResult { return s.CreateBatch(t.Context(), ops) },
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
					old, _, err := s.SaveDefinition(t.Context(), chain("one"), false)
					if err != nil {
						t.Fatal(err)
					}
					ops := keyedAs(batchOf(old.Definition, "a", "b"), "k", "f")
					built := 0
					for i := range ops {
						ops[i].Newest = &Version{Type: old.Type, Version: old.Version}
						build := ops[i].Build
						ops[i].Build = func(now time.Time) (domain.Change, error) {
							built++
							if i == 0 && built == 1 {
								if _, _, err := s.SaveDefinition(t.Context(), chain("one", "two"), false); err != nil {
									t.Error(err)
								}
								p.Strike(fault)
							}
							return build(now)
						}
					}
					results := makeAll(s, ops)
					if built != len(results) || p.Struck() != 1 || total(t, s) != len(results) {
						t.Errorf("%d workflows of %d were decided %d times; %d commits met the fault", total(t, s), len(results), built, p.Struck())
					}
					for _, r := range results {
						if r.Err != nil || r.Existing != nil {
							t.Fatalf("the result is %+v", r)
						}
						row, err := s.Workflow(t.Context(), r.Change.Workflow.ID)
						if err != nil {
							t.Fatal(err)
						}
						same(t, "workflow", row.Workflow, r.Change.Workflow)
						same(t, "execution", *row.Execution, *r.Change.Next)
					}
				})
			})
		}
	}
}

// TestALostCreateGivesWayToAnother has the place of a create be taken while nobody knows whether it happened: it did not,
// and is decided again.
func TestALostCreateGivesWayToAnother(t *testing.T) {
	def := chain("one")
	for policy, want := range map[domain.OnConflict]string{"": "workflow_exists", domain.ConflictReturnExisting: "existing", domain.ConflictCancelExisting: "made instead"} {
		t.Run("on_conflict "+string(policy), func(t *testing.T) {
			eachFaulty(t, func(t *testing.T, s *Store, p *netfault.Proxy) {
				op, built := createOp(def, "a"), 0
				op.Conflict = policy
				build := op.Build
				op.Build = func(now time.Time) (domain.Change, error) {
					if built++; built == 1 {
						create := s.Create(t.Context(), createOp(def, "a"))
						if create.Err != nil {
							t.Error(create.Err)
						}
						p.Strike(netfault.LoseRequest)
					}
					return build(now)
				}
				if got := each([]CreateResult{s.Create(t.Context(), op)}); got != want || p.Struck() != 1 {
					t.Errorf("the result is %s, want %s; %d commits met the fault", got, want, p.Struck())
				}
			})
		})
	}
}

// TestACreateThatCancelsTakesTheNewestVersion has a newer version be registered behind a server's back.
func TestACreateThatCancelsTakesTheNewestVersion(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		old, _, err := s.SaveDefinition(t.Context(), chain("first"), false)
		if err != nil {
			t.Fatal(err)
		}
		op := func() CreateOp {
			op := createOp(old.Definition, "42")
			op.Conflict = domain.ConflictCancelExisting
			op.Newest = &Version{Type: old.Type, Version: old.Version}
			return op
		}
		if r := s.Create(t.Context(), op()); r.Err != nil {
			t.Fatal(r.Err)
		}
		if _, _, err := s.SaveDefinition(t.Context(), chain("first", "second"), false); err != nil {
			t.Fatal(err)
		}
		expecting(t, s)
		if r := s.Create(t.Context(), op()); !errors.Is(r.Err, ErrNotNewest) {
			t.Errorf("made by version %d: %v", r.Change.Workflow.DefinitionVersion, r.Err)
		}
	})
}
