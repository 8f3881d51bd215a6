package app

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

const (
	keyVariable = "GENEVADRIVE_SECRET_KEY"
	keyBytes    = 32
)

// secretKey reads the key that seals stored secrets and signs callback tokens; nil if there is none.
func (f *faults) secretKey(text string) []byte {
	if text == "" {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != keyBytes {
		f.add(keyVariable, "", "the key is 32 random bytes in base64; make one with: openssl rand -base64 32")
		return nil
	}
	return key
}

// loadSecretKey reads the key beside an SQLite database; if there is none it makes one, into the same file.
// The caller holds the database's lock.
func loadSecretKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text = []byte(secretsHeader)
	case err != nil:
		return nil, fmt.Errorf("read the secrets: %w", err)
	default:
		if err := checkPrivate(path); err != nil {
			return nil, err
		}
	}
	if written := valueIn(text, keyVariable); written != "" {
		var bad faults
		key := bad.secretKey(written)
		if len(bad) > 0 {
			return nil, fmt.Errorf("%s: %w", path, bad.err())
		}
		return key, nil
	}
	key := make([]byte, keyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	line := keyVariable + "=" + base64.StdEncoding.EncodeToString(key) + "\n"
	if err := writePrivate(path, slices.Concat(text, []byte(line))); err != nil {
		return nil, fmt.Errorf("keep the new secret key: %w", err)
	}
	return key, nil
}

// callbackKey is the key of callback tokens; nil without a secret key.
func callbackKey(secret []byte) ([]byte, error) {
	return derived(secret, "genevadrive callback tokens")
}

// sealingKey is the key that seals the secrets of endpoints; nil without a secret key.
func sealingKey(secret []byte) ([]byte, error) { return derived(secret, "genevadrive sealed secrets") }

// derived makes the key for one use of the secret key, so that no two uses share one.
func derived(secret []byte, use string) ([]byte, error) {
	if len(secret) == 0 {
		return nil, nil
	}
	return hkdf.Key(sha256.New, secret, nil, use, sha256.Size)
}
