package persistence

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// shared is a transaction that decisions or creates of one kind share.
type shared struct {
	commit func(done func(i int, err error))
	spoil  map[string]func() // makes the member with the number bad of that kind
	wanted map[string]error  // of that member then; nil: it is done like the others
	holds  func(release chan struct{})
}

// bad is the place of the bad member of a batch.
const bad = 1

// overlong is a value that every database refuses.
var overlong = strings.Repeat("x", 100)

// decisions are claims or settles.
func decisions(t *testing.T, s *Store, ops []Op, stale error) shared {
	good := ops[bad].Decide
	return shared{
		commit: func(done func(int, error)) {
			s.ApplyBatch(t.Context(), ops, func(i int, r Result) { done(i, r.Err) })
		},
		spoil: map[string]func(){
			"stale": func() { // another server has taken the execution since
				if _, err := s.db.NewUpdate().Table(executionsTable).Set("fence = 'another', state = 'executing'").
					Where("id = ?", ops[bad].ExecutionID).Exec(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			"unsavable": func() {
				ops[bad].Decide = func(now time.Time, row Row) (domain.Change, error) {
					c, err := good(now, row)
					c.Execution.State = domain.ExecutionState(overlong)
					return c, err
				}
			},
		},
		wanted: map[string]error{"stale": stale, "unsavable": ErrUnsavable},
		holds:  func(release chan struct{}) { hold(t, s, ops[bad].WorkflowID, release) },
	}
}

var sharedKinds = map[string]func(t *testing.T, s *Store) shared{
	"claims": func(t *testing.T, s *Store) shared {
		var ops []Op
		for range 4 {
			ops = append(ops, claimOp(create(t, s, chain("one", "two")).Workflow, "f1"))
		}
		return decisions(t, s, ops, domain.ErrNotClaimable)
	},
	"settles": func(t *testing.T, s *Store) shared {
		var ops []Op
		def := chain("one", "two")
		for range 4 {
			w := create(t, s, def).Workflow
			if r := s.Apply(t.Context(), claimOp(w, "f1")); r.Err != nil {
				t.Fatal(r.Err)
			}
			ops = append(ops, settleOp(def, w, "f1", new(int)))
		}
		return decisions(t, s, ops, domain.ErrFenced)
	},
	"creates": func(t *testing.T, s *Store) shared {
		def := chain("one")
		ops := batchOf(def, uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString())
		good := ops[bad].Build
		return shared{
			commit: func(done func(int, error)) {
				s.CreateTogether(t.Context(), ops, func(i int, r CreateResult) { done(i, r.Err) })
			},
			spoil: map[string]func(){
				"stale": func() { ops[bad].Newest = &Version{Type: def.Type, Version: 9} },
				"unsavable": func() {
					ops[bad].Build = func(now time.Time) (domain.Change, error) {
						c, err := good(now)
						c.Workflow.State = domain.WorkflowState(overlong)
						return c, err
					}
				},
			},
			wanted: map[string]error{"stale": ErrNotNewest, "unsavable": ErrUnsavable},
			holds: func(release chan struct{}) { // the place of its subject among the open workflows
				other := create(t, s, def).Workflow
				holdBy(t, s, release, "UPDATE "+workflowsTable+" SET subject_id = ? WHERE id = ?", ops[bad].SubjectID, other.ID.String())
			},
		}
	},
}

// TestABadMemberCostsItsNeighboursNothing has one member of a common transaction be stale, refused by the database,
// or in need of what somebody has locked: all the others are done, and while it is locked still.
func TestABadMemberCostsItsNeighboursNothing(t *testing.T) {
	for name, kind := range sharedKinds {
		for _, how := range []string{"stale", "unsavable", "locked"} {
			t.Run(fmt.Sprintf("%s, one %s", name, how), func(t *testing.T) {
				testenv.Each(t, func(t *testing.T, dialect, url string) {
					if how == "locked" && dialect == "sqlite" {
						return // which has no locks of rows
					}
					t.Parallel() // it waits more than it works
					s := openImpatient(t, url)
					for range 20 { // MariaDB reads a table of a few rows whole, and waits for what is locked then
						create(t, s, chain("one"))
					}
					batch := kind(t, s)
					release := make(chan struct{})
					if how == "locked" {
						batch.holds(release)
					} else {
						batch.spoil[how]()
					}
					var mu sync.Mutex
					var others, all sync.WaitGroup
					others.Add(3)
					all.Add(4)
					errs := map[int]error{}
					go batch.commit(func(i int, err error) {
						mu.Lock()
						defer mu.Unlock()
						if _, twice := errs[i]; twice {
							t.Errorf("member %d ends twice", i)
						}
						errs[i] = err
						if i != bad {
							others.Done()
						}
						all.Done()
					})
					others.Wait()
					mu.Lock()
					if _, over := errs[bad]; over && how == "locked" {
						t.Errorf("the locked member is over: %v", errs[bad])
					}
					mu.Unlock()
					close(release)
					all.Wait()
					for i, err := range errs {
						if i != bad && err != nil {
							t.Errorf("member %d: %v", i, err)
						}
					}
					if want := batch.wanted[how]; !errors.Is(errs[bad], want) {
						t.Errorf("the bad member: %v, want %v", errs[bad], want)
					}
				})
			})
		}
	}
}

// TestALockedMemberOfABatchKeepsNobodyWaiting has the place of a member's subject be locked while a batch is made.
func TestALockedMemberOfABatchKeepsNobodyWaiting(t *testing.T) {
	testenv.Each(t, func(t *testing.T, dialect, url string) {
		if dialect == "sqlite" {
			return // which has no locks of rows
		}
		t.Parallel()
		s, def := openImpatient(t, url), chain("one")
		for range 20 { // as above
			create(t, s, def)
		}
		ops := batchOf(def, uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString())
		release := make(chan struct{})
		other := create(t, s, def).Workflow
		holdBy(t, s, release, "UPDATE "+workflowsTable+" SET subject_id = ? WHERE id = ?", ops[bad].SubjectID, other.ID.String())
		made := make(chan []CreateResult, 1)
		go func() { made <- s.CreateBatch(t.Context(), ops) }()
		for i, op := range ops {
			if i != bad {
				awaitOpen(t, s, op.SubjectID)
			}
		}
		select {
		case results := <-made:
			t.Errorf("the locked member is over: %v", results[bad].Err)
		default:
			close(release)
			for i, r := range <-made {
				if r.Err != nil {
					t.Errorf("member %d: %v", i, r.Err)
				}
			}
		}
	})
}

// awaitOpen waits until a subject has a workflow.
func awaitOpen(t *testing.T, s *Store, subject string) {
	t.Helper()
	tick, late := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for {
		rows, _, err := s.Workflows(t.Context(), WorkflowFilter{SubjectIDs: []string{subject}}, Page{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s has no workflow", subject)
		}
	}
}

// openImpatient opens an empty store whose statements wait for a lock as short as each database can be told.
func openImpatient(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: url, Wrap: func(real driver.Connector) driver.Connector { return impatient{real} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// impatient connects with a short wait for locks.
type impatient struct{ driver.Connector }

func (c impatient) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, set := range []string{"SET lock_timeout = 500", "SET innodb_lock_wait_timeout = 1", "PRAGMA busy_timeout = 5000"} {
		_, failed := conn.(driver.ExecerContext).ExecContext(ctx, set, nil)
		if err = failed; err == nil {
			return conn, nil // it was meant for this database
		}
	}
	return nil, err
}
