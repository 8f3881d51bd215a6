package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

// entry is one delivery in the receiver's log.
type entry struct {
	At       time.Time `json:"at"`
	ID       string    `json:"id"` // webhook-id: the step execution
	Workflow string    `json:"workflow"`
	Step     string    `json:"step"`
	Attempt  int       `json:"attempt"`
	Due      time.Time `json:"due"`
	Status   int       `json:"status"`          // of the answer
	Token    string    `json:"token,omitempty"` // of the callback
}

// serveReceiver is the receiver's own process: it appends each delivery to the file and syncs it before it
// answers. It prints its address in the first line and ends with its standard input.
func serveReceiver(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	log := &deliveryLog{file: file}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	server := &http.Server{Handler: log, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}

// deliveryLog writes deliveries together that arrive together, so that one sync serves many.
type deliveryLog struct {
	file *os.File

	mu      sync.Mutex
	pending []byte
	waiters []chan error
	writing bool
}

// ServeHTTP takes a delivery. The query of its URL says how: see manner. Its answer leaves the attempt's
// number in the workflow's data under the step's name, so that the data tell which answer was applied.
func (l *deliveryLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now().UTC()
	var body struct {
		Data struct {
			StepExecution struct {
				ScheduledFor time.Time `json:"scheduled_for"`
			} `json:"step_execution"`
			Callback struct{ Token string }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	query := r.URL.Query()
	think, _ := time.ParseDuration(query.Get("think")) // 0 without one
	failing, _ := strconv.ParseFloat(query.Get("fail"), 64)
	attempt, err := strconv.Atoi(r.Header.Get("genevadrive-attempt"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e := entry{At: at, ID: r.Header.Get("webhook-id"), Workflow: r.Header.Get("genevadrive-workflow-id"),
		Step: r.Header.Get("genevadrive-step"), Attempt: attempt, Due: body.Data.StepExecution.ScheduledFor,
		Status: http.StatusOK, Token: body.Data.Callback.Token}
	switch {
	case rand.Float64() < failing:
		e.Status = http.StatusInternalServerError
	case query.Get("later") == "true" && e.Token != "":
		e.Status = http.StatusAccepted
	}
	if err := l.append(e); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if think > 0 {
		select {
		case <-time.After(think/2 + rand.N(think/2+1)):
		case <-r.Context().Done():
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	if e.Status == http.StatusOK {
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]string{e.Step: applied(e.ID, e.Attempt)}})
	}
}

// applied is what the answer to an attempt leaves in the workflow's data.
func applied(execution string, attempt int) string { return fmt.Sprintf("%s#%d", execution, attempt) }

func (l *deliveryLog) append(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	l.mu.Lock()
	l.pending = append(append(l.pending, line...), '\n')
	l.waiters = append(l.waiters, done)
	if !l.writing {
		l.writing = true
		go l.flush()
	}
	l.mu.Unlock()
	return <-done
}

func (l *deliveryLog) flush() {
	for {
		l.mu.Lock()
		data, waiters := l.pending, l.waiters
		l.pending, l.waiters = nil, nil
		if len(waiters) == 0 {
			l.writing = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		_, err := l.file.Write(data)
		if err == nil {
			err = l.file.Sync()
		}
		for _, w := range waiters {
			w <- err
		}
	}
}

// readLog reads a receiver's log.
func readLog(path string) ([]entry, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var entries []entry
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("the receiver's log: %w", err)
		}
		entries = append(entries, e)
	}
	return entries, lines.Err()
}
