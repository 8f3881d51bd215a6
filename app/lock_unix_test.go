//go:build unix

package app

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestALockIsReleasedThoughAChildHasTheFile has a copy of the file open, as a child process has from its fork to its exec.
func TestALockIsReleasedThoughAChildHasTheFile(t *testing.T) {
	database := filepath.Join(t.TempDir(), "test.db")
	lock, err := lockDatabase(database)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := syscall.Dup(int(lock.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(copied)
	if err := lock.release(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDatabase(database)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.release(); err != nil {
		t.Error(err)
	}
}
