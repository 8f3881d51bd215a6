package engine_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/internal/dbfault"
	"github.com/genevadrive/genevadrive/persistence"
	"github.com/genevadrive/genevadrive/queue"
	"github.com/genevadrive/genevadrive/webhook"
)

// modelDefinitions are the types that the model makes workflows of.
var modelDefinitions = map[string]string{
	"Plain":   "steps: [{name: one}, {name: two}, {name: three, wait: PT30S}]",
	"Retries": "on_exception: {action: reattempt, max_reattempts: 2, then: skip}\nretry: {max_attempts: 2, initial: PT1S, multiplier: 2, max: PT4S}\nsteps: [{name: one, wait: PT5S}, {name: two}]",
	"Waiting": "on_exception: cancel\nsteps: [{name: one, callback_timeout: PT1M}, {name: two, callback_timeout: PT20S}]",
	"Many":    "allow_multiple: true\non_exception: skip\nsteps: [{name: one}, {name: two}]",
}

var modelTypes = []string{"Many", "Plain", "Retries", "Waiting"}

// modelDB is the database of all runs: one connection to SQLite in memory, with whatever the current run wants
// to happen to it in between.
type modelDB struct {
	store *persistence.Store
	looks [2]*sql.Stmt // the queries of look
	run   *modelRun    // the one that goes on, nil between them
	now   time.Time
}

