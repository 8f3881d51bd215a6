package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// builds are the server programs: the one of this source, and where a row takes it an older one to be replaced by it.
type builds struct {
	current string
	old     string
	oldIs   string // what the old program is, for the report
}

// buildFor builds in dir what the rows take, before their time begins: the older program has libraries of its own, which
// may have to be fetched and compiled. wanted is its revision, "" to choose.
func buildFor(list []row, dir, wanted string) (builds, error) {
	b := builds{current: filepath.Join(dir, "genevadrive")}
	err := build(".", b.current, "new")
	if err == nil && slices.ContainsFunc(list, func(w row) bool { return w.upgrades }) {
		b.old = filepath.Join(dir, "genevadrive-old")
		b.oldIs, err = buildOld(dir, b.old, wanted)
	}
	return b, err
}

// buildOld builds the program to be replaced, and tells what it is: that of an older revision, or without the history of
// the source the present one under another version.
func buildOld(dir, program, wanted string) (is string, err error) {
	revision, why := wanted, "as asked for"
	if revision == "" {
		revision, why = oldRevision()
	}
	if revision != "" {
		err := buildRevision(revision, filepath.Join(dir, "old"), program)
		if err == nil {
			return fmt.Sprintf("%s (%s)", git("describe", "--tags", "--always", revision), why), nil
		}
		if wanted != "" {
			return "", err
		}
		why = "the revision " + revision + " does not build here"
	}
	return "the same source under another version, since " + why, build(".", program, "old")
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

func buildRevision(revision, source, program string) error {
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
	return build(source, program, "old")
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
