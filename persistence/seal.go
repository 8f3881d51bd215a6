package persistence

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
)

// sealedPrefix names the way in which a text is sealed: AES-256-GCM with a random nonce in front, in base64.
const sealedPrefix = "v1:"

// sealer encrypts what must not be readable in the database.
type sealer struct{ aead cipher.AEAD }

// newSealer makes one from a key of 32 bytes; without a key it refuses everything.
func newSealer(key []byte) (*sealer, error) {
	if len(key) == 0 {
		return &sealer{}, nil
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("the key that seals secrets has %d bytes, 32 are needed", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &sealer{aead}, err
}

func (s *sealer) missing() error {
	if s.aead != nil {
		return nil
	}
	return domain.Errorf(domain.CodeSecretKeyMissing, "This server has no GENEVADRIVE_SECRET_KEY, so it can neither keep nor read the secrets of endpoints.")
}

// seal encrypts a text for one place; nowhere else can it be opened. Errors: secret_key_missing.
func (s *sealer) seal(place string, plain []byte) (string, error) {
	if err := s.missing(); err != nil {
		return "", err
	}
	return sealedPrefix + base64.StdEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(place))), nil
}

// open gives what was sealed for a place. Errors: secret_key_missing.
func (s *sealer) open(place, sealed string) ([]byte, error) {
	if err := s.missing(); err != nil {
		return nil, err
	}
	text, ok := strings.CutPrefix(sealed, sealedPrefix)
	if !ok {
		return nil, errors.New("it is sealed in a way that this server does not know")
	}
	box, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		box, err = s.aead.Open(nil, nil, box, []byte(place))
	}
	if err != nil { // no part of either
		return nil, errors.New("GENEVADRIVE_SECRET_KEY is not the key it was sealed with, or it was changed")
	}
	return box, nil
}
