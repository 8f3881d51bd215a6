package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
)

func TestAttributesAreKeptForExactlyOneSubject(t *testing.T) {
	subjects := [][2]string{{"User", "a"}, {"user", "a"}, {"User", "A"}, {"User", "á"}, {"User", "a\u0301"}, {"User", "ß"}, {"User", "ss"},
		{"User", "a_"}, {"User", "a%"}, {"User", `a\`}, {"User", "a'"}, {"User", "日本"}, {"User", "🦊"}, {"User", "🐻"}}
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for i, k := range subjects {
			if _, created, err := s.PutSubject(ctx, k[0], k[1], json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))); err != nil || !created {
				t.Fatalf("%q: created %t, %v", k, created, err)
			}
		}
		for i, k := range subjects {
			got, err := s.SubjectAttributes(ctx, k[0], k[1])
			if want := fmt.Sprintf(`{"n":%d}`, i); err != nil || string(got) != want {
				t.Errorf("%q has %s, want %s (%v)", k, got, want, err)
			}
		}
	})
}

func TestSubjects(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		if got, err := s.SubjectAttributes(ctx, "User", "1"); got != nil || err != nil {
			t.Errorf("unknown subject: %s, %v", got, err)
		}
		if _, err := s.Subject(ctx, "User", "1"); domain.CodeOf(err) != domain.CodeSubjectNotFound {
			t.Errorf("unknown subject: %v", err)
		}
		first, created, err := s.PutSubject(ctx, "User", "1", json.RawMessage(`{"b":1,"a":"\ud83e\udd8a"}`))
		if err != nil || !created {
			t.Fatal(created, err)
		}
		second, created, err := s.PutSubject(ctx, "User", "1", json.RawMessage(`{"z":1}`))
		if err != nil || created {
			t.Fatal(created, err)
		}
		read, err := s.Subject(ctx, "User", "1")
		if err != nil || string(read.Attributes) != `{"z":1}` || string(second.Attributes) != `{"z":1}` {
			t.Errorf("read %s and %s, %v", read.Attributes, second.Attributes, err)
		}
		if !read.CreatedAt.Equal(first.CreatedAt) || read.UpdatedAt.Before(first.UpdatedAt) || read.CreatedAt.IsZero() {
			t.Errorf("times: first %v, read %v", first, read)
		}
	})
}

func TestConcurrentPutsOfASubject(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for i := range 16 {
			wg.Go(func() {
				_, created, err := s.PutSubject(context.Background(), "User", "1", json.RawMessage(fmt.Sprintf(`{"n":%d}`, i)))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if created {
					made++
				}
			})
		}
		wg.Wait()
		if made != 1 {
			t.Errorf("%d of them say that they created the subject", made)
		}
	})
}
