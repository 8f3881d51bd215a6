package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// fileMemory is how much of files is in this process's memory, in KiB.
func fileMemory(t *testing.T) (kib int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "RssFile: %d kB", &kib); n == 1 {
			return kib
		}
	}
	t.Fatalf("no RssFile in\n%s", status)
	return 0
}

func TestThePagesOfTheStartAreDropped(t *testing.T) {
	before := fileMemory(t)
	dropStartPages()
	if after := fileMemory(t); after > before*3/4 {
		t.Errorf("%d KiB of files are in memory, %d were", after, before)
	}
}

func TestReadOnlyPart(t *testing.T) {
	for line, ok := range map[string]bool{
		"00400000-0192f000 r-xp 00000000 fe:00 42                 /opt/genevadrive\n": true,
		"0192f000-02f04000 r--p 0152f000 fe:00 42                 /opt/genevadrive\n": true,
		"02f04000-02fe7000 rw-p 02b04000 fe:00 42                 /opt/genevadrive\n": false,
		"7f42de540000-7f42de900000 rw-p 00000000 00:00 0 \n":                          false,
		"7f42de540000-7f42de900000 r-xp 00000000 fe:00 43         /lib/libc.so.6\n":   false,
		"00400000-0192f000 r-xp 00000000 fe:00 42       /opt/genevadrive (deleted)\n": false,
	} {
		from, to, got := readOnlyPart(line, "/opt/genevadrive")
		if got != ok || ok && (from == 0 || to <= from) {
			t.Errorf("%q gives %x to %x, %v", line, from, to, got)
		}
	}
}
