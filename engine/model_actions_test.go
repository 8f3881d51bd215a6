package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/internal/dbfault"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
)

var (
	modelActions = rapid.SampledFrom([]domain.Action{domain.ActionComplete, domain.ActionComplete, domain.ActionComplete, domain.ActionSkip,
		domain.ActionReattempt, domain.ActionPause, domain.ActionCancel, domain.ActionFinish, domain.ActionFail})
	modelVerbs     = rapid.SampledFrom(append([]domain.Verb{domain.VerbResume, domain.VerbResume}, domain.Verbs...))
	modelTicks     = rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 4 * time.Second, 9 * time.Second, 16 * time.Second, time.Minute})
	modelConflicts = rapid.SampledFrom([]domain.OnConflict{domain.ConflictReject, domain.ConflictReturnExisting, domain.ConflictCancelExisting})
	modelType      = rapid.SampledFrom(modelTypes)
)

func (m *modelRun) server(t *rapid.T) *modelServer {
	return m.servers[rapid.IntRange(0, len(m.servers)-1).Draw(t, "server")]
}

// arm prepares a fault for what is done next.
func (m *modelRun) arm(t *rapid.T) {
	f := &modelFault{verdict: rapid.SampledFrom([]dbfault.Verdict{dbfault.Lost, dbfault.Unknown, dbfault.Unknown, dbfault.Conflicts}).Draw(t, "verdict")}
	if f.commits = rapid.Bool().Draw(t, "at a commit"); !f.commits {
		f.after = rapid.IntRange(0, 6).Draw(t, "after")
	}
	switch rapid.IntRange(0, 3).Draw(t, "then") {
	case 0:
		f.crash = true
	case 1:
		f.outage = true
	case 2:
		f.lasting = rapid.IntRange(1, 30).Draw(t, "lasting")
	}
	m.fault = f
}

func (m *modelRun) tick(t *rapid.T) { m.db.now = m.db.now.Add(modelTicks.Draw(t, "tick")) }

func (m *modelRun) crash(t *rapid.T) {
	if rapid.IntRange(0, 2).Draw(t, "really") == 0 {
		m.fault = nil
		m.replace(m.server(t))
	}
}

func (m *modelRun) heartbeat(t *rapid.T) {
	s := m.server(t)
	m.step(s, func() { _ = s.Heartbeat(s.ctx) })
}

func (m *modelRun) handBackStrays(t *rapid.T) {
	s := m.server(t)
	m.step(s, func() { _ = s.HandBackStrays(s.ctx) })
}

func (m *modelRun) create(t *rapid.T) {
	if len(m.seen.workflows) >= 4 {
		return
	}
	s := m.server(t)
	r := engine.CreateRequest{Type: modelType.Draw(t, "type"), SubjectType: "User", SubjectID: "1", OnConflict: modelConflicts.Draw(t, "on_conflict")}
	if rapid.Bool().Draw(t, "with a key") {
		r.Key = &engine.IdempotencyKey{Scope: "s", Key: r.Type + string(r.OnConflict), Fingerprint: "f"}
	}
	before := m.seen
	var out engine.Written
	var err error
	worker := func() *engine.Hand { return nil }
	if rapid.Bool().Draw(t, "with an idle worker") {
		worker = s.worker()
	}
	m.step(s, func() { out, err = s.Create(s.ctx, r) })
	if h := worker(); h != nil {
		s.hands = append(s.hands, h)
	}
	id := out.Workflow.ID
	switch {
	case err == nil && !m.seen.has(id):
		t.Fatalf("created %s, and it is not there", id)
	case err == nil && r.Key != nil:
		if first, again := m.keys[r.Key.Key]; again && first != id {
			t.Fatalf("the key gave %s, then %s", first, id)
		}
		m.keys[r.Key.Key] = id
	case err == nil, errors.Is(err, persistence.ErrUnavailable):
	case domain.CodeOf(err) != domain.CodeWorkflowExists:
		t.Fatalf("create: %v", err)
	case len(before.workflows) != len(m.seen.workflows):
		t.Fatalf("create says %v, and there is another workflow", err)
	}
}

// worker has a worker wait for a step until it is called off, which gives the claim that it was handed, if any.
func (s *modelServer) worker() (callOff func() *engine.Hand) {
	ctx, leave := context.WithCancel(context.Background())
	got := make(chan *queue.Slot, 1)
	go func() {
		slot, _ := s.Ready.Next(ctx)
		got <- slot
	}()
	synctest.Wait()
	return func() *engine.Hand {
		leave()
		slot := <-got
		if slot == nil {
			return nil
		}
		defer slot.Release()
		return engine.Claimed(slot)
	}
}

