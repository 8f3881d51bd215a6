package app

import (
	"net/url"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
)

// publicURL reads the base of callback URLs and gives it without a slash at its end.
func (f *faults) publicURL(text string) string {
	if text == "" {
		return ""
	}
	const write = "write where receivers reach this API, like https://geneva.example.com"
	if err := domain.CheckURL(text); err != nil {
		f.add("GENEVADRIVE_PUBLIC_URL", "", err.Error()+"; "+write)
		return ""
	}
	if u, err := url.Parse(text); err != nil || u.RawQuery != "" || u.ForceQuery {
		f.add("GENEVADRIVE_PUBLIC_URL", "", "the URL must not have a query; "+write)
		return ""
	}
	return strings.TrimRight(text, "/")
}

// publicURL is the base of callback URLs: the configured one, or on loopback the address itself. "" if there
// is none, so that no step can have a callback_timeout.
func (a *App) publicURL() string {
	if a.cfg.PublicURL == "" && isLoopback(a.cfg.Addr) {
		return "http://" + a.Addr()
	}
	return a.cfg.PublicURL
}
