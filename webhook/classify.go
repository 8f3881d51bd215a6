package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

// CodeCanceled is the one code that is no error.code: the caller's context was canceled, so the delivery
// neither failed nor succeeded and the claim should be handed back.
const CodeCanceled = "canceled"

// DeliveryError says why a delivery failed: http_status, redirect, timeout, connection, tls, dns,
// address_refused, answer_too_large (DESIGN section 5), or CodeCanceled.
type DeliveryError struct {
	Code      string
	Message   string // a sentence for people; holds no secret, no query and no header
	Retryable bool
}

func (e *DeliveryError) Error() string { return e.Code + ": " + e.Message }

func failed(code domain.ErrorCode, format string, args ...any) *DeliveryError {
	return &DeliveryError{Code: string(code), Message: fmt.Sprintf(format, args...), Retryable: true}
}

// A definition or endpoint with such a URL should not have been accepted; no attempt will mend it.
var (
	errBadURL   = &DeliveryError{Code: string(domain.ErrAddressRefused), Message: "The webhook's URL is not an http or https URL with a host; correct it in the definition or endpoint."}
	errUserInfo = &DeliveryError{Code: string(domain.ErrAddressRefused), Message: "The webhook's URL holds a user name or password before an @; remove it: receivers know deliveries by their signature."}
)

// classify puts a failure to get a response, or all of it, under its code. took is how long that lasted.
func classify(ctx context.Context, err error, took time.Duration) *DeliveryError {
	var (
		refused   *RefusedError
		handshake *handshakeError
		dns       *net.DNSError
		network   net.Error
		plain     tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &refused) && refused.Alone:
		return failed(domain.ErrAddressRefused, "The receiver was not contacted: %s. Use another address, or have the operator list %s itself in GENEVADRIVE_WEBHOOK_ALLOW_NETS; a network around it does not open it.", refused, refused.Addr.WithZone(""))
	case errors.As(err, &refused):
		return failed(domain.ErrAddressRefused, "The receiver was not contacted: %s. Use a public address, or have the operator list its network in GENEVADRIVE_WEBHOOK_ALLOW_NETS.", refused)
	case errors.Is(ctx.Err(), context.Canceled):
		return &DeliveryError{Code: CodeCanceled, Message: "The delivery was broken off by this server.", Retryable: true}
	case ctx.Err() != nil:
		return failed(domain.ErrTimeout, "The receiver gave no complete answer within %s; make it answer sooner or raise the webhook's timeout.", took.Round(time.Millisecond))
	case errors.Is(err, errTooLarge):
		return failed(domain.ErrAnswerTooLarge, "The answer is larger than %d KiB; answer with less.", MaxAnswerBytes>>10)
	case errors.As(err, &dns):
		return failed(domain.ErrDNS, "The receiver's host name %q could not be resolved: %s.", dns.Name, dns.Err)
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return failed(domain.ErrTimeout, "No connection to the receiver could be made within %s.", took.Round(time.Millisecond))
	case errors.As(err, &plain) && plain.Conn != nil: // its first bytes are no TLS
		return failed(domain.ErrTLS, "The receiver does not speak TLS at this port; write http:// in its URL, or the port at which it does.")
	case errors.As(err, &handshake):
		return failed(domain.ErrTLS, "No secure connection to the receiver could be made: %s.", brief(handshake.cause))
	case errors.Is(err, syscall.ECONNREFUSED):
		return failed(domain.ErrConnection, "The receiver refused the connection: nothing listens there, or a firewall says no.")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failed(domain.ErrConnection, "The receiver closed the connection before its answer was complete.")
	}
	return failed(domain.ErrConnection, "The receiver's answer could not be read: %s.", brief(err))
}

// brief cuts what a library says about bytes that the receiver chose.
func brief(err error) string {
	const most = 200
	text := err.Error()
	if len(text) > most {
		text = text[:most] + " …"
	}
	return Excerpt([]byte(text))
}

// classifyStatus gives the verdict on a status that is not 2xx. An error while reading the body does not
// matter, the status is known; only a delivery that the caller canceled is no failure.
func classifyStatus(ctx context.Context, resp *http.Response, readErr error) *DeliveryError {
	if readErr != nil && errors.Is(ctx.Err(), context.Canceled) {
		return classify(ctx, readErr, 0)
	}
	status := resp.StatusCode
	switch {
	case status >= 300 && status <= 399:
		return failed(domain.ErrRedirect, "The receiver answered %s%s; redirects are not followed, so the webhook's URL must be the final one.", statusText(status), redirectHost(resp))
	case status == http.StatusBadRequest, status == http.StatusGone, status == http.StatusUnprocessableEntity:
		e := failed(domain.ErrHTTPStatus, "The receiver answered %s, which means that it will not take this delivery however often it comes.", statusText(status))
		e.Retryable = false
		return e
	}
	return failed(domain.ErrHTTPStatus, "The receiver answered %s.", statusText(status))
}

func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return fmt.Sprintf("%d (%s)", status, text)
	}
	return fmt.Sprint(status)
}

// redirectHost names the host a redirect points at; paths and queries of redirects carry tokens.
func redirectHost(resp *http.Response) string {
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || to.Hostname() == "" {
		return ""
	}
	return " to " + to.Hostname()
}