func (m *modelRun) verb(t *rapid.T) {
	w := m.someWorkflow(t)
	if w == nil {
		return
	}
	cmd := domain.Command{Verb: modelVerbs.Draw(t, "verb"), Reason: "model"}
	if (cmd.Verb == domain.VerbCancel || cmd.Verb == domain.VerbFinish) && rapid.IntRange(0, 2).Draw(t, "really") > 0 {
		cmd.Verb = domain.VerbPause
	}
	if rapid.IntRange(0, 3).Draw(t, "guarded") == 0 {
		x := w.executions[rapid.IntRange(0, len(w.executions)-1).Draw(t, "guard")]
		cmd.StepExecutionID = &x.id
	}
	s := m.server(t)
	var out engine.Written
	var err error
	m.step(s, func() { out, err = s.Control(s.ctx, w.id, cmd, nil) })
	after := m.seen.workflow(w.id)
	switch {
	case err == nil && (after.state != out.Workflow.State || after.version != out.Workflow.LockVersion):
		t.Fatalf("%s answers %s in version %d, and it is %s in %d", cmd.Verb, out.Workflow.State, out.Workflow.LockVersion, after.state, after.version)
	case err != nil && !errors.Is(err, persistence.ErrUnavailable) && after.row != w.row:
		t.Fatalf("%s says %v, and the workflow has changed", cmd.Verb, err)
	}
}

func (m *modelRun) patch(t *rapid.T) {
	if w := m.someWorkflow(t); w != nil && !w.state.Terminal() {
		s := m.server(t)
		m.step(s, func() {
			_, _ = s.PatchData(s.ctx, w.id, fmt.Appendf(nil, `{"n": %d}`, rapid.IntRange(0, 9).Draw(t, "n")))
		})
	}
}

func (m *modelRun) someWorkflow(t *rapid.T) *seenWorkflow {
	if len(m.seen.workflows) == 0 {
		return nil
	}
	return m.seen.workflows[rapid.IntRange(0, len(m.seen.workflows)-1).Draw(t, "workflow")]
}

// ring has a server hear a bell, in whatever order, early, late, or once more.
func (m *modelRun) ring(t *rapid.T) {
	if len(m.bells) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.bells)-1).Draw(t, "bell")
	bell := m.bells[i]
	if rapid.IntRange(0, 3).Draw(t, "again") > 0 {
		m.bells = slices.Delete(m.bells, i, i+1)
	}
	if w, x := m.seen.execution(bell.ExecutionID); x != nil && rapid.IntRange(0, 5).Draw(t, "lost") > 0 {
		m.claimBy(m.server(t), w.id, x.id)
	}
}

// claim tries any execution, as whoever had it in a ready list for too long would.
func (m *modelRun) claim(t *rapid.T) {
	if w := m.someWorkflow(t); w != nil && len(w.executions) > 0 {
		i := len(w.executions) - 1
		if rapid.IntRange(0, 5).Draw(t, "an old one") == 0 {
			i = rapid.IntRange(0, i).Draw(t, "execution")
		}
		m.claimBy(m.server(t), w.id, w.executions[i].id)
	}
}

func (m *modelRun) claimBy(s *modelServer, workflow, execution uuid.UUID) {
	m.claimItem(s, queue.Item{WorkflowID: workflow, ExecutionID: execution, Queue: "default"})
}

func (m *modelRun) claimItem(s *modelServer, item queue.Item) {
	m.step(s, func() { m.take(s, s.ClaimItem(s.ctx, item)) })
}

// take puts a claim into a server's hands; it must be the one that the database knows, and never had before.
func (m *modelRun) take(s *modelServer, h *engine.Hand) {
	if h == nil || s.ctx.Err() != nil {
		return
	}
	x := h.Execution()
	if m.fences[x.Fence] {
		m.t.Fatalf("the claim %s is given twice", x.Fence)
	}
	m.fences[x.Fence] = true
	s.hands = append(s.hands, h)
	busy := m.busy
	m.busy = nil // looking is free of faults
	_, row := m.look().execution(x.ID)
	m.busy = busy
	if row == nil || row.state != domain.ExecutionExecuting || row.fence != x.Fence || row.claimedBy != s.Server().String() {
		m.t.Fatalf("claimed %s under %s, and the row is %+v", x.ID, x.Fence, row)
	}
}

