package persistence

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// supersede stores versions of the definition, all but the last of which were superseded a while ago.
func supersede(t *testing.T, s *Store, def *domain.Definition, versions int) {
	t.Helper()
	insert := s.dialect.bind("INSERT INTO " + definitionsTable + " (type, version, format, content, source, hash, created_at) VALUES (?, ?, 1, '', '', '', ?)")
	rows := make([]statement, versions)
	for i := range rows {
		rows[i] = statement{query: insert, args: []any{def.Type, i + 1, time.Now().Add(-100 * time.Hour)}, rows: 1}
	}
	if err := s.transact(t.Context(), func(tx transaction) error { return tx.commit(t.Context(), rows...) }); err != nil {
		t.Fatal(err)
	}
}

// inVersion is the definition in another version.
func inVersion(def *domain.Definition, version int) *domain.Definition {
	other := *def
	other.Version = version
	return &other
}

// search looks through all workflows, and tells in how many slices.
func search(t *testing.T, s *Store) (found *VersionSearch, slices int) {
	t.Helper()
	found, err := s.OldVersions(t.Context(), 2*time.Hour)
	if err != nil || found == nil {
		t.Fatalf("%v, %v", found, err)
	}
	for more := true; more; slices++ {
		if more, err = s.Look(t.Context(), found); err != nil {
			t.Fatal(err)
		}
	}
	return found, slices
}

// TestManyYoungVersionsAreNotComparedWithEachOther has a thousand versions that are all too young to go, and of another type
// some of which one was superseded long ago.
func TestManyYoungVersionsAreNotComparedWithEachOther(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		old, young := chain("one"), chain("one")
		young.Type = "Young"
		supersede(t, s, old, 3)
		supersede(t, s, young, 1000)
		analyze(t, s, definitionsTable)
		for typ, then := range map[string]time.Duration{"Young": 0, "Chain": 3 * time.Hour} {
			if _, err := s.db.NewUpdate().Table(definitionsTable).Set("created_at = ?", time.Now().UTC().Add(-then)).
				Where("type = ?", typ).Where("version <> 1").Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.db.NewUpdate().Table(definitionsTable).Set("created_at = ?", time.Now().UTC()).
			Where("type = ?", old.Type).Where("version = 3").Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := s.OldVersions(t.Context(), 2*time.Hour)
		if want := map[Version]bool{{old.Type, 1}: true}; err != nil || !maps.Equal(found.unseen, want) {
			t.Errorf("the old versions are %v, %v", found, err)
		}
		expectFewRead(t, s, "old versions", s.supersededBefore(time.Now().UTC().Add(-2*time.Hour)), 5000)
	})
}

// TestVersionsAreLookedForInSlices has thousands of workflows of one version, and one of another behind them.
func TestVersionsAreLookedForInSlices(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		supersede(t, s, def, 6)
		backlog(t, s, def)
		create(t, s, inVersion(def, 3))
		found, took := search(t, s)
		if want := 5001/workflowsLookedAt + 1; took != want {
			t.Errorf("it took %d slices, want %d", took, want)
		}
		create(t, s, inVersion(def, 4)) // of which there was none when the search passed by
		gone, err := s.DeleteUnseen(t.Context(), found)
		slices.SortFunc(gone, func(a, b Version) int { return a.Version - b.Version })
		if err != nil || !slices.Equal(gone, []Version{{def.Type, 2}, {def.Type, 5}}) {
			t.Errorf("gone are %v, %v", gone, err)
		}
		again, took := search(t, s)
		if gone, err := s.DeleteUnseen(t.Context(), again); took != 3 || err != nil || len(gone) > 0 {
			t.Errorf("the next search took %d slices, and %v are gone, %v", took, gone, err)
		}
	})
}

// TestTheSearchForVersionsEndsWithTheLastOne sees in the first slice what it looks for.
func TestTheSearchForVersionsEndsWithTheLastOne(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		supersede(t, s, def, 2)
		backlog(t, s, def)
		if _, took := search(t, s); took != 1 {
			t.Errorf("it took %d slices", took)
		}
	})
}

// TestVersionsAreLookedForByTheIDs has workflows that statistics know nothing of, and then know: no slice of a search, nor
// what follows a deletion, walks through all of them, or all of a type.
func TestVersionsAreLookedForByTheIDs(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		stale(t, s)
		ops := backlog(t, s, def)
		for _, known := range []bool{false, true} {
			if known {
				analyze(t, s, workflowsTable)
			}
			from, to := ops[1000].WorkflowID, ops[1500].WorkflowID
			statements := map[string]statement{
				"the end of a slice":      {query: s.endOfSlice(from).String()},
				"the versions of a slice": {query: s.versionsOfSlice(from, to).String()},
				"the last versions":       {query: s.versionsOfSlice(from, uuid.Max).String()},
				"what came late":          s.lateWorkflow(Version{def.Type, 2}, time.Now()),
			}
			for name, st := range statements {
				text := strings.Join(explainPlan(t, s, st), "\n")
				if !strings.Contains(text, primary(s, workflowsTable)) || strings.Contains(text, "detail=SCAN") || strings.Contains(text, "_type_state") {
					t.Errorf("statistics %v: the plan of %s is\n%s\nof %s", known, name, text, st.query)
				}
			}
		}
	})
}
