package handlers

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
)

func TestAuthentication(t *testing.T) {
	tests := []struct {
		name, header string
		keyName      string // "": refused
	}{
		{"the first key", "Bearer " + testKey, "test"},
		{"the second key", "Bearer fedcba9876543210", "other"},
		{"the scheme in small letters", "bearer " + testKey, "test"},
		{"no header", "", ""},
		{"no key", "Bearer", ""},
		{"an empty key", "Bearer ", ""},
		{"another scheme", "Basic " + testKey, ""},
		{"an unknown key", "Bearer 0123456789abcdeX", ""},
		{"a key cut short", "Bearer " + testKey[:15], ""},
		{"a key and more", "Bearer " + testKey + "0", ""},
		{"a name for a key", "Bearer test", ""},
		{"name and key", "Bearer test:" + testKey, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t)
			w := e.do("GET", getPath, "", "Authorization", tt.header)
			if tt.keyName != "" {
				if w.Code != 200 || e.api.keyed != tt.keyName {
					t.Errorf("%d as %q", w.Code, e.api.keyed)
				}
				return
			}
			if p := problemIn(t, w); w.Code != 401 || p.Code != domain.CodeUnauthorized || len(e.api.calls) > 0 {
				t.Errorf("%d %s, calls %v", w.Code, w.Body, e.api.calls)
			}
			tried := strings.HasPrefix(tt.header, "Bearer")
			if got := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer ") || strings.Contains(got, `error="invalid_token"`) != tried {
				t.Errorf("WWW-Authenticate is %q", got)
			}
			if strings.Contains(e.log.String(), testKey[:15]) {
				t.Errorf("the log shows keys: %s", e.log)
			}
		})
	}
}

// A stranger learns nothing about requests: 401 comes before any other problem of the request.
func TestAuthenticationComesFirst(t *testing.T) {
	e := newEdge(t)
	for _, target := range []string{"/v1/workflows/42", "/v1/workflows?limit=0"} {
		if w := e.do("GET", target, "", "Authorization", ""); w.Code != 401 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w := e.do("POST", "/v1/workflows", strings.Repeat("x", 2<<20), "Authorization", ""); w.Code != 401 {
		t.Errorf("a large body: %d", w.Code)
	}
}

func TestWithoutKeysOnlyLocalNamesAreServed(t *testing.T) {
	for host, want := range map[string]int{
		"localhost:8080": 200, "LOCALHOST": 200, "127.0.0.1:8080": 200, "127.1.2.3": 200, "[::1]:8080": 200, "[::ffff:127.0.0.1]:80": 200,
		"evil.example:8080": 403, "10.0.0.1:8080": 403, "localhost.evil.example": 403, "": 403, "0.0.0.0": 403,
	} {
		e := newEdge(t, func(d *Deps) { d.Keys = nil })
		r := httptest.NewRequest("GET", getPath, nil)
		r.Host = host
		w := httptest.NewRecorder()
		e.h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q: %d %s", host, w.Code, w.Body)
		}
		if want == 200 && e.api.keyed != anonymous {
			t.Errorf("host %q: key name %q", host, e.api.keyed)
		}
	}
}

func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	e := newEdge(t)
	w := e.do("POST", getPath+"/pause", "", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if w.Code != 403 || problemCode(t, w) != domain.CodeForbidden || len(e.api.calls) > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := e.do("POST", getPath+"/pause", "", "Sec-Fetch-Site", "same-origin"); w.Code != 200 {
		t.Errorf("its own page: %d", w.Code)
	}
}

func problemCode(t *testing.T, w *httptest.ResponseRecorder) domain.Code {
	t.Helper()
	return problemIn(t, w).Code
}

func TestParseKeys(t *testing.T) {
	got, err := ParseKeys(" ci:0123456789abcdef, ops:fedcba9876543210:x ,")
	want := []Key{{"ci", "0123456789abcdef"}, {"ops", "fedcba9876543210:x"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ParseKeys(""); err != nil || got != nil {
		t.Errorf("nothing is read as %v, %v", got, err)
	}
	for text, part := range map[string]string{
		",":                     "holds no key",
		" , ":                   "holds no key",
		"0123456789abcdef":      "name:key",
		":0123456789abcdef":     "name:key",
		"1a:0123456789abcde":    "name:key",
		"ci:short":              "16",
		"ci:0123456789 abcdef1": "holds a space",
		"ci:0123456789abcdef,ci:fedcba9876543210":   "two API keys are named ci",
		"ci:0123456789abcdef,ops:0123456789abcdef":  "same",
		"ci:0123456789abcdef,ops:0123456789abcdéf1": "ASCII",
	} {
		_, err := ParseKeys(text)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%q: the error shows the key: %v", text, err)
		}
	}
}
