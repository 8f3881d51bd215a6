package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

func notInstalled(kinds []*testenv.Kind) []string {
	var packages []string
	for _, k := range kinds {
		if !k.Installed() {
			packages = append(packages, k.Package)
		}
	}
	return packages
}

// languages lists the packages of the languages that are not installed.
func languages() []string {
	var packages []string
	for _, r := range testenv.Runtimes() {
		if !r.Installed() {
			packages = append(packages, r.Package)
		}
	}
	return packages
}

// policyFile keeps Debian's packages from starting their services when it exits 101.
const policyFile = "/usr/sbin/policy-rc.d"

// install installs Debian packages without starting their services. It does nothing
// where this is not root on Debian.
func install(ctx context.Context, packages []string) error {
	if len(packages) == 0 || os.Geteuid() != 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil
	}
	fmt.Printf("installing %s\n", strings.Join(packages, ", "))
	policy, err := os.OpenFile(policyFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err == nil {
		defer os.Remove(policyFile)
		_, err = policy.WriteString("#!/bin/sh\nexit 101\n")
		err = errors.Join(err, policy.Close())
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if err := aptGet(ctx, "update", "--quiet"); err != nil {
		return err
	}
	return aptGet(ctx, append([]string{"install", "--quiet", "--yes", "--no-install-recommends"}, packages...)...)
}

// aptGet waits for another apt-get to finish; what it prints matters only if it fails.
func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=120"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out)
	}
	return nil
}
