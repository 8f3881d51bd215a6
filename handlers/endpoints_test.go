package handlers

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
)

// secretOf is a webhook secret of n bytes.
func secretOf(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xfb", n)))
}

func TestBadEndpoints(t *testing.T) {
	const put, invalid = "PUT /v1/endpoints/app", domain.CodeInvalidRequest
	with := func(more string) string { return `{"url":"https://a.example"` + more + `}` }
	headers := func(text string) string { return with(`,"headers":{` + text + `}`) }
	var many strings.Builder
	for i := range 51 {
		fmt.Fprintf(&many, `,"x-%d":"v"`, i)
	}
	tests := []badInput{
		{name: "a name that cannot be", request: "PUT /v1/endpoints/9", body: with(""), code: invalid, places: []string{"name"}},
		{name: "a name too long", request: "PUT /v1/endpoints/" + strings.Repeat("a", 101), body: with(""), code: invalid, places: []string{"name"}},
		{name: "reading a name that cannot be", request: "GET /v1/endpoints/9", code: domain.CodeEndpointNotFound},
		{name: "deleting one", request: "DELETE /v1/endpoints/a%20b", code: domain.CodeEndpointNotFound},
		{name: "rotating one", request: "POST /v1/endpoints/9/rotate", code: domain.CodeEndpointNotFound},
		{name: "rotating under a key", request: "POST /v1/endpoints/app/rotate", headers: []string{"Idempotency-Key", "k"}, code: domain.CodeInvalidIdempotencyKey, places: []string{"Idempotency-Key"}},
		{name: "rotating to a secret", request: "POST /v1/endpoints/app/rotate", body: `{"secret":"` + secretOf(32) + `"}`, code: invalid, places: []string{"#/secret"}},
		{name: "rotating with a body that is no object", request: "POST /v1/endpoints/app/rotate", body: `[]`, code: invalid, places: []string{"#"}},
		{name: "rotating with a form", request: "POST /v1/endpoints/app/rotate", body: "secret=x", headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, code: domain.CodeUnsupportedMediaType},
		{name: "no URL", request: put, body: `{}`, code: invalid, places: []string{"#/url"}},
		{name: "a field that is not known", request: put, body: with(`,"secrets":[]`), code: invalid, places: []string{"#/secrets"}},
		{name: "in flight 0", request: put, body: with(`,"max_in_flight":0`), code: invalid, places: []string{"#/max_in_flight"}},
		{name: "in flight 10001", request: put, body: with(`,"max_in_flight":10001`), code: invalid, places: []string{"#/max_in_flight"}},
		{name: "a reserved header", request: put, body: headers(`"Content-Type":"a"`), code: invalid, places: []string{"#/headers/Content-Type"}},
		{name: "reserved ones by prefix", request: put, body: headers(`"webhook-id":"1","GenevaDrive-x":"1"`), code: invalid, places: []string{"#/headers/GenevaDrive-x", "#/headers/webhook-id"}},
		{name: "a header that is no name", request: put, body: headers(`"a b":"1"`), code: invalid, places: []string{"#/headers/a%20b"}},
		{name: "a header with a line break", request: put, body: headers(`"x":"1\r\ny: 2"`), code: invalid, places: []string{"#/headers/x"}},
		{name: "a header that is no text", request: put, body: headers(`"x":1`), code: invalid, places: []string{"#/headers/x"}},
		{name: "a header twice", request: put, body: headers(`"X-A":"1","x-a":"2"`), code: invalid, places: []string{"#/headers/x-a"}},
		{name: "51 headers", request: put, body: headers(many.String()[1:]), code: invalid, places: []string{"#/headers"}},
		{name: "headers over 8 KiB", request: put, body: headers(`"x":"` + strings.Repeat("v", 8<<10) + `"`), code: invalid, places: []string{"#/headers"}},
	}
	for name, url := range map[string]string{
		"empty": "", "relative": "/geneva", "another scheme": "ftp://a.example", "a script": "javascript:alert(1)",
		"a user": "https://u:p@a.example", "a fragment": "https://a.example/#x", "no host": "https://", "a space": "https://a.example/a b",
		"too long": "https://a.example/" + strings.Repeat("a", 2048),
	} {
		tests = append(tests, badInput{name: "URL: " + name, request: put, body: fmt.Sprintf(`{"url":%q}`, url), code: invalid, places: []string{"#/url"}})
	}
	for name, secret := range map[string]string{
		"empty": "", "too short": secretOf(23), "too long": secretOf(65), "no prefix": secretOf(32)[6:], "not base64": "whsec_" + strings.Repeat("!", 44),
		"no padding": strings.TrimRight(secretOf(32), "="), "a line break": secretOf(24)[:20] + "\\n" + secretOf(24)[20:],
	} {
		tests = append(tests, badInput{name: "secret: " + name, request: put, body: with(`,"secret":"` + secret + `"`), code: invalid, places: []string{"#/secret"}})
	}
	for name, timeout := range map[string]string{"empty": "", "no duration": "soon", "too short": "99ms", "too long": "PT10M1S", "negative": "-PT1S"} {
		tests = append(tests, badInput{name: "timeout: " + name, request: put, body: with(`,"timeout":"` + timeout + `"`), code: invalid, places: []string{"#/timeout"}})
	}
	refuseAll(t, tests, overRealHandlers)
}

