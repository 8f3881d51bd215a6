package app

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/genevadrive/genevadrive/webhook"
)

const secretsHeader = `# The secrets of the GenevaDrive server whose database lies beside this file, made at its first start.
# Keep them private, and back them up with the database. Lines are NAME=value, as in the environment;
# a variable that is set there counts instead.
`

const secretsVariable = "GENEVADRIVE_WEBHOOK_SECRETS"

// secretsFile is where the secrets of an SQLite database are: genevadrive.db has genevadrive.secrets.
func secretsFile(database string) string {
	return strings.TrimSuffix(database, filepath.Ext(database)) + ".secrets"
}

// loadSecrets reads the webhook secrets beside an SQLite database. The first time it makes them, readable by
// this user alone. The caller holds the database's lock, so that no two processes make them at once.
func loadSecrets(path string) (secrets []webhook.Secret, err error) {
	secrets, err = readSecrets(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSecrets(path)
	}
	return secrets, err
}

// readSecrets reads the webhook secrets beside an SQLite database; without the file it is fs.ErrNotExist.
func readSecrets(path string) (secrets []webhook.Secret, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the secrets: %w", err)
	}
	if err := checkPrivate(path); err != nil {
		return nil, err
	}
	var bad faults
	secrets = bad.webhookSecrets(valueIn(text, secretsVariable))
	switch {
	case len(bad) > 0:
		return nil, fmt.Errorf("%s: %w", path, bad.err())
	case len(secrets) == 0:
		return nil, fmt.Errorf("%s has no line %s=whsec_…: put back the secret that your receivers know, or remove the file to have a new one made", path, secretsVariable)
	}
	return secrets, nil
}

// valueIn gives the value of a variable in a file of NAME=value lines, "" if it is not there.
func valueIn(text []byte, variable string) string {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if name, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "="); ok && name == variable {
			return value
		}
	}
	return ""
}

func makeSecrets(path string) ([]webhook.Secret, error) {
	secret, err := webhook.NewSecret(rand.Reader)
	if err != nil {
		return nil, err
	}
	text := secretsHeader + secretsVariable + "=" + secret.Reveal() + "\n"
	if err := writePrivate(path, []byte(text)); err != nil {
		return nil, fmt.Errorf("keep the new secrets: %w", err)
	}
	return []webhook.Secret{secret}, nil
}

// writePrivate makes a file that only this user can read; after a crash it is there whole or not at all.
func writePrivate(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".genevadrive-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDirectory(filepath.Dir(path))
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	_ = dir.Sync() // not every file system can; the file itself is safe
	return nil
}
