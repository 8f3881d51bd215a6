package persistence

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
)

func sealerOf(t *testing.T, b byte) *sealer {
	t.Helper()
	s, err := newSealer(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealing(t *testing.T) {
	s := sealerOf(t, 1)
	const plain = "whsec_of-the-test"
	sealed, err := s.seal("endpoint app", []byte(plain))
	if err != nil || strings.Contains(sealed, plain) || !strings.HasPrefix(sealed, sealedPrefix) {
		t.Fatalf("sealed as %s, %v", sealed, err)
	}
	if again, _ := s.seal("endpoint app", []byte(plain)); again == sealed {
		t.Error("the same text is sealed alike twice")
	}
	if got, err := s.open("endpoint app", sealed); err != nil || string(got) != plain {
		t.Errorf("opened as %s, %v", got, err)
	}
	last := byte('A')
	if sealed[len(sealed)-1] == last {
		last = 'B'
	}
	for name, open := range map[string]func() ([]byte, error){
		"another key":   func() ([]byte, error) { return sealerOf(t, 2).open("endpoint app", sealed) },
		"another place": func() ([]byte, error) { return s.open("endpoint ap", sealed) },
		"changed":       func() ([]byte, error) { return s.open("endpoint app", sealed[:10]+string(last)+sealed[11:]) },
		"cut":           func() ([]byte, error) { return s.open("endpoint app", sealed[:12]) },
		"empty":         func() ([]byte, error) { return s.open("endpoint app", "") },
		"not sealed":    func() ([]byte, error) { return s.open("endpoint app", plain) },
	} {
		if got, err := open(); err == nil || strings.Contains(err.Error(), plain) || strings.Contains(err.Error(), sealed) {
			t.Errorf("%s: opened as %s, %v", name, got, err)
		}
	}
}

func TestSealingWithoutAKey(t *testing.T) {
	s, err := newSealer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.seal("x", nil); domain.CodeOf(err) != domain.CodeSecretKeyMissing {
		t.Error(err)
	}
	if _, err := s.open("x", ""); domain.CodeOf(err) != domain.CodeSecretKeyMissing {
		t.Error(err)
	}
	if _, err := newSealer(make([]byte, 16)); err == nil {
		t.Error("a short key was taken")
	}
}

func TestSecretsOfEndpointsAreNotPrinted(t *testing.T) {
	e := Endpoint{Name: "app", Secrets: EndpointSecrets{Current: "whsec_a", Previous: []PreviousSecret{{Secret: "whsec_b"}}}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{e, &e, e.Secrets, e.Secrets.Previous, e.Secrets.Previous[0], e.Secrets.LogValue(), e.Secrets.Previous[0].LogValue()} {
			if text := fmt.Sprintf(format, v); strings.Contains(text, "whsec") {
				t.Errorf("%s of %T shows %s", format, v, text)
			}
		}
	}
}
