package main

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// delivery is one POST at the receiver. Times are nanoseconds since 1970.
type delivery struct {
	ID       string // webhook-id: the step execution
	Workflow string
	Arrived  int64
	Answered int64
}

// deliveries are what the receiver saw since it was emptied.
type deliveries struct {
	mu    sync.Mutex
	list  []delivery
	await int           // how many deliveries wake up waiter
	woken chan struct{} // of the one who waits
}

// serveReceiver is the receiver's own process. It prints its address in the first line and ends with its
// standard input.
func serveReceiver() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return (&http.Server{Handler: receiverHandler(), ReadHeaderTimeout: 10 * time.Second}).Serve(listener)
}

// receiverHandler serves
//
//	POST /N           a webhook, answered 204 after N milliseconds
//	POST /empty       forgets what was delivered
//	GET  /deliveries  what was delivered, once there are ?n of them or after ?seconds
func receiverHandler() http.Handler {
	d := &deliveries{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /empty", d.empty)
	mux.HandleFunc("GET /deliveries", d.get)
	for _, delay := range delays {
		mux.HandleFunc(fmt.Sprintf("POST /%d", delay.Milliseconds()), func(w http.ResponseWriter, r *http.Request) { d.accept(w, r, delay) })
	}
	return mux
}

// delays are how long receivers may take.
var delays = []time.Duration{0, 10 * time.Millisecond, 200 * time.Millisecond}

func (d *deliveries) accept(w http.ResponseWriter, r *http.Request, delay time.Duration) {
	arrived := time.Now().UnixNano()
	_, _ = io.Copy(io.Discard, r.Body)
	if delay > 0 {
		time.Sleep(delay)
	}
	w.WriteHeader(http.StatusNoContent)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, delivery{ID: r.Header.Get("webhook-id"), Workflow: r.Header.Get("genevadrive-workflow-id"),
		Arrived: arrived, Answered: time.Now().UnixNano()})
	if d.woken != nil && len(d.list) >= d.await {
		close(d.woken)
		d.woken = nil
	}
}

func (d *deliveries) empty(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = nil
	w.WriteHeader(http.StatusNoContent)
}

func (d *deliveries) get(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.FormValue("n"))
	seconds, _ := strconv.Atoi(r.FormValue("seconds"))
	d.mu.Lock()
	woken := make(chan struct{})
	if len(d.list) >= n {
		close(woken)
	} else {
		d.await, d.woken = n, woken
	}
	d.mu.Unlock()
	select {
	case <-woken:
	case <-time.After(time.Duration(seconds) * time.Second):
	case <-r.Context().Done():
	}
	d.mu.Lock()
	list := d.list
	d.mu.Unlock()
	_ = gob.NewEncoder(w).Encode(list)
}

// receiver is the receiver as the benchmark sees it.
type receiver struct {
	url  string
	http *http.Client
}

// helper starts this program as one of its own helpers, which ends with the program, and gives its first line.
func helper(program *testenv.Program, args ...string) (*exec.Cmd, io.Writer, *bufio.Reader, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, "", err
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, nil, "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, nil, "", err
	}
	program.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	if err != nil {
		return nil, nil, nil, "", fmt.Errorf("the helper %s said nothing: %w", args[0], err)
	}
	return cmd, stdin, lines, strings.TrimSpace(first), nil
}

func startReceiver(program *testenv.Program) (*receiver, error) {
	_, _, _, url, err := helper(program, "receiver")
	return &receiver{url: url, http: &http.Client{Timeout: 3 * time.Minute}}, err
}

// empty forgets what was delivered.
func (r *receiver) empty() error {
	resp, err := r.http.Post(r.url+"/empty", "", nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// deliveries waits until there are n of them, or patience ends, and gives all there are.
func (r *receiver) deliveries(n int, patience time.Duration) ([]delivery, error) {
	resp, err := r.http.Get(fmt.Sprintf("%s/deliveries?n=%d&seconds=%d", r.url, n, int(patience.Seconds())))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var list []delivery
	return list, gob.NewDecoder(resp.Body).Decode(&list)
}

// each waits for the deliveries of so many steps and fails unless each of them came once.
func (r *receiver) each(steps int, patience time.Duration) ([]delivery, error) {
	list, err := r.deliveries(steps, patience)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	twice := 0
	for _, d := range list {
		if count[d.ID]++; count[d.ID] > 1 {
			twice++
		}
	}
	if len(count) != steps || twice > 0 {
		return nil, fmt.Errorf("of %d steps %d were delivered in %s, and %d deliveries were repeats", steps, len(count), patience, twice)
	}
	return list, nil
}
