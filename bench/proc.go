package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks are the units of CPU time in /proc.
const ticks = 10 * time.Millisecond

// cpuOf is the user and system time of processes with all their children, the dead ones included.
func cpuOf(pids ...int) time.Duration {
	type process struct {
		parent int
		cpu    time.Duration
	}
	all := map[int]process{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		fields, ok := stat(path)
		if !ok {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		p := process{parent: fields[1]}
		for _, n := range fields[11:15] { // utime, stime, cutime, cstime
			p.cpu += time.Duration(n) * ticks
		}
		all[pid] = p
	}
	var sum time.Duration
	for pid, p := range all {
		for _, root := range pids {
			if pid == root || p.parent == root {
				sum += p.cpu
			}
		}
	}
	return sum
}

// stat reads the numbers of a process from the third field of its stat on; the state, which is a letter, is 0.
func stat(path string) ([]int, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	var numbers []int
	for _, field := range strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) {
		n, _ := strconv.Atoi(field)
		numbers = append(numbers, n)
	}
	return numbers, len(numbers) > 15
}

// rssOf is the resident memory of a process in MiB.
func rssOf(pid int) float64 { return statusOf(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:") }

// statusOf reads a line in kB from a file such as /proc/meminfo and gives it in MiB.
func statusOf(path, name string) float64 {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}
