package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// builds are the server programs: the one of this source, and an older one to be replaced by it.
type builds struct {
	dir    string
	wanted string // the revision of the old one, "" to choose

	once    sync.Once
	program string
	err     error

	oldOnce    sync.Once
	oldProgram string
	oldIs      string // what the old program is, for the report
	oldErr     error
}

func newBuilds(dir, old string) *builds { return &builds{dir: dir, wanted: old} }

// all builds what the rows take, before their time begins: the older program has libraries of its own, which may have to
// be fetched and compiled.
func (b *builds) all(list []row) error {
	_, err := b.current()
	if err == nil && slices.ContainsFunc(list, func(w row) bool { return w.upgrades }) {
		_, _, err = b.old()
	}
	return err
}

// current is the program of this source.
func (b *builds) current() (string, error) {
	b.once.Do(func() {
		b.program = filepath.Join(b.dir, "genevadrive")
		b.err = build(".", b.program, "new")
	})
	return b.program, b.err
}

// old is the program to be replaced, and what it is: that of an older revision, or without the history of
// the source the present one under another version.
func (b *builds) old() (program, is string, err error) {
	b.oldOnce.Do(func() {
		b.oldProgram = filepath.Join(b.dir, "genevadrive-old")
		revision, why := b.wanted, "as asked for"
		if revision == "" {
			revision, why = oldRevision()
		}
		if revision != "" {
			if b.oldErr = b.buildRevision(revision); b.oldErr == nil {
				b.oldIs = fmt.Sprintf("%s (%s)", git("describe", "--tags", "--always", revision), why)
				return
			}
			if b.wanted != "" {
				return
			}
			why = "the revision " + revision + " does not build here"
		}
		b.oldIs = "the same source under another version, since " + why
		b.oldErr = build(".", b.oldProgram, "old")
	})
	return b.oldProgram, b.oldIs, b.oldErr
}

// oldRevision chooses what servers are upgraded from: the newest release before this one, or before there are
// releases the source as it was before the schema last changed.
func oldRevision() (revision, why string) {
	if tag := git("describe", "--tags", "--abbrev=0", "HEAD^"); tag != "" {
		return tag, "the newest release before this one"
	}
	if last := git("log", "-1", "--format=%H", "--", "migrations"); last != "" {
		if before := git("rev-parse", "--verify", "--quiet", last+"^"); before != "" {
			return before, "the revision before the schema last changed"
		}
	}
	return "", "the history of the source is not here"
}

func (b *builds) buildRevision(revision string) error {
	source := filepath.Join(b.dir, "old")
	if err := os.MkdirAll(source, 0o755); err != nil {
		return err
	}
	archive, err := exec.Command("git", "archive", "--format=tar", revision).Output()
	if err != nil {
		return fmt.Errorf("git archive %s: %w", revision, err)
	}
	unpack := exec.Command("tar", "-x", "-C", source)
	unpack.Stdin = bytes.NewReader(archive)
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w\n%s", revision, err, out)
	}
	return build(source, b.oldProgram, "old")
}

func build(source, program, version string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-X main.version="+version, "-o", program, "./cmd/server")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the server does not build: %w\n%s", err, out)
	}
	return nil
}

// git gives the first line a git command prints, "" if it fails.
func git(args ...string) string {
	out, err := exec.Command("git", args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
