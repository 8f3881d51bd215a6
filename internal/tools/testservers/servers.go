package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// servers are the ones found or made so far.
type servers struct {
	mu       sync.Mutex
	urls     map[*testenv.Kind]string
	from     map[*testenv.Kind]string // where each came from, in words
	cleanups []func()
}

// provide finds or makes a server of every kind, as far as this machine can.
func (s *servers) provide(ctx context.Context) error {
	for _, k := range testenv.Kinds() {
		url := os.Getenv(k.Env)
		if url == "" {
			continue
		}
		if url != testenv.Off {
			if err := s.check(ctx, k, url); err != nil {
				return err
			}
		}
		s.add(k, url, k.Env, nil)
	}
	if missing := s.unknown(); len(missing) > 0 {
		if err := s.fromCompose(ctx, missing); err != nil {
			fmt.Fprintf(os.Stderr, "testservers: Docker Compose could not provide the servers, going on without it: %v\n", err)
		}
	}
	if err := install(ctx, append(notInstalled(s.unknown()), languages()...)); err != nil {
		fmt.Fprintf(os.Stderr, "testservers: %v\n", err)
	}
	return s.startPrivate()
}

func (s *servers) check(ctx context.Context, k *testenv.Kind, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := k.Ping(ctx, url); err != nil {
		return fmt.Errorf("%s names a server that does not answer: %w", k.Env, err)
	}
	return nil
}

// startPrivate starts what is installed and not yet there, all at once.
func (s *servers) startPrivate() error {
	var wg sync.WaitGroup
	failed := make(chan error, len(testenv.Kinds()))
	for _, k := range s.unknown() {
		if !k.Installed() {
			continue
		}
		wg.Go(func() {
			server, remove, err := k.Throwaway()
			if err != nil {
				failed <- err
				return
			}
			s.add(k, server.URL, "private", remove)
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (s *servers) add(k *testenv.Kind, url, from string, remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls[k], s.from[k] = url, from
	if remove != nil {
		s.cleanups = append(s.cleanups, remove)
	}
}

// unknown lists the kinds that nothing has been decided about.
func (s *servers) unknown() []*testenv.Kind {
	return s.filter(func(url string) bool { return url == "" })
}

// missing lists the kinds there is no server of.
func (s *servers) missing() []*testenv.Kind {
	return s.filter(func(url string) bool { return url == "" || url == testenv.Off })
}

func (s *servers) filter(keep func(url string) bool) []*testenv.Kind {
	var kinds []*testenv.Kind
	for _, k := range testenv.Kinds() {
		if keep(s.urls[k]) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// url is the value of the kind's environment variable for the tests.
func (s *servers) url(k *testenv.Kind) string {
	if url := s.urls[k]; url != "" {
		return url
	}
	return testenv.Off
}

func (s *servers) remove() {
	var wg sync.WaitGroup
	for _, f := range s.cleanups {
		wg.Go(f)
	}
	wg.Wait()
}

func (s *servers) String() string {
	var parts []string
	for _, k := range testenv.Kinds() {
		from := s.from[k]
		if s.url(k) == testenv.Off {
			from = "none"
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", k.Label, from))
	}
	return strings.Join(parts, ", ")
}
