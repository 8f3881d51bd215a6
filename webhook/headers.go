package webhook

import (
	"net/http"
	"strconv"
	"time"

	"github.com/genevadrive/genevadrive/domain"
)

var jsonContentType = []string{"application/json"}

// header makes the header set of a delivery but for the traceparent (DESIGN section 5). Keys are written canonically,
// values share one array: this runs for every delivery.
func (c *Client) header(d *Delivery, now time.Time) http.Header {
	h := make(http.Header, 10+len(d.Headers))
	for name, value := range d.Headers {
		if !domain.ReservedHeader(name) {
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
