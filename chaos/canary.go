package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// canaries takes every secret through the service: an endpoint with a secret of its own that is rotated, late
// answers with their tokens, and requests that are refused while they carry a secret. The search comes after.
func canaries(s *system) error {
	v := s.servers[0]
	endpoint := map[string]any{"url": s.receiver + "/?later=true", "secret": whsec(endpointKey), "headers": map[string]string{"x-note": "not secret"}}
	if err := s.call(v, "PUT", "/v1/endpoints/canary", "", endpoint, nil); err != nil {
		return err
	}
	var rotated struct{ Secret string }
	if err := s.call(v, "POST", "/v1/endpoints/canary/rotate", "", map[string]any{}, &rotated); err != nil {
		return err
	}
	s.secrets = append(s.secrets, rotated.Secret[len("whsec_"):])
	if err := s.call(v, "PUT", "/v1/definitions/Canary", "", map[string]any{"webhook": map[string]any{"endpoint": "canary"},
		"steps": []step{{"name": "asks", "callback_timeout": "PT1M"}, {"name": "ends"}}}, nil); err != nil {
		return err
	}
	const n = 20
	if _, err := s.createMany("Canary", n, 0); err != nil {
		return err
	}
	tokens, err := s.tokens(n)
	if err != nil {
		return err
	}
	for id, token := range tokens {
		s.secrets = append(s.secrets, token)
		if err := s.complete(id, token); err != nil {
			return err
		}
	}
	if err := s.await("Canary", n, patience, "finished"); err != nil {
		return err
	}
	if err := s.refusals(v, tokens); err != nil {
		return err
	}
	s.note("%d workflows through an endpoint with a secret, %d late answers, %d error bodies", n, len(tokens), len(s.bad))
	return nil
}

// tokens waits until the receiver has been given n callback tokens, and gives them by step execution.
func (s *system) tokens(n int) (map[string]string, error) {
	deadline := time.Now().Add(patience)
	for {
		entries, err := readLog(s.log)
		if err != nil {
			return nil, err
		}
		tokens := map[string]string{}
		for _, e := range entries {
			if e.Token != "" {
				tokens[e.ID] = e.Token
			}
		}
		if len(tokens) >= n {
			return tokens, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("after %s only %d of %d steps asked for a later answer", patience, len(tokens), n)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// complete gives the late answer of a step. It may have to wait until the 202 has been saved.
func (s *system) complete(id, token string) error {
	deadline := time.Now().Add(patience)
	for {
		a, err := s.bearing(s.any(), token, "POST", "/v1/step-executions/"+id+"/complete", `{}`)
		if err == nil && a.status == 200 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the late answer was not taken: %d %.300s %w", a.status, a.body, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// bearing sends a request with another bearer token than the API key.
func (s *system) bearing(v *server, token, method, path, body string) (answer, error) {
	req, err := http.NewRequest(method, "http://"+v.addr+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	return s.send(req)
}

// refusals sends requests that carry a secret and must be refused.
func (s *system) refusals(v *server, tokens map[string]string) error {
	var errs []error
	refused := func(what string, a answer, err error) {
		if err != nil || a.status < 400 || a.status >= 500 {
			errs = append(errs, fmt.Errorf("%s was answered %d %.200s %w", what, a.status, a.body, err))
		}
	}
	unknown := uuid.NewString()
	for id, token := range tokens {
		a, err := s.bearing(v, token, "GET", "/v1/workflows", "")
		refused("a callback token instead of the API key", a, err)
		a, err = s.bearing(v, token, "POST", "/v1/step-executions/"+id+"/complete", `{"action": "fail"}`)
		refused("a second, different late answer", a, err)
		a, err = s.bearing(v, token, "POST", "/v1/step-executions/"+unknown+"/complete", `{}`)
		refused("a token of another step", a, err)
		a, err = s.bearing(v, apiKey, "POST", "/v1/step-executions/"+id+"/complete", `{}`)
		refused("the API key instead of the callback token", a, err)
		break
	}
	a, err := s.bearing(v, whsec(webhookKey), "GET", "/v1/workflows", "")
	refused("a webhook secret instead of the API key", a, err)
	for what, body := range map[string]string{
		"an endpoint whose URL holds no host":   fmt.Sprintf(`{"url": "/", "secret": %q}`, whsec(endpointKey)),
		"an endpoint with an unknown property":  fmt.Sprintf(`{"url": %q, "secret": %q, "secrets": []}`, s.receiver, whsec(endpointKey)),
		"an endpoint with a body cut short":     fmt.Sprintf(`{"secret": %q, "url": `, whsec(endpointKey)),
		"an endpoint whose secret is too short": fmt.Sprintf(`{"url": %q, "secret": %q}`, s.receiver, endpointKey),
	} {
		a, err := s.bearing(v, apiKey, "PUT", "/v1/endpoints/refused", body)
		refused(what, a, err)
	}
	return errors.Join(errs...)
}
