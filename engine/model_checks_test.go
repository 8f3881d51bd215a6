package engine_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
)

// snapshot is every row there is.
type snapshot struct{ workflows []*seenWorkflow }

type seenWorkflow struct {
	id         uuid.UUID
	typ        string
	state      domain.WorkflowState
	current    string
	version    int64
	row        string // all of it, its executions included
	own        string // all of it
	executions []*seenExecution
}

type seenExecution struct {
	id        uuid.UUID
	seq       int
	state     domain.ExecutionState
	outcome   domain.Outcome
	due       time.Time
	held      bool
	attempt   int
	fence     domain.Fence
	claimedBy string
	deadline  time.Time
	row       string // all of it
	ended     string // what never changes after its end; a verb may still put its fence on it
}

func (s *snapshot) workflow(id uuid.UUID) *seenWorkflow {
	for _, w := range s.workflows {
		if w.id == id {
			return w
		}
	}
	return nil
}

func (s *snapshot) has(id uuid.UUID) bool { return s.workflow(id) != nil }

func (s *snapshot) execution(id uuid.UUID) (*seenWorkflow, *seenExecution) {
	for _, w := range s.workflows {
		for _, x := range w.executions {
			if x.id == id {
				return w, x
			}
		}
	}
	return nil, nil
}

func (w *seenWorkflow) last() *seenExecution {
	if len(w.executions) == 0 {
		return nil
	}
	return w.executions[len(w.executions)-1]
}

func (m *modelRun) rows(query *sql.Stmt, read func(*sql.Rows) error) {
	rows, err := query.QueryContext(context.Background())
	if err != nil {
		m.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := read(rows); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		m.t.Fatal(err)
	}
}

const (
	lookAtWorkflows = `SELECT id, type, state, COALESCE(current_execution_id, ''), lock_version, data || COALESCE(paused_by, '') ||
		exceptions_in_row || COALESCE(current_step_name, '') || updated_at FROM geneva_drive_workflows ORDER BY id`
	lookAtExecutions = `SELECT id, workflow_id, seq, state, COALESCE(outcome, ''), scheduled_for, held, attempt, fence,
		COALESCE(claimed_by, ''), COALESCE(deadline, 0), failures || ' ' || interruptions || COALESCE(error_code, '')
		FROM geneva_drive_step_executions ORDER BY workflow_id, seq`
)

// look reads every row, past the store.
func (m *modelRun) look() *snapshot {
	s := &snapshot{}
	m.rows(m.db.looks[0], func(r *sql.Rows) error {
		w := &seenWorkflow{}
		var rest string
		err := r.Scan(&w.id, &w.typ, &w.state, &w.current, &w.version, &rest)
		w.own = fmt.Sprint(w.state, w.current, rest)
		w.row = fmt.Sprint(w.version, w.own)
		s.workflows = append(s.workflows, w)
		return err
	})
	m.rows(m.db.looks[1], func(r *sql.Rows) error {
		x := &seenExecution{}
		var workflow uuid.UUID
		var due, deadline int64
		var rest string
		err := r.Scan(&x.id, &workflow, &x.seq, &x.state, &x.outcome, &due, &x.held, &x.attempt, &x.fence, &x.claimedBy, &deadline, &rest)
		x.due, x.deadline = time.UnixMicro(due), time.UnixMicro(deadline)
		x.ended = fmt.Sprint(x.state, x.outcome, " ", due, x.held, x.attempt, x.claimedBy, deadline, " ", rest)
		x.row = fmt.Sprint(x.ended, " ", x.fence)
		w := s.workflow(workflow)
		w.executions = append(w.executions, x)
		w.row += "\n" + x.row
		return err
	})
	return s
}

// check looks again, and holds what it sees against what it saw last.
func (m *modelRun) check() {
	before, after := m.seen, m.look()
	m.seen = after
	open := map[string]int{}
	for _, w := range after.workflows {
		m.checkShape(w)
		if !w.state.Terminal() && w.typ != "Many" {
			open[w.typ]++
		}
		if b := before.workflow(w.id); b != nil {
			m.checkStep(b, w)
		}
	}
	for typ, n := range open {
		if n > 1 {
			m.t.Fatalf("%d open workflows of %s for one subject", n, typ)
		}
	}
	for _, b := range before.workflows {
		if !after.has(b.id) {
			m.t.Fatalf("workflow %s is gone", b.id)
		}
	}
}

// checkShape is what holds of a workflow at any moment: an outcome stands together with its successor, and
// nothing is ready without something to do.
func (m *modelRun) checkShape(w *seenWorkflow) {
	fail := func(why string) { m.t.Fatalf("%s: %s\n%s", w.typ, why, w.row) }
	for i, x := range w.executions {
		switch last := i == len(w.executions)-1; {
		case x.seq != i+1:
			fail("the history has a gap")
		case x.state.Open() && !last:
			fail("an execution is open though it has a successor")
		case x.state.Open() != (x.outcome == ""):
			fail("an outcome stands on what is open, or none on what is not")
		}
	}
	x := w.last()
	ok := x != nil && w.current == x.id.String()
	switch w.state {
	case domain.WorkflowReady:
		ok = ok && x.state == domain.ExecutionScheduled && !x.held
	case domain.WorkflowPerforming:
		ok = ok && x.state == domain.ExecutionExecuting
	case domain.WorkflowPaused:
		ok = ok && (x.state != domain.ExecutionScheduled || x.held)
	default:
		ok = ok && !x.state.Open()
	}
	if !ok {
		fail("the workflow and its newest execution do not fit")
	}
}

