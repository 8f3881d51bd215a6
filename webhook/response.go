package webhook

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	// MaxAnswerBytes is the most a 2xx response may hold (DESIGN section 5).
	MaxAnswerBytes = 256 << 10
	// MaxExcerptBytes is what is kept of a response for people to look at.
	MaxExcerptBytes = 2 << 10

	maxHeaderBytes    = 64 << 10
	maxErrorBodyBytes = 16 << 10 // of what is no answer only an excerpt is of use
)

var errTooLarge = errors.New("response too large")

// readBody reads a response body of at most limit bytes, with one allocation where its length is known. With
// errTooLarge, as with any other error, it gives the beginning of what there was.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	switch n := resp.ContentLength; {
	case n == 0:
		return nil, nil
	case n > limit:
		start := make([]byte, min(limit, MaxExcerptBytes))
		read, _ := io.ReadFull(resp.Body, start)
		return start[:read], errTooLarge
	case n > 0:
		body := make([]byte, n)
		read, err := io.ReadFull(resp.Body, body)
		return body[:read], err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(body)) > limit {
		return body[:MaxExcerptBytes], errTooLarge
	}
	return body, err
}

// Excerpt gives the beginning of a response body, at most MaxExcerptBytes, as text that every database can
// hold: valid UTF-8 without NUL. What is neither is shown as U+FFFD.
func Excerpt(body []byte) string {
	// A few bytes more than needed show whether the last character is broken or merely cut.
	text := strings.ToValidUTF8(string(body[:min(len(body), MaxExcerptBytes+utf8.UTFMax)]), "\uFFFD")
	text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	if len(text) <= MaxExcerptBytes {
		return text
	}
	end := MaxExcerptBytes
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
