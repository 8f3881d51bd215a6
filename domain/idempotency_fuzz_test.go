package domain

import (
	"strings"
	"testing"
)

// FuzzIdempotencyKey wants 1 to 255 visible characters of every key that is taken, and the same key of its
// quoted form.
func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"", "a", `"a"`, `"`, `""`, "a b", "\x00", "\x7f", "ä", `"a\"b"`, strings.Repeat("k", 255), strings.Repeat("k", 256)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key, err := ParseIdempotencyKey(header)
		if err != nil {
			if CodeOf(err) != CodeInvalidIdempotencyKey {
				t.Errorf("%q is refused with %v", header, err)
			}
			return
		}
		if len(key) < 1 || len(key) > 255 {
			t.Errorf("%q gives a key of %d bytes", header, len(key))
		}
		for i := range len(key) {
			if key[i] < 0x21 || key[i] > 0x7e {
				t.Errorf("%q gives a key with the byte %#x", header, key[i])
			}
		}
	})
}
