package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// entry is one delivery in the receiver's log.
type entry struct {
	At       time.Time `json:"at"`
	ID       string    `json:"id"` // webhook-id: the step execution
	Workflow string    `json:"workflow"`
	Step     string    `json:"step"`
	Attempt  string    `json:"attempt"`
	Due      time.Time `json:"due"`
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

func (l *deliveryLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Data struct {
			StepExecution struct {
				ScheduledFor time.Time `json:"scheduled_for"`
			} `json:"step_execution"`
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	err := l.append(entry{At: time.Now().UTC(), ID: r.Header.Get("webhook-id"), Workflow: r.Header.Get("genevadrive-workflow-id"),
		Step: r.Header.Get("genevadrive-step"), Attempt: r.Header.Get("genevadrive-attempt"), Due: body.Data.StepExecution.ScheduledFor})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

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
