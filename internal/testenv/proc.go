package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// freePort finds a loopback port nobody listens on. It lies below the range the
// kernel takes outgoing ports from, so that a server that is down for a moment finds
// its port free when it comes back.
func freePort() (int, error) {
	for range 100 {
		port := 15000 + rand.IntN(17000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, errors.New("no free loopback port between 15000 and 32000 in 100 tries")
}

// killTree kills a process and its children together, so that no child of a killed
// database server goes on to commit, and returns when the children are gone. Children
// are known on Linux only; elsewhere they notice the death of their parent themselves.
func killTree(pid int) {
	_ = syscall.Kill(pid, syscall.SIGSTOP) // makes no new children
	children := childrenOf(pid)
	for _, p := range append(children, pid) {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
	deadline := time.Now().Add(10 * time.Second)
	for _, p := range children {
		for alive(p) && time.Now().Before(deadline) {
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func childrenOf(pid int) []int {
	var children []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if _, parent, ok := stat(path); ok && parent == pid {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			children = append(children, child)
		}
	}
	return children
}

func alive(pid int) bool {
	state, _, ok := stat(fmt.Sprintf("/proc/%d/stat", pid))
	return ok && state != "Z" && state != "X"
}

// stat reads the state and the parent of a process from its /proc/…/stat.
func stat(path string) (state string, parent int, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", 0, false
	}
	// The name in parentheses may itself hold spaces and parentheses.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 {
		return "", 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err == nil
}
