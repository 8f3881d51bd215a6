package handlers

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// The largest request bodies: of a batch, and of any other request.
const (
	maxBatchBytes = 8 << 20
	maxBodyBytes  = 1 << 20
)

// bodyAtOnce is how much room a body is given before any of it has come.
const bodyAtOnce = 64 << 10

const idempotencyHeader = "Idempotency-Key"

// checkIdempotencyKey refuses what is not one proper key, and any where none is taken; the handler reads it again.
func checkIdempotencyKey(op *operation, h http.Header) error {
	given := h.Values(idempotencyHeader)
	switch {
	case len(given) > 0 && op.unrepeatable:
		detail := "This operation takes no Idempotency-Key, since it has no first answer to give again; leave the header out."
		return &domain.Error{Code: domain.CodeInvalidIdempotencyKey, Detail: detail,
			Problems: []domain.Problem{{Parameter: idempotencyHeader, Detail: "it is not taken here"}}}
	case !op.idempotent || len(given) == 0:
		return nil
	case len(given) > 1:
		return &domain.Error{Code: domain.CodeInvalidIdempotencyKey, Detail: "The request has more than one Idempotency-Key."}
	}
	_, err := domain.ParseIdempotencyKey(given[0])
	return err
}

// checkBody reads the body once, checks it, and leaves it in the request for the generated code to decode.
func (c *contract) checkBody(op *operation, w http.ResponseWriter, r *http.Request) error {
	data, err := readBody(w, r, op.maxBytes)
	if err != nil {
		return err
	}
	infoOf(r.Context()).bodyRead = true
	r.Body = io.NopCloser(bytes.NewReader(data))
	r.ContentLength = int64(len(data))
	keyed := op.idempotent && r.Header.Get(idempotencyHeader) != ""
	if len(data) == 0 && !op.bodyNeeded {
		if keyed {
			infoOf(r.Context()).digest = sha256.Sum256([]byte("{}"))
		}
		return nil
	}
	mediaType, err := checkMediaType(op, r.Header, len(data) > 0)
	if err != nil {
		return err
	}
	infoOf(r.Context()).mediaType = mediaType
	if op.raw {
		return nil
	}
	if err := strictjson.Check(data); err != nil {
		return domain.ReadError(err, domain.CodeInvalidRequest)
	}
	if op.body.form == nil || !op.body.form.Fits(data) {
		value, err := strictjson.Value(data)
		if err != nil {
			return domain.ReadError(err, domain.CodeInvalidRequest)
		}
		if faults := c.bodyProblems(op.body, value); len(faults) > 0 {
			return domain.WithProblems(domain.CodeInvalidRequest, faults)
		}
		if op.member != nil {
			infoOf(r.Context()).members = c.memberProblems(op, value)
		}
	}
	if keyed {
		value, err := strictjson.ExactValue(data)
		if err != nil {
			return domain.ReadError(err, domain.CodeInvalidRequest)
		}
		canonical, err := json.Marshal(value) // keys sorted, white space gone
		if err != nil {
			return fmt.Errorf("encoding a body that was just read: %w", err)
		}
		infoOf(r.Context()).digest = sha256.Sum256(canonical)
	}
	return nil
}

func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength > most {
		return nil, tooLarge(most)
	}
	var buffer bytes.Buffer
	if r.ContentLength > 0 { // as far as it is likely; a body that was only announced must not take its whole length
		buffer.Grow(int(min(r.ContentLength, bodyAtOnce)) + bytes.MinRead)
	}
	_, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, most))
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &limit):
		return nil, tooLarge(most)
	case err != nil:
		return nil, &domain.Error{Code: domain.CodeUnreadableBody, Detail: "The body did not arrive whole.", Cause: err}
	}
	return buffer.Bytes(), nil
}

func tooLarge(most int64) error {
	return domain.Errorf(domain.CodeBodyTooLarge, "The body is larger than %d MiB.", most>>20)
}

// checkMediaType gives the media type of the body. It refuses one that the operation does not read, and a body
// that is compressed or in another character set.
func checkMediaType(op *operation, h http.Header, hasBody bool) (string, error) {
	given := h.Get("Content-Type")
	if given == "" && !hasBody {
		return op.mediaTypes[0], nil // what is wrong then is that there is no body
	}
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return "", domain.Errorf(domain.CodeUnsupportedMediaType, "The body must not be compressed.")
	}
	mediaType, params, err := mime.ParseMediaType(given)
	if err != nil || !slices.Contains(op.mediaTypes, mediaType) {
		return "", domain.Errorf(domain.CodeUnsupportedMediaType, "Send Content-Type: %s.", strings.Join(op.mediaTypes, " or "))
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", domain.Errorf(domain.CodeUnsupportedMediaType, "Send the body in UTF-8.")
	}
	return mediaType, nil
}
