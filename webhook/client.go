package webhook

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Config is what a client is made of.
type Config struct {
	Guard     *Guard           // required
	UserAgent string           // "GenevaDrive/<version>"
	Now       func() time.Time // nil: time.Now
	RootCAs   *x509.CertPool   // nil: the system's
	Resolver  *net.Resolver    // nil: the system's
}

// Client delivers webhooks. One client serves the whole process, so that connections are shared.
type Client struct {
	transport *http.Transport
	userAgent []string
	now       func() time.Time
}

// New makes a client. It panics without a guard: there is no unguarded client.
func New(cfg Config) *Client {
	if cfg.Guard == nil {
		panic("webhook: a client needs a guard")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Client{transport: newTransport(cfg), userAgent: []string{cfg.UserAgent}, now: cfg.Now}
}

// Close closes the connections nobody uses at the moment.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Delivery is one POST.
type Delivery struct {
	URL         string            // http or https, without user information
	ID          string            // webhook-id, the same for every attempt; no dot
	Headers     map[string]string // the user's; reserved ones (domain.ReservedHeader) are left out
	WorkflowID  string
	Step        string
	Attempt     int
	Traceparent string // "" sends none
	Body        []byte // JSON; must not change until it was sent and the context of that has ended
	Secrets     []Secret
}

// Result is what became of a delivery. A nil Err means a 2xx whose body was read whole, what it says being for the
// caller to find out, or a 202 whatever its body.
type Result struct {
	Status     int         // 0: no status line arrived
	Header     http.Header // of the response; nil without one
	Body       []byte      // of a 2xx but 202 at most MaxAnswerBytes, not decompressed; else its beginning
	Duration   time.Duration
	RetryAfter time.Duration // asked for by a 429 or 503; 0 if not, at most domain.MaxRetryAfter
	Err        *DeliveryError
}

// Request is a delivery that is ready to be sent, once. It is signed with the time at which it was made ready.
type Request struct {
	Traceparent string // that of the delivery, unless it is changed

	http    *http.Request
	refused *DeliveryError // why it cannot be sent; nil: it can
}

// Deliver makes d ready and sends it; see Send.
func (c *Client) Deliver(ctx context.Context, d Delivery) Result { return c.Send(ctx, c.Prepare(d)) }

// Send sends a request once and never again, follows no redirect, and takes no longer than ctx allows, reading
// the response included. Errors are in Result.Err; see DeliveryError for the codes.
func (c *Client) Send(ctx context.Context, r Request) Result {
	if r.refused != nil {
		return Result{Err: r.refused}
	}
	if r.Traceparent != "" {
		r.http.Header["Traceparent"] = []string{r.Traceparent}
	}
	start := c.now()
	// The transport itself rather than an http.Client: that would add redirects, cookies and credentials
	// from the URL, which are not wanted.
	resp, err := c.transport.RoundTrip(r.http.WithContext(ctx))
	if err != nil {
		took := c.now().Sub(start)
		return Result{Duration: took, Err: classify(ctx, err, took)}
	}
	result := c.receive(ctx, resp, start)
	_ = resp.Body.Close()
	return result
}

// Prepare makes a delivery ready. What cannot be sent, Send refuses.
func (c *Client) Prepare(d Delivery) Request {
	target, err := url.Parse(d.URL)
	if err != nil || target.Hostname() == "" || (target.Scheme != "http" && target.Scheme != "https") {
		return Request{refused: errBadURL}
	}
	if target.User != nil {
		return Request{refused: errUserInfo}
	}
	// No GetBody: with it the transport may send the body a second time by itself.
	req := &http.Request{
		Method: http.MethodPost, URL: target, Host: target.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        c.header(&d, c.now()),
		Body:          http.NoBody,
		ContentLength: int64(len(d.Body)),
	}
	if len(d.Body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(d.Body))
	}
	return Request{Traceparent: d.Traceparent, http: req}
}

func (c *Client) receive(ctx context.Context, resp *http.Response, start time.Time) Result {
	result := Result{Status: resp.StatusCode, Header: resp.Header}
	success := resp.StatusCode >= 200 && resp.StatusCode <= 299
	accepted := resp.StatusCode == http.StatusAccepted
	limit := int64(maxErrorBodyBytes)
	if success && !accepted {
		limit = MaxAnswerBytes
	}
	var err error
	if resp.StatusCode >= 200 { // after 101 what follows is no body
		result.Body, err = readBody(resp, limit)
	}
	if accepted && !errors.Is(ctx.Err(), context.Canceled) {
		err = nil // the status says it all; the body was read for the connection's sake
	}
	now := c.now()
	result.Duration = now.Sub(start)
	switch {
	case !success:
		result.Err = classifyStatus(ctx, resp, err)
	case err != nil:
		result.Err = classify(ctx, err, result.Duration)
	}
	if result.Status == http.StatusTooManyRequests || result.Status == http.StatusServiceUnavailable {
		result.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), now)
	}
	return result
}
