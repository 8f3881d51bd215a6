package app

import (
	"fmt"
	"strings"
)

// Banner is what a person who has just started the service on SQLite wants to know: where it is, where its
// file and its secret are, and what to try. It shows no secret. "" for other databases: those servers are
// started by machines, which read logs.
func (a *App) Banner() string {
	path, ok := sqlitePath(a.cfg.DatabaseURL)
	if !ok {
		return ""
	}
	base := "http://" + localAddr(a.Addr())
	curl := "curl "
	if len(a.cfg.APIKeys) > 0 {
		curl += `-H "authorization: Bearer $KEY" `
	}
	var b strings.Builder
	fmt.Fprintf(&b, "GenevaDrive %s\n\n", a.version)
	fmt.Fprintf(&b, "  API       %s  (contract: %s/openapi.yaml)\n", base, base)
	fmt.Fprintf(&b, "  database  %s\n", path)
	if a.ownSecrets {
		fmt.Fprintf(&b, "  secret    %s  (GENEVADRIVE_WEBHOOK_SECRETS in it signs webhooks; your receiver verifies with it)\n", secretsFile(path))
	}
	fmt.Fprintf(&b, "  try       %s%s/v1/workflows\n\n", curl, base)
	return b.String()
}
