package persistence

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

// builds counts how often a create is built: once, unless it was run again.
func builds(op CreateOp, calls *int) CreateOp {
	build := op.Build
	op.Build = func(now time.Time) (domain.Change, error) {
		*calls++
		return build(now)
	}
	return op
}

func together(s *Store, ops []CreateOp) []CreateResult {
	results := make([]CreateResult, len(ops))
	var all sync.WaitGroup
	all.Add(len(ops))
	s.CreateTogether(context.Background(), ops, func(i int, r CreateResult) { results[i] = r; all.Done() })
	all.Wait()
	return results
}

// expecting has the store read the clock until it expects it.
func expecting(t *testing.T, s *Store) {
	t.Helper()
	for range 100 {
		clock(t, s)
		if _, _, ok := s.expect(nil); ok != s.dialect.oneFile {
			return
		}
	}
	t.Fatalf("the clock of %s is not known", s.Dialect())
}

// TestCreatesThatExpectTheClockAreMadeOnce has creates tell the clock in place of asking for it.
func TestCreatesThatExpectTheClockAreMadeOnce(t *testing.T) {
	def := chain("one")
	def.Steps[0].Wait = time.Hour
	eachStore(t, func(t *testing.T, s *Store) {
		const rounds = 20
		once := 0 // a machine that stands still for a second has a create made again
		for range rounds {
			expecting(t, s)
			before, calls := clock(t, s), 0
			results := together(s, []CreateOp{builds(createOp(def, newID().String()), &calls), builds(createOp(def, newID().String()), &calls)})
			results = append(results, s.Create(context.Background(), builds(createOp(def, newID().String()), &calls)))
			after := clock(t, s)
			if calls == len(results) {
				once++
			}
			for _, r := range results {
				if r.Err != nil {
					t.Fatal(r.Err)
				}
				if now := r.Now; now.Before(before.Add(-maxLag)) || now.After(after) || !r.Change.Next.ScheduledFor.Equal(now.Add(time.Hour)) {
					t.Errorf("an hour between %v and %v is %v", before, after, r.Change.Next.ScheduledFor)
				}
				row, err := s.Workflow(context.Background(), r.Change.Workflow.ID)
				if err != nil {
					t.Fatal(err)
				}
				same(t, "workflow", row.Workflow, r.Change.Workflow)
				same(t, "execution", *row.Execution, *r.Change.Next)
			}
		}
		if once < rounds/2 {
			t.Errorf("in %d of %d rounds nothing was built again", once, rounds)
		}
	})
}

// TestAWrongExpectationOfTheClockIsNotUsed has the store think that the database's clock is another.
func TestAWrongExpectationOfTheClockIsNotUsed(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		again := 0
		for _, off := range []time.Duration{time.Hour, 2 * time.Second, -2 * time.Second, -time.Hour} {
			for _, n := range []int{1, 3} {
				before := clock(t, s)
				expecting(t, s)
				s.expected.clock.now = s.expected.clock.now.Add(off)
				var ops []CreateOp
				calls := 0
				for range n {
					ops = append(ops, builds(createOp(def, newID().String()), &calls))
				}
				results := together(s, ops)
				after := clock(t, s)
				for _, r := range results {
					if r.Err != nil || r.Now.Before(before) || r.Now.After(after) {
						t.Errorf("off by %v, %d were made at %v, between %v and %v: %v", off, n, r.Now, before, after, r.Err)
					}
				}
				if calls == 2*n {
					again++
				}
			}
		}
		if s.dialect.oneFile == (again > 0) {
			t.Errorf("built again %d times", again)
		}
	})
}

