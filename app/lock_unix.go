//go:build unix

package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// fileLock keeps every other process, and every other App of this one, from an SQLite database. The kernel
// lets go of it when the process ends, however that happens.
type fileLock struct{ file *os.File }

// lockDatabase takes the lock beside the database file. If another process has it, the error names that.
func lockDatabase(database string) (*fileLock, error) {
	path := realPath(database) + ".lock"
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the directory of the database cannot be used: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		return nil, fmt.Errorf("%s is in use by %s: an SQLite database admits one server; stop that one first, or give this one another GENEVADRIVE_DATABASE_URL", database, holder(f))
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		_ = err // only a hint for whoever comes second
	}
	return &fileLock{file: f}, nil
}

// realPath gives two names of one database the same form; the file itself need not be there yet.
func realPath(database string) string {
	if path, err := filepath.EvalSymlinks(database); err == nil {
		return path
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(database)); err == nil {
		return filepath.Join(dir, filepath.Base(database))
	}
	return database
}

func holder(f *os.File) string {
	text, _ := io.ReadAll(io.LimitReader(f, 32))
	pid := strings.TrimSpace(string(text))
	switch {
	case pid == "":
		return "another process"
	case pid == strconv.Itoa(os.Getpid()):
		return "this process"
	}
	return "process " + pid
}

// release lets the next process in. It unlocks, since closing alone would leave the lock with a child that is being
// started and has not let go of its copy of the file yet. The file stays: removing it would let two processes lock two
// files.
func (l *fileLock) release() error {
	return errors.Join(syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
}

// checkPrivate refuses a file of secrets that others than its owner can read.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s holds secrets and others can read it (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	return nil
}
