package persistence

import (
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/genevadrive/genevadrive/internal/netfault"
)

// TestConnectionsAreKeptAlive asks the system about each of this process's connections to the server.
func TestConnectionsAreKeptAlive(t *testing.T) {
	eachFaulty(t, func(t *testing.T, _ *Store, p *netfault.Proxy) {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		met := 0
		for _, entry := range open {
			fd, err := strconv.Atoi(entry.Name())
			if err != nil {
				t.Fatal(err)
			}
			peer, err := syscall.Getpeername(fd)
			if v4, ok := peer.(*syscall.SockaddrInet4); err != nil || !ok || net.JoinHostPort("127.0.0.1", strconv.Itoa(v4.Port)) != p.Addr {
				continue
			}
			met++
			silence := option(t, fd, syscall.TCP_KEEPIDLE) + option(t, fd, syscall.TCP_KEEPINTVL)*option(t, fd, syscall.TCP_KEEPCNT)
			if on, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE); err != nil || on == 0 || silence != 30 {
				t.Errorf("a connection is given up after %d s of silence: %d, %v", silence, on, err)
			}
		}
		if met == 0 {
			t.Error("there is no connection")
		}
	})
}

func option(t *testing.T, fd, name int) int {
	t.Helper()
	value, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, name)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
