package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// readRows measures reads of a system whose database holds the backlog, one after another over one connection.
func (s *system) readRows(asleep string) error {
	n := s.bench.sleeping
	workflow := func(i int) string { return fmt.Sprintf("018f0000-0000-7000-8000-%012x", 1+i*7919%n) }
	subject := func(i int) string { return fmt.Sprintf("sleeper-%d", 1+i*7919%n) }
	var hundred []string
	for i := range 100 {
		hundred = append(hundred, `"`+subject(i)+`"`)
	}
	presence := `{"type":"Sleeper","subject_type":"User","subject_ids":[` + strings.Join(hundred, ",") + `]}`
	c := s.connect(0)
	defer c.close()
	for _, read := range []struct {
		name, method string
		path         func(i int) string
		body         string
	}{
		{"read", "GET", func(i int) string { return "/v1/workflows/" + workflow(i) }, ""},
		{"explain", "GET", func(i int) string { return "/v1/workflows/" + workflow(i) + "/explain" }, ""},
		{"presence", "GET", func(i int) string { return "/v1/presence?type=Sleeper&subject_type=User&subject_id=" + subject(i) }, ""},
		{"presence of 100 subjects", "POST", func(int) string { return "/v1/presence" }, presence},
		{"list by subject", "GET", func(i int) string { return "/v1/workflows?subject_type=User&subject_id=" + subject(i) }, ""},
		{"list by type and state", "GET", func(int) string { return "/v1/workflows?type=Sleeper&state=ready" }, ""},
		{"list by state", "GET", func(int) string { return "/v1/workflows?state=ready" }, ""},
		{"list by a rare state", "GET", func(int) string { return "/v1/workflows?state=finished" }, ""},
		{"list, newest first", "GET", func(int) string { return "/v1/workflows" }, ""},
	} {
		var took []float64
		for i := range 200 {
			began := time.Now()
			status, answer, err := c.send(read.method, read.path(i), []byte(read.body))
			if err != nil || status != http.StatusOK {
				return fmt.Errorf("%s: %d %.300s %w", read.name, status, answer, err)
			}
			took = append(took, float64(time.Since(began))/1e6)
		}
		s.bench.report.limit(asleep+read.name+", p99", s, "%.1f ms", percentile(took, 0.99), atMost(20))
	}
	return nil
}
