package persistence

import (
	"net"
	"time"
)

// A connection whose other end has vanished says nothing for many minutes, so whatever waits for a database has a limit,
// behind which it is unavailable and the connection is closed. Only migrations have none.
const (
	readWithin  = 15 * time.Second
	writeWithin = 30 * time.Second // of a transaction, with its waits for locks
	leaseWithin = 2 * time.Second  // of the way to the lease's own connection, see leasePool
)

type limits struct{ read, write, lease time.Duration }

// dialer connects to servers. On a connection that is silent it asks whether the other end is still there, and finds out
// within half a minute.
var dialer = net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
