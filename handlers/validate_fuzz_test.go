package handlers

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever arrives, the answer is the handler's or a documented 4xx; contracttest checks the latter.
func FuzzRequests(f *testing.F) {
	for _, body := range []string{"", "{}", "null", createWith(""), createWith(`,"wait":"1h","at":"x","data":{"a":[1.5,"é"]}`), `{"a":{"b":[`, `{"type":{"type":[]}}`} {
		f.Add("/v1/workflows", body, "key-1")
		f.Add("/v1/workflows/"+workflowID+"/pause", body, `"key"`)
	}
	f.Add("/v1/workflows?state=ready&state=%00&limit=-1&&=&a", "", "")
	f.Add("/v1/workflows/%2F%00/pause?cursor=%ff", "{}", "")
	f.Add("/v1//workflows", "{}", "\x00")
	f.Fuzz(func(t *testing.T, target, body, key string) {
		e := newEdge(t)
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest(method, "/", strings.NewReader(body))
			u, err := r.URL.Parse(target)
			if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, "/v1/workflows") || strings.Count(u.Path, "/") > 2 && !strings.HasSuffix(u.Path, "/pause") {
				return // not a path of the fake engine
			}
			r.URL = u
			r.Header.Set("Authorization", "Bearer "+testKey)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", key)
			w := httptest.NewRecorder()
			e.h.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s %s %q: %d %s\n%s", method, target, body, w.Code, w.Body, e.log)
			}
		}
	})
}
