package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	secretPrefix   = "whsec_"
	minSecretBytes = 24
	maxSecretBytes = 64
	newSecretBytes = 32
	redacted       = secretPrefix + "[redacted]"
	signatureLen   = len("v1,") + 44 // base64 of 32 bytes
)

// Secret is a signing key. Every way of printing it shows a placeholder; Reveal alone gives it away. The
// zero Secret signs nothing. Secrets are decoded once and may be shared between goroutines.
type Secret struct{ key *key }

type key struct {
	raw  []byte
	macs sync.Pool // of hash.Hash, keyed: setting up an HMAC costs as much as a small body
}

func newSecret(raw []byte) Secret {
	k := &key{raw: raw}
	k.macs.New = func() any { return hmac.New(sha256.New, k.raw) }
	return Secret{key: k}
}

// ParseSecret reads a secret in its written form, "whsec_" and the base64 of 24 to 64 bytes (Standard
// Webhooks). Errors never repeat any part of it.
func ParseSecret(s string) (Secret, error) {
	encoded, ok := strings.CutPrefix(s, secretPrefix)
	if !ok {
		return Secret{}, errors.New(`a webhook secret begins with "whsec_"`)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // the decoder would pass over line ends
		return Secret{}, errors.New(`what follows "whsec_" in a webhook secret must be padded standard base64`)
	}
	if len(raw) < minSecretBytes || len(raw) > maxSecretBytes {
		return Secret{}, fmt.Errorf("a webhook secret holds %d to %d bytes, this one %d", minSecretBytes, maxSecretBytes, len(raw))
	}
	return newSecret(raw), nil
}

// NewSecret makes a secret of 32 bytes from random, which should be crypto/rand.Reader.
func NewSecret(random io.Reader) (Secret, error) {
	raw := make([]byte, newSecretBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return Secret{}, fmt.Errorf("make a webhook secret: %w", err)
	}
	return newSecret(raw), nil
}

// IsZero tells whether there is no secret in s.
func (s Secret) IsZero() bool { return s.key == nil }

// Reveal gives the written form, for the one time a secret is shown and for sealing it. "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(s.key.raw)
}

// String, GoString, LogValue and MarshalText keep the secret out of logs and messages.
func (s Secret) String() string { return redacted }

// GoString is String.
func (s Secret) GoString() string { return redacted }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Sign makes the webhook-signature of a message: "v1,<base64 of HMAC-SHA256 over id.timestamp.body>" for
// each secret, separated by spaces, so that receivers on either side of a rotation find theirs. id must hold
// no dot. "" if there is no secret.
func Sign(id string, timestamp time.Time, body []byte, secrets ...Secret) string {
	if len(secrets) == 0 {
		return ""
	}
	head := make([]byte, 0, len(id)+22)
	head = append(head, id...)
	head = append(head, '.')
	head = strconv.AppendInt(head, timestamp.Unix(), 10)
	head = append(head, '.')

	out := make([]byte, 0, len(secrets)*(signatureLen+1))
	var sum [sha256.Size]byte
	for _, s := range secrets {
		if s.IsZero() {
			continue
		}
		if len(out) > 0 {
			out = append(out, ' ')
		}
		mac := s.key.macs.Get().(hash.Hash)
		mac.Reset()
		mac.Write(head)
		mac.Write(body)
		out = append(out, "v1,"...)
		out = base64.StdEncoding.AppendEncode(out, mac.Sum(sum[:0]))
		s.key.macs.Put(mac)
	}
	return string(out)
}
