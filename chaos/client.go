package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// answer is what a server answered to a request.
type answer struct {
	status   int // 0: none came
	body     []byte
	replayed bool
}

// refusal is an error answer of the API, or none at all (status 0).
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// request sends a request to one of the servers. The error is that of the connection.
func (s *system) request(v *server, method, path, key string, body any) (answer, error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, "http://"+v.addr+path, content)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+apiKey)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return s.send(req)
}

func (s *system) send(req *http.Request) (answer, error) {
	resp, err := s.http.Do(req)
	if err != nil {
		s.count(answer{})
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.count(answer{})
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, body: text, replayed: resp.Header.Get("Idempotent-Replayed") == "true"}
	s.count(a)
	return a, nil
}

// count keeps what error answers said, and how many were no fault of the client.
func (s *system) count(a answer) {
	if a.status != 0 && a.status < 400 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.status == 0 || a.status >= 500 {
		s.failed++
	}
	if len(s.bad) < 10_000 {
		s.bad = append(s.bad, string(a.body))
	}
}

// call is request with a JSON answer into out; anything but a 2xx is a *refusal.
func (s *system) call(v *server, method, path, key string, body, out any) error {
	a, err := s.request(v, method, path, key, body)
	if err != nil {
		return &refusal{0, err.Error()}
	}
	if a.status >= 300 {
		return &refusal{a.status, fmt.Sprintf("%s %s: %d %.300s", method, path, a.status, a.body)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(a.body, out)
}

// any gives one of the servers.
func (s *system) any() *server { return s.servers[rand.IntN(len(s.servers))] }

// until repeats a call, on any server, as long as it meets a broken connection or a 5xx, for a while.
func (s *system) until(patience time.Duration, method, path, key string, body, out any) error {
	deadline := time.Now().Add(patience)
	for {
		err := s.call(s.any(), method, path, key, body, out)
		var r *refusal
		switch {
		case err == nil:
			return nil
		case errors.As(err, &r) && r.status >= 400 && r.status < 500 && r.status != http.StatusTooManyRequests:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("not acknowledged in %s: %w", patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