func newModelDB(t *testing.T) *modelDB {
	d := &modelDB{now: modelStart}
	var faulty *dbfault.DB
	store, err := persistence.Open(t.Context(), persistence.Config{URL: "sqlite::memory:", Now: func() time.Time { return d.now },
		Wrap: func(real driver.Connector) driver.Connector {
			faulty = dbfault.New(real, true, &mysql.MySQLError{Number: 1213, Message: "Deadlock found"}, d.judge)
			return faulty
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close(); faulty.Close() })
	d.store = store
	if _, err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := engine.New(engine.Config{Store: store, Queues: modelQueues, PublicURL: publicURL, CallbackKey: modelKey, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	for _, name := range modelTypes {
		source := fmt.Sprintf("type: %s\nwebhook: {url: \"http://127.0.0.1/\"}\n%s", name, modelDefinitions[name])
		if _, _, err := e.RegisterDefinition(t.Context(), "", []byte(source), domain.SourceYAML); err != nil {
			t.Fatal(err)
		}
	}
	for i, query := range []string{lookAtWorkflows, lookAtExecutions} {
		if d.looks[i], err = store.DB().DB.PrepareContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d *modelDB) judge(call dbfault.Call) dbfault.Verdict {
	if d.run == nil {
		return dbfault.Pass
	}
	return d.run.judge(call)
}

var (
	modelStart  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	modelQueues = []string{"default"}
	modelKey    = []byte("the key of the model")
)

// modelRun is one sequence: two servers over the database, what they have in hand, and what was seen last.
type modelRun struct {
	t       *rapid.T
	db      *modelDB
	ids     uint64
	servers []*modelServer
	bells   []queue.Bell
	keys    map[string]uuid.UUID // Idempotency-Key to the workflow that it made
	fences  map[domain.Fence]bool
	seen    *snapshot

	fault *modelFault  // armed; nil: none
	busy  *modelServer // that is being stepped
}

// modelServer is a server: an engine stepped by hand.
type modelServer struct {
	engine.Stepper
	hands []*engine.Hand // claims that it performs
	past  []*engine.Hand // that it has settled already
	ctx   context.Context
	kill  context.CancelFunc
}

// modelFault strikes one of the next calls to the database.
type modelFault struct {
	after   int // calls that pass before
	commits bool
	verdict dbfault.Verdict
	lasting int  // calls that are lost after it
	outage  bool // all are, as long as anybody asks
	crash   bool // and the server that made it ends there
	struck  bool
}

func newModel(t *rapid.T, db *modelDB) *modelRun {
	m := &modelRun{t: t, db: db, keys: map[string]uuid.UUID{}, fences: map[domain.Fence]bool{}}
	db.run, db.now = nil, modelStart
	for _, table := range []string{"workflows", "step_executions", "attempts", "idempotency_keys", "servers"} {
		if _, err := db.store.DB().ExecContext(context.Background(), "DELETE FROM geneva_drive_"+table); err != nil {
			t.Fatal(err)
		}
	}
	db.run = m
	for range 2 {
		m.servers = append(m.servers, m.newServer())
	}
	m.seen = m.look()
	return m
}

func (m *modelRun) newServer() *modelServer {
	m.t.Helper()
	s := &modelServer{}
	s.ctx, s.kill = context.WithCancel(context.Background())
	s.Engine = engine.New(engine.Config{
		Store: m.db.store, Role: engine.RoleAll, Name: "model", Concurrency: 1, Queues: modelQueues,
		PublicURL: publicURL, CallbackKey: modelKey,
		Ready:    queue.NewReadyList(queue.Config{Now: m.now, Horizon: 1}),
		Doorbell: modelBell{m}, Webhooks: webhook.New(webhook.Config{Guard: webhook.NewGuard(nil), Now: m.now}),
		Now: m.now, NewID: m.id, Jitter: func() float64 { return 0.5 },
		NewFence: func() domain.Fence { return domain.Fence(m.id().String()) },
		Logger:   slog.New(onLog{told: m.logged}),
	})
	if err := s.Register(s.ctx); err != nil {
		m.t.Fatalf("register: %v", err)
	}
	return s
}

func (m *modelRun) now() time.Time { return m.db.now }

// id makes ids and fences, each after the other.
func (m *modelRun) id() (id uuid.UUID) {
	m.ids++
	binary.BigEndian.PutUint64(id[:8], 1)
	binary.BigEndian.PutUint64(id[8:], m.ids)
	return id
}

// logged hears what the servers log: one that keeps an answer because the database is away has waited enough.
func (m *modelRun) logged(message string) {
	if f := m.fault; f != nil && f.struck && !f.crash && message == "the database is away; the answer is kept and saved later" {
		m.fault = nil
	}
}

// judge lets the armed fault strike.
func (m *modelRun) judge(call dbfault.Call) dbfault.Verdict {
	f := m.fault
	switch {
	case f == nil || m.busy == nil:
		return dbfault.Pass
	case f.struck && (f.crash || f.outage):
		return dbfault.Lost
	case f.struck && f.lasting > 0:
		f.lasting--
		return dbfault.Lost
	case f.struck:
		return dbfault.Pass
	case call == dbfault.Connect || f.commits && call != dbfault.Commit:
		return dbfault.Pass
	case f.after > 0:
		f.after--
		return dbfault.Pass
	}
	f.struck = true
	if f.crash {
		m.busy.kill()
	}
	return f.verdict
}

// step has a server do something, with the armed fault in wait, and looks at what came of it. A server that
// crashed is replaced. It tells whether the server came through without a fault.
func (m *modelRun) step(s *modelServer, do func()) (sound bool) {
	m.busy = s
	do()
	synctest.Wait() // for the deliveries that are put together meanwhile
	m.busy = nil
	f := m.fault
	sound = f == nil || !f.struck
	if f != nil && f.struck {
		m.fault = nil
	}
	m.check()
	if f != nil && f.struck && f.crash {
		m.replace(s)
	}
	return sound
}

// replace ends a server in the middle of whatever it does, and starts another one.
func (m *modelRun) replace(s *modelServer) {
	s.kill()
	m.servers[slices.Index(m.servers, s)] = m.newServer()
}

// modelBell is the doorbell of all servers: what was rung lies there until it is heard, or never is.
type modelBell struct{ m *modelRun }

func (b modelBell) Ring(bell queue.Bell) {
	if f := b.m.fault; f != nil && f.struck && f.crash {
		return
	}
	b.m.bells = append(b.m.bells, bell)
}
func (modelBell) Run(context.Context, func(uuid.UUID) (busy bool)) error { return nil }
func (modelBell) Healthy() bool                                          { return true }
func (modelBell) Stats() queue.BellStats                                 { return queue.BellStats{} }
func (modelBell) Close(context.Context) error                            { return nil }
