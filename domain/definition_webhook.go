package domain

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a webhook.
const (
	MinWebhookTimeout = 100 * time.Millisecond
	MaxInFlightLimit  = 10_000
	MaxURLLength      = 2048
	MaxHeaders        = 50
	MaxHeaderBytes    = 8 << 10 // names and values of one webhook, inherited ones included
)

var webhookKeys = []string{"url", "endpoint", "path", "timeout", "headers", "max_in_flight"}

// webhook reads one webhook object as written; what it inherits is merged in later.
func (o object) webhook(key string) *Webhook {
	v, at, ok := o.get(key)
	if !ok {
		return nil
	}
	w, ok := o.r.object(v, at, webhookKeys)
	if !ok {
		return nil
	}
	out := &Webhook{}
	if s, at, ok := w.text("url"); ok {
		if err := CheckURL(s); err != nil {
			o.r.add(at, "%v", err)
		}
		out.URL = s
	}
	out.Endpoint, _ = w.name("endpoint")
	if s, at, ok := w.text("path"); ok {
		if err := checkPath(s); err != nil {
			o.r.add(at, "%v", err)
		}
		out.Path = s
	}
	switch {
	case w.has("url") && w.has("endpoint"):
		o.r.add(at, "give either url or endpoint, not both")
	case w.has("url") && w.has("path"):
		o.r.add(w.at.key("path"), "a path goes with an endpoint, or with a url that is inherited; here write the whole address into url")
	}
	out.Timeout, _ = w.duration("timeout", MinWebhookTimeout, MaxWebhookTimeout, false)
	out.MaxInFlight, _ = w.whole("max_in_flight", 1, MaxInFlightLimit)
	out.Headers = w.headers("headers")
	return out
}

// CheckURL reports whether text is the address of a receiver: http or https, absolute, without user or
// fragment.
func CheckURL(text string) error {
	if len(text) > MaxURLLength {
		return fmt.Errorf("the URL is longer than %d characters", MaxURLLength)
	}
	u, err := url.Parse(text)
	for i := range len(text) {
		switch c := text[i]; {
		case c > '~' && err == nil && strings.IndexByte(u.Host, c) >= 0:
			return fmt.Errorf("the host of the URL holds a character that is not ASCII; write the host in punycode (xn--…)")
		case c <= ' ' || c > '~':
			return fmt.Errorf("the URL holds a space or a character that must be percent-encoded")
		}
	}
	if err != nil {
		return fmt.Errorf("%s is not a URL", quoted(text))
	}
	port, _ := strconv.ParseUint(u.Port(), 10, 32)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the URL must start with https:// or http://")
	case u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("the URL names no host")
	case u.User != nil:
		return fmt.Errorf("the URL must not carry a user or password; leave it out, and have the receiver check the signature of each delivery")
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return fmt.Errorf("the URL must not have a fragment (#…)")
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && (port < 1 || port > 65535):
		return fmt.Errorf("the port of the URL must be 1 to 65535")
	}
	return nil
}

var pathPattern = regexp.MustCompile(`^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$`)

func checkPath(path string) error {
	_, err := url.PathUnescape(path)
	switch {
	case len(path) > MaxURLLength:
		return fmt.Errorf("the path is longer than %d characters", MaxURLLength)
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("the path must start with a slash")
	case !pathPattern.MatchString(path) || err != nil:
		return fmt.Errorf("the path must be a plain URL path, percent-encoded, without query or fragment")
	}
	for part := range strings.SplitSeq(path, "/") {
		if plain, _ := url.PathUnescape(part); plain == "." || plain == ".." {
			return fmt.Errorf("the path must not hold . or .. as a part")
		}
	}
	return nil
}

var (
	headerToken = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")
	headerValue = regexp.MustCompile(`^[\x21-\x7E](?:[\x20-\x7E\t]*[\x21-\x7E])?$`)

	// Reserved headers belong to the protocol, to HTTP itself, or would make the transport or a receiver behave
	// differently: an idempotency key makes Go re-send a request, an accepted encoding an answer unreadable.
	reservedHeaders = []string{"host", "content-length", "content-type", "content-encoding", "connection", "keep-alive",
		"transfer-encoding", "te", "trailer", "upgrade", "expect", "accept-encoding", "user-agent", "traceparent",
		"tracestate", "idempotency-key", "x-idempotency-key"}
	reservedPrefixes = []string{"webhook-", "genevadrive-", "proxy-"}
)

