package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/internal/contracttest"
	"github.com/genevadrive/genevadrive/internal/testenv"
)

// promise is a delivery whose receiver may answer later.
type promise struct {
	execution, step, attempt, token string
	path                            string // of the callback
}

// promising is a receiver that answers every step but "after" with status, once it may.
type promising struct {
	url       string
	deliver   chan promise
	release   chan struct{} // one answer for each; closed: all
	firstFail bool          // the first attempt of each step is a 500
}

func newPromising(t *testing.T, firstFail bool) *promising {
	p := &promising{deliver: make(chan promise, 100), release: make(chan struct{}), firstFail: firstFail}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Data struct{ Callback struct{ URL, Token string } }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		d := promise{execution: r.Header.Get("webhook-id"), step: r.Header.Get("genevadrive-step"), attempt: r.Header.Get("genevadrive-attempt"), token: body.Data.Callback.Token}
		if i := strings.Index(body.Data.Callback.URL, "/v1/"); i > 0 {
			d.path = body.Data.Callback.URL[i:]
		}
		p.deliver <- d
		switch {
		case d.step == "after":
		case p.firstFail && d.attempt == "1":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			select {
			case <-p.release:
			case <-r.Context().Done():
			}
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *promising) next(t *testing.T) promise {
	t.Helper()
	select {
	case d := <-p.deliver:
		return d
	case <-time.After(patience):
		t.Fatal("nothing was delivered")
	}
	return promise{}
}

// late sends a late answer, and gives the status with the code of a problem or the outcome.
func (c client) late(t *testing.T, path, token, answer string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", c.base+path, strings.NewReader(answer))
	if err != nil {
		t.Fatal(err)
	}
	if answer != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := contracttest.Client(t, http.DefaultClient).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var said struct{ Code, Outcome string }
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", said.Code, said.Outcome))
}

// TestLateAnswersOverHTTP has receivers answer 202, and call back at every moment there is.
func TestLateAnswersOverHTTP(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, name, url string) {
		s := settingsFor(t, url, "")
		s.SecretKey = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
		service := startService(t, s)
		begin := func(p *promising, typ, timeout string) (id string, d promise) {
			t.Helper()
			service.call(t, http.StatusCreated, "PUT", "/v1/definitions/"+typ, fmt.Sprintf(
				`{"webhook": {"url": %q, "timeout": "PT5M"}, "steps": [{"name": "promised", "callback_timeout": %q, "retry": {"max_attempts": 2, "initial": "PT0.01S"}}, {"name": "after"}]}`, p.url, timeout), &struct{}{})
			var w workflow
			service.call(t, http.StatusCreated, "POST", "/v1/workflows", fmt.Sprintf(`{"type": %q, "subject": {"type": "User", "id": %q}}`, typ, uuid.NewString()), &w)
			for d.step != "promised" || d.attempt != "1" { // what an earlier workflow has left
				d = p.next(t)
			}
			return w.ID, d
		}
		expect := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s is answered %q, want %q", what, got, want)
			}
		}
		promised := newPromising(t, false)
		close(promised.release)

		id, d := begin(promised, "Accepted", "PT1H")
		other, e := begin(promised, "Other", "PT1H")
		forged := e.token[:len(e.token)-2] + "AA"
		expect("no token", service.late(t, d.path, "", `{}`), "401 unauthorized")
		expect("a forged token", service.late(t, d.path, forged, `{}`), "401 unauthorized")
		expect("another step's token", service.late(t, d.path, e.token, `{}`), "401 unauthorized")
		expect("an unknown queue", service.late(t, d.path, d.token, `{"next": {"queue": "fast"}}`), "422 invalid_answer")
		expect("the answer", service.late(t, d.path, d.token, `{"data": {"done": true}}`), "200 completed")
		expect("the answer again", service.late(t, d.path, d.token, `{"data": {"done": true}}`), "200 completed")
		expect("another answer", service.late(t, d.path, d.token, `{"action": "cancel"}`), "409 already_completed")
		service.awaitFinished(t, id)
		expect("the answer after the end", service.late(t, d.path, d.token, `{"data": {"done": true}}`), "200 completed")
		service.wantHistory(t, id, "promised completed/completed 1", "after completed/completed 1")
		if data := string(service.workflow(t, id).Data); data != `{"done":true}` {
			t.Errorf("data is %s", data)
		}

		service.call(t, http.StatusOK, "POST", "/v1/workflows/"+other+"/skip", `{}`, new(workflow))
		expect("an answer after a skip", service.late(t, e.path, e.token, `{}`), "409 execution_superseded")

		id, d = begin(promised, "Expired", "PT1S")
		service.await(t, id, "paused", func(w workflow) bool { return w.State == "paused" })
		expect("an answer past the deadline", service.late(t, d.path, d.token, `{}`), "410 callback_expired")
		service.wantHistory(t, id, "promised failed/failed 2")

		waits := newPromising(t, false)
		id, d = begin(waits, "Early", "PT1H")
		expect("an answer before the 202", service.late(t, d.path, d.token, ``), "200 completed")
		close(waits.release)
		service.awaitFinished(t, id)
		service.wantHistory(t, id, "promised completed/completed 1", "after completed/completed 1")

		fails := newPromising(t, true)
		close(fails.release)
		id, d = begin(fails, "Earlier", "PT1H")
		if again := fails.next(t); again.attempt != "2" || again.execution != d.execution {
			t.Errorf("delivered again as %+v", again)
		}
		expect("an answer of an earlier attempt", service.late(t, d.path, d.token, `{"action": "finish"}`), "200 finished")
		service.awaitFinished(t, id)
		service.wantHistory(t, id, "promised completed/finished 2")

		id, d = begin(promised, "Restarted", "PT1H")
		service.await(t, id, "waiting", func(w workflow) bool { return w.State == "performing" })
		service.stop(t)
		service = startService(t, s)
		expect("an answer after a restart", service.late(t, d.path, d.token, `{"action": "skip"}`), "200 skipped")
		service.awaitFinished(t, id)
		if h := service.history(t, id); h[0].Outcome != "skipped" || len(h) != 2 {
			t.Errorf("the history is %+v", h)
		}
	})
}

// Whoever has not got the token is refused before a body is waited for: these requests need no API key.
func TestLateAnswersWithoutTheTokenAreNotTakenIn(t *testing.T) {
	t.Parallel()
	s := settingsFor(t, "sqlite:"+filepath.Join(t.TempDir(), "g.db"), "")
	s.SecretKey = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	service := startService(t, s)
	conn, err := net.Dial("tcp", strings.TrimPrefix(service.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/step-executions/%s/complete HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer guessed\r\n"+
		"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n", uuid.NewString())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("it is answered %s", resp.Status)
	}
}