// A secret that is refused is repeated neither to the client nor in the log.
func TestSecretsAreNotRepeated(t *testing.T) {
	e := newEdge(t, overRealHandlers)
	secret := secretOf(23)
	w := e.do("PUT", "/v1/endpoints/app", `{"url":"https://a.example","secret":"`+secret+`"}`)
	if w.Code != 422 || strings.Contains(w.Body.String()+e.log.String(), secret[6:14]) {
		t.Errorf("%d %s\n%s", w.Code, w.Body, e.log)
	}
}

func TestEndpointViews(t *testing.T) {
	e := newEdge(t)
	ep := engine.Endpoint{Name: "app", URL: "https://a.example", Headers: map[string]string{"x": "1"}, Timeout: 20 * time.Second,
		MaxInFlight: 32, RotatedAt: &someTime, CreatedAt: someTime, UpdatedAt: someTime}
	const fixed = `"created_at":"2026-01-02T03:04:05.000006Z",`
	const full = fixed + `"headers":{"x":"1"},"max_in_flight":32,"name":"app","rotated_at":"2026-01-02T03:04:05.000006Z",`
	const end = `"timeout":"PT20S","updated_at":"2026-01-02T03:04:05.000006Z","url":"https://a.example"}`
	bare := engine.Endpoint{Name: "app", URL: "https://a.example", CreatedAt: someTime, UpdatedAt: someTime}
	location := "/v1/endpoints/app"
	for name, tt := range map[string]struct {
		request, body string
		answer        any
		status        int
		want          string
	}{
		"read": {"GET /v1/endpoints/app", "", api.GetEndpoint200JSONResponse(endpointView(ep, "")), 200, "{" + full + end},
		"the least": {"GET /v1/endpoints/app", "", api.GetEndpoint200JSONResponse(endpointView(bare, "")), 200,
			"{" + fixed + `"headers":{},"max_in_flight":null,"name":"app","rotated_at":null,"timeout":null,"updated_at":"2026-01-02T03:04:05.000006Z","url":"https://a.example"}`},
		"created": {"PUT /v1/endpoints/app", `{"url":"https://a.example"}`, api.PutEndpoint201JSONResponse{Body: endpointView(ep, "whsec_x"),
			Headers: api.PutEndpoint201ResponseHeaders{Location: &location}}, 201, "{" + full + `"secret":"whsec_x",` + end},
		"changed": {"PUT /v1/endpoints/app", `{"url":"https://a.example","secret":"` + secretOf(24) + `","timeout":"10m"}`,
			api.PutEndpoint200JSONResponse(endpointView(ep, "")), 200, "{" + full + end},
		"rotated":                    {"POST /v1/endpoints/app/rotate", "", api.RotateEndpoint200JSONResponse(endpointView(ep, "whsec_x")), 200, "{" + full + `"secret":"whsec_x",` + end},
		"rotated by an empty object": {"POST /v1/endpoints/app/rotate", "{}", api.RotateEndpoint200JSONResponse(endpointView(ep, "whsec_x")), 200, "{" + full + `"secret":"whsec_x",` + end},
		"listed":                     {"GET /v1/endpoints?limit=1", "", api.ListEndpoints200JSONResponse{Items: []api.Endpoint{endpointView(ep, "")}}, 200, `{"items":[{` + full + end + `],"next_cursor":null}`},
		"deleted":                    {"DELETE /v1/endpoints/app", "", api.DeleteEndpoint204Response{}, 204, ""},
	} {
		e.api.answer = tt.answer
		method, target, _ := strings.Cut(tt.request, " ")
		if w := e.do(method, target, tt.body); w.Code != tt.status || strings.TrimSpace(w.Body.String()) != tt.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	e.api.err = domain.Errorf(domain.CodeEndpointInUse, "It is in use.")
	if w := e.do("DELETE", "/v1/endpoints/app", ""); w.Code != 409 || problemIn(t, w).Code != domain.CodeEndpointInUse {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A server without a secret key may meet endpoints that another one has made.
func TestEndpointsWithoutASecretKey(t *testing.T) {
	e := newEdge(t)
	e.api.err = domain.Errorf(domain.CodeSecretKeyMissing, "There is no key.")
	for _, request := range []string{"GET /v1/endpoints", "GET /v1/endpoints/app", "PUT /v1/endpoints/app", "POST /v1/endpoints/app/rotate"} {
		method, target, _ := strings.Cut(request, " ")
		body := ""
		if method == "PUT" {
			body = `{"url":"https://a.example"}`
		}
		if w := e.do(method, target, body); w.Code != 422 || problemCode(t, w) != domain.CodeSecretKeyMissing {
			t.Errorf("%s: %d %s", request, w.Code, w.Body)
		}
	}
}