// ReservedHeader tells whether a header of that name, in any case, is the server's to set.
func ReservedHeader(name string) bool {
	lower := strings.ToLower(name)
	return slices.Contains(reservedHeaders, lower) ||
		slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(lower, p) })
}

// CheckHeader reports whether a definition or endpoint may set this header. Names compare without case.
func CheckHeader(name, value string) error {
	lower := strings.ToLower(name)
	switch {
	case !headerToken.MatchString(name):
		return fmt.Errorf("%s is not a header name", quoted(name))
	case ReservedHeader(name):
		return fmt.Errorf("the header %s is reserved; the server sets it itself", lower)
	case value != "" && !headerValue.MatchString(value):
		return fmt.Errorf("the value of the header %s may hold only visible ASCII characters, with spaces inside", lower)
	}
	return nil
}

// headers reads header names, which become lower case, and their values.
func (o object) headers(key string) map[string]string {
	v, at, ok := o.get(key)
	if !ok {
		return nil
	}
	members, ok := v.(map[string]any)
	if !ok {
		o.r.add(at, "expected an object of header names and values, not %s", describeValue(v))
		return nil
	}
	out, bytes := make(map[string]string, len(members)), 0
	h := object{r: o.r, at: at, members: members}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value, at, ok := h.text(name)
		if !ok {
			continue
		}
		lower := strings.ToLower(name)
		if err := CheckHeader(name, value); err != nil {
			o.r.add(at, "%v", err)
		} else if _, twice := out[lower]; twice {
			o.r.add(at, "the header %s stands twice; names compare without case", lower)
		}
		out[lower] = value
		bytes += len(name) + len(value)
	}
	if len(members) > MaxHeaders || bytes > MaxHeaderBytes {
		o.r.add(at, "at most %d headers of %d bytes together are allowed", MaxHeaders, MaxHeaderBytes)
		return nil // so that what inherits them is not found too large as well
	}
	return out
}

// headersFit tells whether the headers of a webhook, those it inherits included, are within their bounds.
func (w *Webhook) headersFit() bool {
	return w == nil || len(w.Headers) <= MaxHeaders && headerBytes(w.Headers) <= MaxHeaderBytes
}

func headerBytes(headers map[string]string) (n int) {
	for name, value := range headers {
		n += len(name) + len(value)
	}
	return n
}

// checkMergedHeaders holds a webhook, merged over what it inherits, to the bounds that each of its parts keeps.
func (r *reading) checkMergedHeaders(w *Webhook, at place) {
	if !w.headersFit() {
		r.add(at, "with those it inherits there are %d headers of %d bytes; at most %d of %d bytes together are allowed. Take some out, here or where they are inherited from",
			len(w.Headers), headerBytes(w.Headers), MaxHeaders, MaxHeaderBytes)
	}
}

// over merges a webhook over what it inherits, key by key, headers too. A url takes the place of an inherited
// url, endpoint and path; an endpoint that of an inherited url.
func (w *Webhook) over(base *Webhook) *Webhook {
	switch {
	case w == nil:
		return base
	case base == nil:
		return w
	}
	out := *base
	switch {
	case w.URL != "":
		out.URL, out.Endpoint, out.Path = w.URL, "", ""
	case w.Endpoint != "":
		out.URL, out.Endpoint = "", w.Endpoint
	}
	if w.Path != "" {
		out.Path = w.Path
	}
	if w.Timeout != 0 {
		out.Timeout = w.Timeout
	}
	if w.MaxInFlight != 0 {
		out.MaxInFlight = w.MaxInFlight
	}
	if len(w.Headers) > 0 && len(base.Headers) > 0 {
		out.Headers = maps.Clone(base.Headers)
		maps.Copy(out.Headers, w.Headers)
	} else if len(w.Headers) > 0 {
		out.Headers = w.Headers
	}
	return &out
}

// resolved gives the webhook as a delivery uses it: a path below a url has become part of that; ok is false
// when there is neither url nor endpoint.
func (w *Webhook) resolved() (out Webhook, ok bool) {
	if w == nil || w.URL == "" && w.Endpoint == "" {
		return Webhook{}, false
	}
	out = *w
	if out.URL != "" && out.Path != "" {
		if u, err := url.Parse(out.URL); err == nil {
			out.URL = u.JoinPath(out.Path).String()
		}
		out.Path = ""
	}
	return out, true
}
