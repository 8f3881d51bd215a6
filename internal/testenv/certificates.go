package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Certificates are files, readable to every account, with which a server of the test can speak TLS.
type Certificates struct {
	Dir  string // holds the certificate of the authority and nothing else, as SSL_CERT_DIR wants it
	CA   string // that certificate
	Cert string // of the server, for localhost alone
	Key  string // of the server
}

// StartTLSRedis starts a Redis like StartRedis that also takes TLS, without certificates of clients, at the other URL that
// it gives.
func StartTLSRedis(tb TB, c Certificates) (server *Server, url string) {
	tb.Helper()
	port, err := freePort()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	server = StartRedis(tb, "--tls-port", strconv.Itoa(port), "--tls-cert-file", c.Cert, "--tls-key-file", c.Key,
		"--tls-ca-cert-file", c.CA, "--tls-auth-clients", "no")
	return server, "rediss://localhost:" + strconv.Itoa(port)
}

// NewCertificates makes an authority of the test's own and a certificate that it has signed.
func NewCertificates(tb TB) Certificates {
	tb.Helper()
	fatal := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatalf("making certificates: %v", err)
		}
	}
	dir, err := os.MkdirTemp(baseDir(), "genevadrive-certificates-")
	fatal(err)
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := Certificates{Dir: filepath.Join(dir, "ca"), CA: filepath.Join(dir, "ca", "ca.pem"),
		Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key")}
	fatal(os.Chmod(dir, 0o755))
	fatal(os.Mkdir(c.Dir, 0o755))

	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the test's authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(err)
	server := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(err)
	write := func(path, kind string, der []byte, err error) {
		tb.Helper()
		fatal(err)
		fatal(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644))
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	write(c.CA, "CERTIFICATE", der, err)
	der, err = x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	write(c.Cert, "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(serverKey)
	write(c.Key, "PRIVATE KEY", der, err)
	return c
}