// checkStep is what may happen to a workflow from one look to the next.
func (m *modelRun) checkStep(b, a *seenWorkflow) {
	fail := func(format string, args ...any) {
		m.t.Fatalf("%s: %s\n%s\n---\n%s", a.typ, fmt.Sprintf(format, args...), b.row, a.row)
	}
	switch {
	case a.version < b.version:
		fail("lock_version went back")
	case a.version == b.version && a.row != b.row:
		fail("it changed without its lock_version")
	case b.state.Terminal() && a.row != b.row:
		fail("it changed after its end")
	case len(a.executions) < len(b.executions):
		fail("an execution is gone")
	}
	for i, x := range a.executions {
		if i >= len(b.executions) {
			if x.state == domain.ExecutionExecuting && (b.state != domain.WorkflowPerforming || x.due.After(m.now())) {
				fail("execution %d was begun early, or while %s", i+1, b.state)
			}
			continue
		}
		y := b.executions[i]
		claimed := x.claimedBy != "" && x.fence != y.fence
		switch {
		case !y.state.Open() && x.ended != y.ended:
			fail("execution %d changed after its outcome", i+1)
		case !legal(y, x):
			fail("execution %d went from %s to %s/%s", i+1, y.state, x.state, x.outcome)
		case claimed && (y.state != domain.ExecutionScheduled || y.held || b.state != domain.WorkflowReady || y.due.After(m.now())):
			fail("execution %d was claimed while it was not claimable", i+1)
		case x.attempt != y.attempt && (!claimed || x.attempt != y.attempt+1):
			fail("execution %d has its attempt raised by something else than a claim", i+1)
		}
	}
}

// legal tells whether the move table has the way from b to a.
func legal(b, a *seenExecution) bool {
	if a.state == b.state && a.outcome == b.outcome {
		return true
	}
	return slices.ContainsFunc(domain.ExecutionMoves, func(move domain.ExecutionMove) bool {
		return slices.Contains(move.From, b.state) && move.To == a.state && move.Outcome == a.outcome
	})
}

// finale ends the faults: no server has anything it does not know of, and everything comes to its end.
func (m *modelRun) finale() {
	m.fault = nil
	for _, s := range m.servers {
		if err := s.HandBackStrays(s.ctx); err != nil {
			m.t.Fatalf("hand back strays: %v", err)
		}
	}
	m.check()
	for _, s := range m.servers {
		m.checkInHand(s)
		m.finish(s)
	}
	s := m.servers[0]
	for range 60 {
		left := m.unfinished(s)
		if left == 0 {
			return
		}
		m.db.now = m.soon()
		if err := s.Heartbeat(s.ctx); err != nil {
			m.t.Fatalf("heartbeat: %v", err)
		}
		items, err := s.Sweep(s.ctx)
		if err != nil {
			m.t.Fatalf("sweep: %v", err)
		}
		m.check()
		for _, item := range items {
			m.claimItem(s, item)
			m.finish(s)
		}
	}
	for _, w := range m.seen.workflows {
		if !w.state.Terminal() {
			m.t.Fatalf("the workflow does not come to its end:\n%s", w.row)
		}
	}
}

// soon is a heartbeat from now, or when the next thing is due if that is all there is to wait for.
func (m *modelRun) soon() time.Time {
	var next time.Time
	for _, w := range m.seen.workflows {
		x := w.last()
		switch {
		case w.state.Terminal():
			continue
		case x.claimedBy != "":
			return m.now().Add(9 * time.Second)
		}
		due := x.due
		if x.state == domain.ExecutionExecuting {
			due = x.deadline.Add(time.Microsecond)
		}
		if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	if next.Before(m.now()) {
		return m.now()
	}
	return next
}

// checkInHand finds executions that a server is said to perform and knows nothing of.
func (m *modelRun) checkInHand(s *modelServer) {
	for _, w := range m.seen.workflows {
		x := w.last()
		if x == nil || x.state != domain.ExecutionExecuting || x.claimedBy != s.Server().String() {
			continue
		}
		known := false
		for _, h := range s.hands {
			known = known || h.Execution().Fence == x.fence
		}
		if !known {
			m.t.Fatalf("%s: a server that lives has never heard of its claim\n%s", w.typ, w.row)
		}
	}
}

// finish settles all that a server has in hand.
func (m *modelRun) finish(s *modelServer) {
	for len(s.hands) > 0 {
		h := s.hands[0]
		s.hands = s.hands[1:]
		m.step(s, func() {
			m.take(s, s.Settle(s.ctx, h, domain.Result{Answer: &domain.Answer{Action: domain.ActionComplete}, Status: 200}, true))
		})
	}
}

// unfinished resumes what is paused, and counts what has not ended.
func (m *modelRun) unfinished(s *modelServer) (n int) {
	for _, w := range m.seen.workflows {
		if w.state == domain.WorkflowPaused {
			if _, err := s.Control(s.ctx, w.id, domain.Command{Verb: domain.VerbResume}, nil); err != nil {
				m.t.Fatalf("resume: %v", err)
			}
		}
		if !w.state.Terminal() {
			n++
		}
	}
	m.check()
	return n
}
