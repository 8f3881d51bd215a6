package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
)

// anonymous is the key name of every request when no keys are configured.
const anonymous = "anonymous"

// Key is an API key and the name that logs and idempotency keys know it by.
type Key struct {
	Name   string
	Secret string
}

// ParseKeys reads "name:key,name:key". A key has at least 16 visible ASCII characters; names and keys are unique. "" has no
// keys, which leaves a server open; any other text has one.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	names, secrets := map[string]bool{}, map[string]bool{}
	for i, entry := range strings.Split(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, secret, ok := strings.Cut(entry, ":")
		switch {
		case !ok || domain.CheckName(name) != nil:
			return nil, fmt.Errorf("API key %d has no proper name; write name:key, the name starting with a letter", i+1)
		case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, fmt.Errorf("API key %s holds a space or another character that cannot be in one; write letters, digits and signs of ASCII, and a comma between keys", name)
		case len(secret) < 16:
			return nil, fmt.Errorf("API key %s must have at least 16 characters", name)
		case names[name]:
			return nil, fmt.Errorf("two API keys are named %s", name)
		case secrets[secret]:
			return nil, fmt.Errorf("API key %s is the same as another", name)
		}
		names[name], secrets[secret] = true, true
		keys = append(keys, Key{Name: name, Secret: secret})
	}
	if text != "" && keys == nil {
		return nil, errors.New("it is set, but holds no key; write name:key,… or unset it to start without keys, on loopback only")
	}
	return keys, nil
}

// keyring knows the configured keys by hash, so that comparing takes the same time for every wrong key.
type keyring struct {
	names  []string
	hashes [][sha256.Size]byte
}

func newKeyring(keys []Key) keyring {
	var k keyring
	for _, key := range keys {
		k.names = append(k.names, key.Name)
		k.hashes = append(k.hashes, sha256.Sum256([]byte(key.Secret)))
	}
	return k
}

// open reports that no key is asked for.
func (k keyring) open() bool { return len(k.names) == 0 }

// find gives the name of a key, looking at all of them whichever it is.
func (k keyring) find(secret string) (name string, ok bool) {
	hash := sha256.Sum256([]byte(secret))
	found := -1
	for i := range k.hashes {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], k.hashes[i][:]), i, found)
	}
	if found < 0 {
		return "", false
	}
	return k.names[found], true
}

// authenticate lets a request pass that names a known key in "Authorization: Bearer". Without keys it lets
// those pass that were sent to this machine by a name of this machine: a web page that has its own name
// point here (DNS rebinding) must not control a server left open for local use.
//
// Callbacks have a token of their own in place of a key.
func authenticate(keys keyring, tokens tokenCheck, c *contract, p problems) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if op := c.operationOf(r); op != nil && op.callback {
				authenticateCallback(w, r, next, tokens, p)
				return
			}
			info := infoOf(r.Context())
			if keys.open() {
				if !isLocalName(r.Host) {
					p.write(w, r, domain.Errorf(domain.CodeForbidden,
						"Without API keys the server answers only to localhost; set GENEVADRIVE_API_KEYS to use it under another name."))
					return
				}
				info.keyName = anonymous
				next.ServeHTTP(w, r)
				return
			}
			secret, ok := bearerOf(r)
			if !ok {
				askForBearer(w, "")
				p.write(w, r, domain.Errorf(domain.CodeUnauthorized, "Send Authorization: Bearer with an API key."))
				return
			}
			name, ok := keys.find(secret)
			if !ok {
				askForBearer(w, "invalid_token")
				p.write(w, r, domain.Errorf(domain.CodeUnauthorized, "The API key is not one this server knows."))
				return
			}
			info.keyName = name
			next.ServeHTTP(w, r)
		})
	}
}

// bearerOf gives what follows Bearer in a request's Authorization; ok is false if it names another scheme or
// there is none.
func bearerOf(r *http.Request) (secret string, ok bool) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(secret), strings.EqualFold(scheme, "Bearer")
}

// askForBearer says in a 401 how to authenticate; fault is "" when nothing was tried.
func askForBearer(w http.ResponseWriter, fault string) {
	challenge := `Bearer realm="genevadrive"`
	if fault != "" {
		challenge += `, error="` + fault + `"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
}

// isLocalName reports whether a Host header names this machine's loopback.
func isLocalName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
