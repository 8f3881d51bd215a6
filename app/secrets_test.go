package app

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestSecretsAreMadeOnceForThisUserAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "genevadrive.secrets")
	made, err := loadSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the file has mode %04o, want 0600", mode)
	}
	read, err := loadSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 1 || len(read) != 1 || made[0].Reveal() != read[0].Reveal() {
		t.Error("the second start did not find the secret of the first")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSecretsFilesThatCannotBeUsed(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		says string
	}{
		"readable by others": {secretsVariable + "=" + goodSecret, 0o644, "chmod 600"},
		"empty":              {"", 0o600, "has no line GENEVADRIVE_WEBHOOK_SECRETS"},
		"only a comment":     {"# " + secretsVariable + "=" + goodSecret, 0o600, "has no line"},
		"not a secret":       {secretsVariable + "=hunter2", 0o600, `begins with "whsec_"`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.secrets")
			if err := os.WriteFile(path, []byte(test.text+"\n"), test.mode); err != nil {
				t.Fatal(err)
			}
			_, err := loadSecrets(path)
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want the path and %q and no secret", err, test.says)
			}
			if text, _ := os.ReadFile(path); string(text) != test.text+"\n" {
				t.Error("the file was changed")
			}
		})
	}
}

func TestTheSecretsFileIsNamedAfterTheDatabase(t *testing.T) {
	for database, want := range map[string]string{
		"genevadrive.db": "genevadrive.secrets", "/data/x.sqlite": "/data/x.secrets", "/data.d/plain": "/data.d/plain.secrets",
	} {
		if got := secretsFile(database); got != want {
			t.Errorf("secretsFile(%q) is %q, want %q", database, got, want)
		}
	}
}

func TestOneProcessPerDatabase(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	first, err := lockDatabase(filepath.Join(dir, "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, same := range []string{filepath.Join(dir, "a.db"), filepath.Join(link, "a.db")} {
		if _, err := lockDatabase(same); err == nil || !strings.Contains(err.Error(), "in use by this process") {
			t.Errorf("locking %s again gives %v, want that it is in use by this process", same, err)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "a.db.lock")); strings.TrimSpace(string(text)) != strconv.Itoa(os.Getpid()) {
		t.Errorf("the lock file holds %q, want the process id", text)
	}
	other, err := lockDatabase(filepath.Join(dir, "b.db"))
	if err != nil {
		t.Errorf("another database of the directory is locked too: %v", err)
	} else {
		_ = other.release()
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDatabase(filepath.Join(dir, "a.db"))
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	_ = again.release()
}
