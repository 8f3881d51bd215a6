package receivercheck

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/webhook"
)

const (
	pieces    = 16              // how many parts a slow request is sent in
	sip       = 16              // how many bytes of a slow answer are read at once, for as many times as there are pieces
	afterword = 2 * time.Second // how long the receiver may take to notice half a request
)

// sendHalf sends the head and half of the body of a delivery, says that no more will come, and waits for the
// receiver to be done with it.
func (c *check) sendHalf(ctx context.Context, d delivery) error {
	return c.exchange(ctx, d, func(conn net.Conn, request []byte, body int) error {
		if _, err := conn.Write(request[:len(request)-body/2]); err != nil {
			return err
		}
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			if err := half.CloseWrite(); err != nil {
				return err
			}
		}
		if err := conn.SetReadDeadline(time.Now().Add(afterword)); err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, webhook.MaxAnswerBytes)) // whatever it says
		return nil
	})
}

// sendSlowly sends a delivery in pieces, and reads the answer in pieces.
func (c *check) sendSlowly(ctx context.Context, d delivery) outcome {
	var o outcome
	err := c.exchange(ctx, d, func(conn net.Conn, request []byte, _ int) error {
		start := c.Now()
		for part := range pieces {
			if err := pause(ctx, c.Slowness/(2*pieces)); err != nil {
				return err
			}
			if _, err := conn.Write(request[part*len(request)/pieces : (part+1)*len(request)/pieces]); err != nil {
				return fmt.Errorf("the receiver closed the connection after %s, before the request was complete", c.Now().Sub(start).Round(time.Millisecond))
			}
		}
		resp, err := http.ReadResponse(bufio.NewReaderSize(&slowReader{ctx, conn, c.Slowness / (2 * pieces), pieces}, sip), nil)
		if err != nil {
			return fmt.Errorf("no answer could be read: %w", err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, webhook.MaxAnswerBytes))
		if err != nil {
			return fmt.Errorf("the answer could not be read: %w", err)
		}
		result := webhook.Result{Status: resp.StatusCode, Body: body, Duration: c.Now().Sub(start)}
		if resp.StatusCode < 200 || resp.StatusCode > 299 {
			result.Err = &webhook.DeliveryError{Message: fmt.Sprintf("The receiver answered %d.", resp.StatusCode)}
		}
		o = c.judge(result)
		return nil
	})
	if err != nil {
		return outcome{err: err}
	}
	return o
}

// exchange opens a connection that the guard has looked at and hands it to talk, with the bytes of the request
// and the length of the body at their end.
func (c *check) exchange(ctx context.Context, d delivery, talk func(conn net.Conn, request []byte, body int) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout+c.Slowness)
	defer cancel()
	message, err := c.message(d)
	if err != nil {
		return err
	}
	target, request, err := c.render(message)
	if err != nil {
		return err
	}
	conn, err := c.dial(ctx, target)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := talk(conn, request, len(message.Body)); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("no answer within %s", c.Timeout+c.Slowness)
		}
		return err
	}
	return nil
}

func (c *check) dial(ctx context.Context, target *url.URL) (net.Conn, error) {
	port := target.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[target.Scheme]
	}
	address := net.JoinHostPort(target.Hostname(), port)
	dialer := &net.Dialer{Control: c.Guard.Control}
	if target.Scheme != "https" {
		return dialer.DialContext(ctx, "tcp", address)
	}
	return (&tls.Dialer{NetDialer: dialer, Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs}}).DialContext(ctx, "tcp", address)
}

// render writes a delivery as it goes over the wire, with the headers that the webhook client gives it.
func (c *check) render(m webhook.Delivery) (*url.URL, []byte, error) {
	target, err := url.Parse(m.URL)
	if err != nil {
		return nil, nil, err
	}
	now := c.Now()
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {c.UserAgent}, "Connection": {"close"},
		"Content-Length": {strconv.Itoa(len(m.Body))}, "Webhook-Id": {m.ID}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)},
		"Webhook-Signature":       {webhook.Sign(m.ID, now, m.Body, m.Secrets...)},
		"Genevadrive-Workflow-Id": {m.WorkflowID}, "Genevadrive-Step": {m.Step}, "Genevadrive-Attempt": {strconv.Itoa(m.Attempt)}}
	for name, value := range m.Headers {
		if !domain.ReservedHeader(name) {
			header.Set(name, value)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\n", target.RequestURI(), target.Host)
	if err := header.Write(&b); err != nil {
		return nil, nil, err
	}
	b.WriteString("\r\n")
	b.Write(m.Body)
	return target, b.Bytes(), nil
}

// slowReader waits before it reads, the first few times.
type slowReader struct {
	ctx   context.Context
	r     io.Reader
	delay time.Duration
	times int
}

func (s *slowReader) Read(p []byte) (int, error) {
	if s.times > 0 {
		s.times--
		if err := pause(s.ctx, s.delay); err != nil {
			return 0, err
		}
	}
	return s.r.Read(p)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
