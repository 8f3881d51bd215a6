//go:build windows

package app

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// fileLock keeps every other process from an SQLite database. Windows lets go of it when the process ends.
type fileLock struct{ file *os.File }

// lockDatabase takes the lock beside the database file.
func lockDatabase(database string) (*fileLock, error) {
	path := database + ".lock"
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the directory of the database cannot be used: %w", err)
	}
	const alone = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	if err := windows.LockFileEx(windows.Handle(f.Fd()), alone, 0, 1, 0, new(windows.Overlapped)); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s is in use by another process: an SQLite database admits one server; stop that one first, or give this one another GENEVADRIVE_DATABASE_URL", database)
	}
	return &fileLock{file: f}, nil
}

// release lets the next process in.
func (l *fileLock) release() error { return l.file.Close() }

// checkPrivate does nothing: modes mean little here.
func checkPrivate(string) error { return nil }
