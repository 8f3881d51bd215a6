package handlers

import (
	"io"
	"net/http"
	"time"
)

// What is taken, after the answer, of a body that was refused before it was read.
const (
	drainBytes = 32 << 20
	drainTime  = 5 * time.Second
)

// drain sends a refusal, and takes what is left of the request's body, within bounds: many clients read no answer before
// they have sent everything, and would lose it if the connection was closed on them. One that waits for 100 Continue
// sends nothing any more.
func drain(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody || infoOf(r.Context()).bodyRead || r.Header.Get("Expect") != "" {
		return
	}
	c := http.NewResponseController(w)
	// net/http waits for the first part of a body of unknown length before it sends anything: within the time, too.
	if c.SetReadDeadline(time.Now().Add(drainTime)) != nil || c.Flush() != nil {
		return // there is no connection, as in tests
	}
	_, _ = io.CopyN(io.Discard, r.Body, drainBytes) // whatever ends it, the answer is out
}