// TestAnExpectationThatIsOldIsNotUsed reads the clock, which is an hour ahead, in several ways.
func TestAnExpectationThatIsOldIsNotUsed(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type reading struct{ now, before, after time.Duration }
	quick := reading{time.Hour, 0, time.Millisecond}
	for name, c := range map[string]struct {
		readings []reading
		at, want time.Duration // want 0: not known
	}{
		"never read":               {at: time.Second},
		"quick":                    {readings: []reading{quick}, at: time.Second, want: time.Hour + time.Second - time.Millisecond},
		"slow":                     {readings: []reading{{time.Hour, 0, maxLag + 1}}, at: time.Second},
		"just not old":             {readings: []reading{quick}, at: time.Millisecond + maxAge - 1, want: time.Hour + maxAge - time.Microsecond},
		"old":                      {readings: []reading{quick}, at: time.Millisecond + maxAge},
		"the clock here went back": {readings: []reading{quick}, at: 0},
		"a slow one after it":      {readings: []reading{quick, {time.Hour + time.Second, time.Second, 2 * time.Second}}, at: 2 * time.Second, want: time.Hour + 2*time.Second - time.Millisecond},
		"a quicker one after it":   {readings: []reading{quick, {time.Hour + time.Second, time.Second, time.Second}}, at: 2 * time.Second, want: time.Hour + 2*time.Second},
		"a slow one once it is old": {readings: []reading{quick, {time.Hour + maxAge, maxAge, maxAge + 2*time.Millisecond}}, at: maxAge + 2*time.Millisecond,
			want: time.Hour + maxAge},
	} {
		var e estimate
		for _, r := range c.readings {
			e.read(start.Add(r.now), start.Add(r.before), start.Add(r.after))
		}
		if now, ok := e.tell(start.Add(c.at)); ok != (c.want != 0) || ok && !now.Equal(start.Add(c.want)) {
			t.Errorf("%s: at %v it is %v, %v, want %v", name, c.at, now.Sub(start), ok, c.want)
		}
	}
}

// TestCreatesExpectTheNewestVersion has somebody else register a version between two creates.
func TestCreatesExpectTheNewestVersion(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		register := func(def *domain.Definition) *domain.Definition {
			stored, _, err := s.SaveDefinition(ctx, def, false)
			if err != nil {
				t.Fatal(err)
			}
			return stored.Definition
		}
		def := register(chain("first"))
		op := func() CreateOp {
			op := createOp(def, newID().String())
			op.Newest = &Version{Type: def.Type, Version: def.Version}
			return op
		}
		for range 2 {
			if r := s.Create(ctx, op()); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		register(chain("first", "second"))
		expecting(t, s)
		if r := s.Create(ctx, op()); !errors.Is(r.Err, ErrNotNewest) {
			t.Errorf("a create by the version before: %+v", r)
		}
		for i, r := range together(s, []CreateOp{op(), createOp(def, newID().String()), op()}) {
			if want := i != 1; errors.Is(r.Err, ErrNotNewest) != want || !want && r.Err != nil {
				t.Errorf("member %d of three: %+v", i, r.Result)
			}
		}
	})
}

// TestCreatesThatMeetAnOpenWorkflowLookFirst has members of a subject that has one already, which the unique index
// tells, and looks how long that is kept in mind.
func TestCreatesThatMeetAnOpenWorkflowLookFirst(t *testing.T) {
	def := chain("one")
	eachStore(t, func(t *testing.T, s *Store) {
		taken := newID().String()
		if r := s.Create(context.Background(), createOp(def, taken)); r.Err != nil {
			t.Fatal(r.Err)
		}
		runs := func(subject string) (calls int) {
			t.Helper()
			expecting(t, s)
			results := together(s, []CreateOp{createOp(def, subject), builds(createOp(def, newID().String()), &calls)})
			exists := results[0].Err != nil && domain.CodeOf(results[0].Err) == domain.CodeWorkflowExists
			if results[1].Err != nil || exists != (subject == taken) {
				t.Errorf("%v and %v", results[0].Err, results[1].Err)
			}
			return calls
		}
		if n := runs(taken); n != 2 {
			t.Errorf("what stands in the way takes %d runs, want 2", n)
		}
		for range 2 * lookFirst {
			if n := runs(taken); n != 1 {
				t.Errorf("where one was met lately it takes %d runs", n)
			}
		}
		for range lookFirst + 4 {
			runs(newID().String())
		}
		if n := runs(taken); n != 2 {
			t.Errorf("where none was met lately it takes %d runs, want 2", n)
		}
	})
}
