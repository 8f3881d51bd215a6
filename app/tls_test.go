package app_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// private makes certificates of an authority that no system knows, and the environments of a server that trusts it and of
// one that trusts another.
func private(t *testing.T) (c testenv.Certificates, trusts, mistrusts string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SSL_CERT_DIR is for systems that keep certificates in files")
	}
	c = testenv.NewCertificates(t)
	return c, "SSL_CERT_DIR=" + c.Dir, "SSL_CERT_DIR=" + testenv.NewCertificates(t).Dir
}

const unknownAuthority = "certificate signed by unknown authority"

func TestTLSToRedis(t *testing.T) {
	t.Parallel()
	c, trusts, mistrusts := private(t)
	_, url := testenv.StartTLSRedis(t, c)
	for name, test := range map[string]struct{ url, env, healthy, says string }{
		"trusted":          {url, trusts, "1", ""},
		"of another":       {url, mistrusts, "0", unknownAuthority},
		"for another name": {strings.Replace(url, "localhost", "127.0.0.1", 1), trusts, "0", "it doesn't contain any IP SANs"},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProcess(t, settingsFor(t, testenv.SQLite(t), test.url), test.env)
			waitUntil(t, "heard of Redis", func() bool {
				_, metrics := p.do(t, "GET", "/metrics", "")
				return strings.Contains(metrics, "\ngenevadrive_doorbell_healthy "+test.healthy+"\n") && strings.Contains(p.log.String(), test.says)
			})
		})
	}
}

func TestTLSToMariaDB(t *testing.T) {
	t.Parallel()
	c, trusts, mistrusts := private(t)
	server := testenv.StartMariaDB(t, "--ssl-cert="+c.Cert, "--ssl-key="+c.Key)
	elsewhere := server.URL + "?tls=true"
	url := strings.Replace(elsewhere, "127.0.0.1", "localhost", 1)
	for name, test := range map[string]struct {
		url, env string
		code     int
		says     string
	}{
		"trusted":          {url, trusts, 0, "applied"},
		"of another":       {url, mistrusts, 1, unknownAuthority},
		"for another name": {elsewhere, trusts, 1, "it doesn't contain any IP SANs"},
		"not looked at":    {strings.Replace(elsewhere, "tls=true", "tls=skip-verify", 1), mistrusts, 0, "applied"},
	} {
		code, out, errs := commandIn(t, []string{test.env, "GENEVADRIVE_DATABASE_URL=" + test.url}, "migrate", "status")
		if code != test.code || !strings.Contains(out+errs, test.says) {
			t.Errorf("%s: it ends with %d and %q%q, want %d and %q", name, code, out, errs, test.code, test.says)
		}
	}
}
