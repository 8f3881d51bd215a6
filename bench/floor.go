package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// floorDB is the floor's database.
type floorDB interface {
	setUp(context.Context) error
	// create is the plain insert transaction: BEGIN, a workflow, its first step, COMMIT.
	create(ctx context.Context, workflow, step uuid.UUID) error
	// settle is BEGIN + 3 statements + COMMIT: a step is done, the next one is there, the workflow moves on.
	settle(ctx context.Context, workflow, step, next uuid.UUID, seq int) error
}

// order is what the floor's process is asked to do.
type order struct {
	What      string // prepare, perform, chains or creates
	Workflows int
	Workers   int
	Every     time.Duration // chains: from one to the next
}

// done is its answer.
type done struct {
	Took  time.Duration
	Sent  map[string]int64 // chains: when each workflow began to be created, in nanoseconds since 1970
	Error string
}

const floorSteps = 3

// serveFloor is the floor's own process: it reads orders from standard input, one a line, and answers each in
// a line, first that it is ready.
func serveFloor(args []string) error {
	ctx := context.Background()
	f := &floorLoop{receiver: args[2] + "/0", http: &http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	var err error
	switch args[0] {
	case "postgres":
		f.db, err = openFloorPostgres(ctx, args[1])
	case "sqlite":
		f.db, err = openFloorSQLite(args[1])
	default:
		err = fmt.Errorf("there is no floor on %s", args[0])
	}
	if err != nil {
		return err
	}
	if err := f.db.setUp(ctx); err != nil {
		return err
	}
	fmt.Println("ready")
	orders := json.NewDecoder(os.Stdin)
	for {
		var o order
		if err := orders.Decode(&o); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		d, err := f.run(ctx, o)
		if err != nil {
			d.Error = err.Error()
		}
		if err := json.NewEncoder(os.Stdout).Encode(d); err != nil {
			return err
		}
	}
}

// floorLoop is the hand-written loop.
type floorLoop struct {
	db       floorDB
	http     *http.Client
	receiver string
	prepared []floorWorkflow
}

type floorWorkflow struct{ id, step uuid.UUID }

func (f *floorLoop) run(ctx context.Context, o order) (done, error) {
	d := done{Sent: map[string]int64{}}
	switch o.What {
	case "creates":
		began := time.Now()
		err := workers(o, func(int) error { return f.db.create(ctx, newID(), newID()) })
		d.Took = time.Since(began)
		return d, err
	case "prepare":
		f.prepared = make([]floorWorkflow, o.Workflows)
		return d, workers(o, func(i int) error {
			f.prepared[i] = floorWorkflow{newID(), newID()}
			return f.db.create(ctx, f.prepared[i].id, f.prepared[i].step)
		})
	case "perform":
		began := time.Now()
		err := workers(o, func(i int) error { return f.perform(ctx, f.prepared[i]) })
		d.Took = time.Since(began)
		return d, err
	case "chains":
		tick := time.NewTicker(o.Every)
		defer tick.Stop()
		for range o.Workflows {
			<-tick.C
			w := floorWorkflow{newID(), newID()}
			d.Sent[w.id.String()] = time.Now().UnixNano()
			if err := errors.Join(f.db.create(ctx, w.id, w.step), f.perform(ctx, w)); err != nil {
				return d, err
			}
		}
		return d, nil
	}
	return d, fmt.Errorf("unknown order %q", o.What)
}

// perform does the steps of a workflow.
func (f *floorLoop) perform(ctx context.Context, w floorWorkflow) error {
	for seq := 1; seq <= floorSteps; seq++ {
		if err := f.post(ctx, w, seq); err != nil {
			return err
		}
		next := newID()
		if err := f.db.settle(ctx, w.id, w.step, next, seq); err != nil {
			return err
		}
		w.step = next
	}
	return nil
}

func (f *floorLoop) post(ctx context.Context, w floorWorkflow, seq int) error {
	body := fmt.Sprintf(`{"type":"step.perform","data":{"workflow":{"id":"%s","data":{"plan":"pro","seats":3}},"step_execution":{"id":"%s","step":%d}}}`, w.id, w.step, seq)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.receiver, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("content-type", "application/json")
	req.Header.Set("webhook-id", w.step.String())
	req.Header.Set("genevadrive-workflow-id", w.id.String())
	resp, err := f.http.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusNoContent {
		err = errors.Join(err, fmt.Errorf("the receiver answered %s", resp.Status))
	}
	return errors.Join(err, resp.Body.Close())
}

// workers spreads the workflows of an order over its workers.
func workers(o order, do func(int) error) error {
	var all sync.WaitGroup
	errs := make([]error, o.Workers)
	turn := make(chan int, o.Workflows)
	for i := range o.Workflows {
		turn <- i
	}
	close(turn)
	for w := range o.Workers {
		all.Go(func() {
			for i := range turn {
				if errs[w] == nil {
					errs[w] = do(i)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// floor is the floor as the benchmark sees it.
type floor struct {
	pid    int
	orders io.Writer
	answer *bufio.Reader
}

// startFloor starts the floor's process on the database of a system; on SQLite on a file beside it, since the
// service owns its own.
func (s *system) startFloor() (*floor, error) {
	url := s.url
	if s.kind == "sqlite" {
		url = s.dir + "/floor.db"
	}
	cmd, in, out, _, err := helper(s.program, "floor", s.kind, url, s.bench.receiver.url)
	if err != nil {
		return nil, err
	}
	return &floor{pid: cmd.Process.Pid, orders: in, answer: out}, nil
}

func (f *floor) do(o order) (done, error) {
	var d done
	if err := json.NewEncoder(f.orders).Encode(o); err != nil {
		return d, err
	}
	line, err := f.answer.ReadBytes('\n')
	if err != nil {
		return d, fmt.Errorf("the floor's process: %w", err)
	}
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&d); err != nil {
		return d, err
	}
	if d.Error != "" {
		return d, fmt.Errorf("the floor: %s", d.Error)
	}
	return d, nil
}
