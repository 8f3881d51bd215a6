package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrUnknownFormat is what UnmarshalDefinition returns for a definition that a newer server has stored. A
// server does not claim the workflows of one.
var ErrUnknownFormat = errors.New("the definition was stored in a format this server does not know")

// UnmarshalDefinition reads back what json.Marshal made of a definition. Version and Source are the
// caller's to fill in.
func UnmarshalDefinition(format int, data []byte) (*Definition, error) {
	if format < 1 || format > FormatVersion {
		return nil, fmt.Errorf("%w: format %d, known are 1 to %d", ErrUnknownFormat, format, FormatVersion)
	}
	def := &Definition{Format: format, programs: newPrograms()}
	if err := json.Unmarshal(data, def); err != nil {
		return nil, fmt.Errorf("stored definition: %w", err)
	}
	return def, nil
}

// ContentHash is the SHA-256, in hex, of the resolved content: equal for two documents that mean the same,
// whatever their layout and whichever versions of their parents gave it.
func (d *Definition) ContentHash() (string, error) {
	content := *d
	content.Extends = nil
	data, err := json.Marshal(&content)
	if err != nil {
		return "", fmt.Errorf("content hash: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
