package handlers

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/api"
)

func TestSlowOperationsHaveALongerDeadline(t *testing.T) {
	e := newEdge(t)
	var left time.Duration
	e.api.reply = func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return nil
	}
	e.api.answer = slowAnswer()
	e.do("POST", getPath+"/speedrun", "")
	if left <= requestTimeout || left > slowTimeout {
		t.Errorf("%v are left", left)
	}
}

// The write timeout of the server, which is there for all requests, does not cut slow operations off.
func TestSlowOperationsOutlastTheWriteTimeout(t *testing.T) {
	e := newEdge(t)
	e.api.answer = slowAnswer()
	e.api.reply = func(ctx context.Context) error {
		select {
		case <-time.After(300 * time.Millisecond): // of real time: it is the kernel that counts
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	router, err := NewRouter(Deps{API: e.api, Keys: []Key{{Name: "test", Secret: testKey}}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewHTTPServer("", router, slog.New(slog.DiscardHandler))
	server.WriteTimeout, server.ReadTimeout = 100*time.Millisecond, 100*time.Millisecond
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	send := func(method, target, body string) (int, error) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+listener.Addr().String()+target, strings.NewReader(body))
		if err != nil {
			return 0, err
		}
		r.Header.Set("Authorization", "Bearer "+testKey)
		r.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	if status, err := send("POST", getPath+"/speedrun", "{}"); err != nil || status != 200 {
		t.Errorf("the slow one got %d, %v", status, err)
	}
	if status, err := send("GET", getPath, ""); err == nil {
		t.Errorf("the write timeout does not hold for the others: %d", status)
	}
}

func slowAnswer() api.SpeedrunWorkflow200JSONResponse {
	return api.SpeedrunWorkflow200JSONResponse{Workflow: aWorkflow(), StepExecutions: []api.StepExecution{}, StoppedBy: "finished"}
}