// sweep has a server sweep and then try some of what that offered.
func (m *modelRun) sweep(t *rapid.T) {
	s := m.server(t)
	m.step(s, func() { _, _ = s.Sweep(s.ctx) })
	for _, item := range s.Offered() {
		if rapid.IntRange(0, 3).Draw(t, "dropped") > 0 && s.ctx.Err() == nil {
			m.claimItem(s, item)
		}
	}
}

// work has a server take what waits in its ready list, which may have been there for long.
func (m *modelRun) work(t *rapid.T) {
	s := m.server(t)
	if s.Ready.Waiting() == 0 {
		return
	}
	slot, err := s.Ready.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	slot.Release()
	m.claimItem(s, slot.Item)
}

// settle applies the answer to one of the claims in hand.
func (m *modelRun) settle(t *rapid.T) {
	s := m.server(t)
	if len(s.hands) == 0 {
		s = m.servers[len(m.servers)-1-slices.Index(m.servers, s)]
	}
	if len(s.hands) == 0 {
		return
	}
	i := rapid.IntRange(0, len(s.hands)-1).Draw(t, "hand")
	h := s.hands[i]
	s.hands = slices.Delete(s.hands, i, i+1)
	s.past = append(s.past, h)
	m.settleHand(t, s, h)
}

// settleLate has a worker of a server settle what has been settled, or handed back, before.
func (m *modelRun) settleLate(t *rapid.T) {
	s := m.server(t)
	if len(s.past) > 0 {
		m.settleHand(t, s, s.past[rapid.IntRange(0, len(s.past)-1).Draw(t, "hand")])
	}
}

func (m *modelRun) settleHand(t *rapid.T, s *modelServer, h *engine.Hand) {
	fence := h.Execution().Fence
	before, x := m.seen.execution(h.Execution().ID)
	valid := x.state == domain.ExecutionExecuting && x.fence == fence && x.claimedBy != ""
	result, goOn := m.someResult(t, before.typ == "Waiting"), rapid.Bool().Draw(t, "go on")
	m.step(s, func() { m.take(s, s.Settle(s.ctx, h, result, goOn)) })
	after, y := m.seen.execution(x.id)
	switch {
	case !valid && after.row != before.row:
		t.Fatalf("an answer under a dead claim changed the workflow:\n%s\n%s", before.row, after.row)
	case valid && s.ctx.Err() == nil && y.state == domain.ExecutionExecuting && y.fence == fence && y.claimedBy != "":
		t.Fatalf("an answer was settled, and the claim goes on: %+v", y)
	}
}

func (m *modelRun) someResult(t *rapid.T, later bool) domain.Result {
	if later && rapid.Bool().Draw(t, "later") {
		return domain.Result{Later: true, Status: 202}
	}
	if rapid.IntRange(0, 4).Draw(t, "failure") == 0 {
		return domain.Result{Status: 500, Failure: &domain.Failure{Retryable: rapid.Bool().Draw(t, "retryable"),
			ExecutionError: domain.ExecutionError{Code: domain.ErrHTTPStatus, Message: "500", Status: 500}}}
	}
	return domain.Result{Answer: &domain.Answer{Action: modelActions.Draw(t, "action")}, Status: 200}
}

func (m *modelRun) handBack(t *rapid.T) {
	s := m.server(t)
	if len(s.hands) == 0 || rapid.Bool().Draw(t, "really") {
		return
	}
	h := s.hands[0]
	s.hands = slices.Delete(s.hands, 0, 1)
	s.past = append(s.past, h)
	m.step(s, func() { s.HandBack(h) })
}

// callback answers an execution over the API, whether it waits for that or not.
func (m *modelRun) callback(t *rapid.T) {
	w := m.someWorkflow(t)
	if w == nil || w.typ != "Waiting" || len(w.executions) == 0 {
		return
	}
	x := w.executions[rapid.IntRange(0, len(w.executions)-1).Draw(t, "execution")]
	body := fmt.Sprintf(`{"action": %q}`, modelActions.Draw(t, "action"))
	s := m.server(t)
	var out domain.Execution
	var err error
	m.step(s, func() { out, err = s.Complete(context.Background(), x.id, s.Token(x.id), []byte(body)) })
	if _, y := m.seen.execution(x.id); err == nil && (y.state != out.State || y.outcome != out.Outcome) {
		t.Fatalf("the callback answers %s/%s, and it is %s/%s", out.State, out.Outcome, y.state, y.outcome)
	}
}
