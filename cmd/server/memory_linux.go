package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// madvDontNeed is MADV_DONTNEED of madvise(2).
const madvDontNeed = 4

// dropStartPages takes the pages of the program's own file out of this process's memory. Most of them only the start has
// read; what is used again comes from the kernel's cache of the file (docs/decisions/0077). Without /proc it does
// nothing.
func dropStartPages() {
	program, err := os.Executable()
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		if from, to, ok := readOnlyPart(line, program); ok {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, madvDontNeed) // it is advice
		}
	}
}

// readOnlyPart gives the addresses of a line of /proc/self/maps; ok is false if it is no read-only mapping of the program.
func readOnlyPart(line, program string) (from, to uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 6 || fields[5] != program || !strings.HasPrefix(fields[1], "r-") {
		return 0, 0, false
	}
	low, high, _ := strings.Cut(fields[0], "-")
	start, err1 := strconv.ParseUint(low, 16, 64)
	end, err2 := strconv.ParseUint(high, 16, 64)
	return uintptr(start), uintptr(end), err1 == nil && err2 == nil
}
