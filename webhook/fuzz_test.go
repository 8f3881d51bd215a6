package webhook

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/genevadrive/genevadrive/domain"
)

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		d := parseRetryAfter(value, now)
		if d < 0 || d > domain.MaxRetryAfter {
			t.Errorf("%q: %s is out of range", value, d)
		}
		if d > 0 && strings.ContainsAny(strings.TrimSpace(value), "-+.") && !strings.Contains(value, ":") {
			t.Errorf("%q: %s from what is neither digits nor a date", value, d)
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSecret(text)
		if err != nil {
			if rest := strings.TrimPrefix(text, secretPrefix); len(rest) > 30 && strings.Contains(err.Error(), rest) {
				t.Errorf("the error repeats the secret: %v", err)
			}
			return
		}
		if s.Reveal() != text {
			t.Errorf("%q reads as %q", text, s.Reveal())
		}
		if n := len(s.key.raw); n < minSecretBytes || n > maxSecretBytes {
			t.Errorf("a secret of %d bytes was accepted", n)
		}
		if err := oracleVerify(t, s, "id", signedAt, nil, Sign("id", signedAt, nil, s)); err != nil {
			t.Errorf("the oracle does not accept a signature made with %q: %v", text, err)
		}
	})
}

func FuzzSign(f *testing.F) {
	f.Fuzz(func(t *testing.T, id string, unix int64, body, key []byte) {
		if id == "" || len(key) < minSecretBytes {
			return
		}
		s, other := newSecret(key), newSecret(append([]byte{^key[0]}, key[1:]...))
		at := time.Unix(unix, 0)
		if err := oracleVerify(t, s, id, at, body, Sign(id, at, body, other, s)); err != nil {
			t.Errorf("the oracle does not accept the signature: %v", err)
		}
		if len(key) <= 64 && oracleVerify(t, s, id, at, body, Sign(id, at, body, other)) == nil {
			t.Error("the oracle accepts a stranger's signature")
		}
	})
}

func FuzzExcerpt(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		got := Excerpt(body)
		if len(got) > MaxExcerptBytes || !utf8.ValidString(got) || strings.Contains(got, "\x00") {
			t.Errorf("%q gives %q", body, got)
		}
		if utf8.Valid(body) && len(body) <= MaxExcerptBytes && bytes.IndexByte(body, 0) < 0 && got != string(body) {
			t.Errorf("%q was changed to %q", body, got)
		}
	})
}

// The guard and the standard library agree that what is not global unicast is not public, and that nothing
// carries a refused IPv4 address past it, even with both families wide open.
func FuzzGuard(f *testing.F) {
	closed := NewGuard(nil)
	wide := NewGuard([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	f.Fuzz(func(t *testing.T, address string) {
		var refused *RefusedError
		if err := closed.Control("tcp4", address, nil); err != nil && !errors.As(err, &refused) {
			t.Errorf("%q: %T is not a refusal", address, err)
		}
		target, err := netip.ParseAddrPort(address)
		if err != nil {
			if wide.Control("tcp6", address, nil) == nil {
				t.Errorf("%q is no address and was let through", address)
			}
			return
		}
		addr := target.Addr()
		inner := addr.Unmap().WithZone("")
		if !inner.IsGlobalUnicast() || inner.IsPrivate() || inner != addr {
			if closed.Check(addr) == nil {
				t.Errorf("%s is not public and was let through", addr)
			}
		}
		if isMetadata(inner) && wide.Check(addr) == nil {
			t.Errorf("%s is a metadata service and was let through a wide range", addr)
		}
	})
}

func FuzzParseNets(f *testing.F) {
	f.Fuzz(func(t *testing.T, list string) {
		all, err := ParseNets(list)
		if err != nil {
			return
		}
		for _, p := range all {
			if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
				t.Errorf("%q: %v was accepted", list, p)
			}
		}
	})
}
