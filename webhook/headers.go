package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reserved headers belong to the protocol, to HTTP itself, or would make the transport or a receiver behave
// differently: an idempotency key makes Go re-send a request, an accepted encoding an answer unreadable.
// Keys are canonical.
var reserved = map[string]bool{
	"Host": true, "Content-Type": true, "Content-Length": true, "Content-Encoding": true,
	"Connection": true, "Keep-Alive": true, "Transfer-Encoding": true, "Te": true, "Trailer": true,
	"Upgrade": true, "Expect": true, "Accept-Encoding": true, "Traceparent": true, "User-Agent": true,
	"Idempotency-Key": true, "X-Idempotency-Key": true,
}

// ReservedHeader tells whether a header of that name, in any case, is the protocol's own, so that a
// definition or endpoint must not set it.
func ReservedHeader(name string) bool {
	canonical := http.CanonicalHeaderKey(name)
	return reserved[canonical] || strings.HasPrefix(canonical, "Webhook-") ||
		strings.HasPrefix(canonical, "Genevadrive-") || strings.HasPrefix(canonical, "Proxy-")
}

var jsonContentType = []string{"application/json"}

// header makes the header set of a delivery but for the traceparent (DESIGN section 5). Keys are written canonically,
// values share one array: this runs for every delivery.
func (c *Client) header(d *Delivery, now time.Time) http.Header {
	h := make(http.Header, 10+len(d.Headers))
	for name, value := range d.Headers {
		if !ReservedHeader(name) {
			h[http.CanonicalHeaderKey(name)] = []string{value}
		}
	}
	values := [...]string{
		d.ID,
		strconv.FormatInt(now.Unix(), 10),
		d.WorkflowID,
		d.Step,
		strconv.Itoa(d.Attempt),
		Sign(d.ID, now, d.Body, d.Secrets...),
	}
	h["Webhook-Id"] = values[0:1:1]
	h["Webhook-Timestamp"] = values[1:2:2]
	h["Genevadrive-Workflow-Id"] = values[2:3:3]
	h["Genevadrive-Step"] = values[3:4:4]
	h["Genevadrive-Attempt"] = values[4:5:5]
	if values[5] != "" {
		h["Webhook-Signature"] = values[5:6:6]
	}
	h["User-Agent"] = c.userAgent
	h["Content-Type"] = jsonContentType
	return h
}
