package webhook

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	connectTimeout   = 10 * time.Second
	handshakeTimeout = 10 * time.Second

	// idleTimeout is below the 5 s after which common servers close an idle connection: Go would meet the
	// closed one only while sending, and what may have been sent is not sent again before its backoff.
	idleTimeout = 4 * time.Second

	idlePerHost = 256
	idleInAll   = 2048
)

// handshakeError marks what went wrong between TCP and HTTP; crypto/tls has no common type for it.
type handshakeError struct{ cause error }

func (e *handshakeError) Error() string { return "TLS: " + e.cause.Error() }
func (e *handshakeError) Unwrap() error { return e.cause }

type dialer struct {
	tcp *net.Dialer
	tls *tls.Config
}

// newTransport makes the only way out: no proxy, the guard on every connection, HTTP/1.1 (one connection a
// delivery; over HTTP/2 one slow receiver's flow control would hold up its neighbours, and the transport
// re-sends by rules of its own), and no decompression.
func newTransport(cfg Config) *http.Transport {
	d := &dialer{
		tcp: &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second, Control: cfg.Guard.Control, Resolver: cfg.Resolver},
		tls: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs, ClientSessionCache: tls.NewLRUClientSessionCache(idlePerHost)},
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            d.tcp.DialContext,
		DialTLSContext:         d.dialTLS,
		Protocols:              &protocols,
		DisableCompression:     true,
		MaxIdleConns:           idleInAll,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// dialTLS connects and shakes hands. The transport could do it; then nobody could tell a failed handshake
// from a failed connection.
func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	raw, err := d.tcp.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := d.tls.Clone()
	config.ServerName = host
	conn := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, &handshakeError{cause: err}
	}
	return conn, nil
}
